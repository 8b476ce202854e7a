"""Run a launch file's description without starting a process, and say what would be started.

Works with the real `launch` and `launch_ros`, and with the stand-in alike: only `Node` is kept from running.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import launch_stand_in
import pytest

launch_stand_in.install()

from launch import LaunchContext, LaunchDescription  # noqa: E402
from launch.actions import IncludeLaunchDescription, LogInfo, TimerAction  # noqa: E402
from launch.events.process import ProcessExited  # noqa: E402
from launch.launch_description_sources import AnyLaunchDescriptionSource  # noqa: E402
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions  # noqa: E402
from launch_ros.actions import Node  # noqa: E402


@dataclass
class StartedNode:
    """A node as it would be started."""

    action: Any
    package: str
    executable: str
    name: str
    namespace: str
    files: list[str]
    parameters: dict[str, Any]
    remappings: dict[str, str]
    arguments: list[str]
    environment: dict[str, str]
    options: dict[str, Any]


@dataclass
class Walked:
    """What a launch file does."""

    context: Any
    nodes: list[StartedNode] = field(default_factory=list)
    included: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    later: list[Any] = field(default_factory=list)

    def node(self, name: str) -> StartedNode:
        """The node of this name or executable."""
        (found,) = [node for node in self.nodes if name in (node.name, node.executable)]
        return found

    def exits(self, name: str, status: int) -> list[Any]:
        """What is done when this node's process has ended; raises what a handler raises."""
        event = ProcessExited(
            action=self.node(name).action, returncode=status, name=name, cmd=[], cwd=None, env=None, pid=1
        )
        done: list[Any] = []
        for handler in [item for item in self.context._event_handlers if item.matches(event)]:
            done += handler.handle(event, self.context) or []
        return done


def walk(launch_file: Path, *, parent: Path | None = None, **arguments: str) -> Walked:
    """Run a launch file's description.

    Args:
        launch_file: its path.
        parent: a launch file of another package, which the command line names instead.
        arguments: of the command line.
    """
    argv = [f"{name}:={value}" for name, value in arguments.items()]
    context = LaunchContext(argv=argv)
    walked = Walked(context)
    source = AnyLaunchDescriptionSource(str(launch_file))
    description = LaunchDescription([IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))])
    named = (parent or launch_file).name
    with pytest.MonkeyPatch.context() as patch, _kept_environment():
        patch.setattr(sys, "argv", ["ros2", "launch", "cinet_ros" if parent is None else "robot", named, *argv])
        _keep_nodes_from_running(patch, walked, dict(os.environ))
        _visit(description, walked)
    return walked


def _visit(entity: Any, walked: Walked) -> None:
    context = walked.context
    if isinstance(entity, TimerAction):
        walked.later.append(entity)
        return
    if isinstance(entity, LogInfo):
        walked.said.append(perform_substitutions(context, entity.msg))
    children = list(entity.visit(context) or [])
    if isinstance(entity, IncludeLaunchDescription) and children:
        given = {_text(context, name): _text(context, value) for name, value in entity.launch_arguments}
        walked.included.append((entity.launch_description_source.location, given))
    for child in children:
        _visit(child, walked)


def _keep_nodes_from_running(patch: pytest.MonkeyPatch, walked: Walked, before: Mapping[str, str]) -> None:
    original = Node.__init__

    def init(self: Any, **given: Any) -> None:
        original(self, **given)
        self.given = given

    def execute(self: Any, context: Any) -> None:
        walked.nodes.append(_started(self, dict(self.given), context, before))

    patch.setattr(Node, "__init__", init)
    patch.setattr(Node, "execute", execute)


def _started(action: Any, given: dict[str, Any], context: Any, before: Mapping[str, str]) -> StartedNode:
    def text(name: str) -> str:
        return _text(context, given.pop(name, None) or "")

    parameters = given.pop("parameters", None) or []
    merged = {name: value for item in parameters if isinstance(item, dict) for name, value in item.items()}
    remappings = [*context.launch_configurations.get("ros_remaps", []), *(given.pop("remappings", None) or [])]
    return StartedNode(
        action=action,
        package=text("package"),
        executable=text("executable"),
        name=text("name"),
        namespace=text("namespace"),
        files=[str(item) for item in parameters if not isinstance(item, dict)],
        parameters={
            name: value.evaluate(context) if hasattr(value, "evaluate") else value for name, value in merged.items()
        },
        remappings={_text(context, ours): _text(context, theirs) for ours, theirs in remappings},
        arguments=[_text(context, item) for item in given.pop("arguments", None) or []],
        environment={name: value for name, value in os.environ.items() if before.get(name) != value},
        options=given,
    )


def _text(context: Any, value: Any) -> str:
    return perform_substitutions(context, normalize_to_list_of_substitutions(value))


@contextlib.contextmanager
def _kept_environment() -> Iterator[None]:
    kept = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
