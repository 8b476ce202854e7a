"""Of `launch_ros.actions`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..launch import Action, LaunchContext
from ..launch.actions import ExecuteProcess
from ..launch.utilities import normalize_to_list_of_substitutions, perform_substitutions


class Node(ExecuteProcess):
    """A ROS node."""

    def __init__(
        self,
        *,
        executable: Any,
        package: Any = None,
        name: Any = None,
        namespace: Any = None,
        exec_name: Any = None,
        parameters: Any = None,
        remappings: Any = None,
        ros_arguments: Iterable[Any] | None = None,
        arguments: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if parameters is not None and not isinstance(parameters, list):
            raise TypeError("parameters must be a list")
        kwargs["name"] = exec_name
        super().__init__(cmd=[executable, *(arguments or []), *(ros_arguments or [])], **kwargs)


class SetRemap(Action):
    """A remapping for all nodes of its group."""

    def __init__(self, src: Any, dst: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._pair = tuple(normalize_to_list_of_substitutions(item) for item in (src, dst))

    def execute(self, context: LaunchContext) -> None:
        known = context.launch_configurations.get("ros_remaps", [])
        added = tuple(perform_substitutions(context, item) for item in self._pair)
        context.launch_configurations["ros_remaps"] = [*known, added]
