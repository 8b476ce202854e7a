"""Of `launch_ros.parameter_descriptions`."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from ..launch import LaunchContext


class ParameterValue:
    """A parameter's value and type."""

    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        items, kind = ([value], value_type) if get_origin(value_type) is not list else (value, get_args(value_type)[0])
        if value_type is not None and not all(isinstance(item, kind) for item in items):
            raise TypeError(f"value='{value}' is not of type {value_type}")
        self.value = value
        self.value_type = value_type

    def evaluate(self, context: LaunchContext) -> Any:
        return self.value
