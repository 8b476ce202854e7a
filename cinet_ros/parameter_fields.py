"""Settings classes of `cinet_core.parameters` as ROS parameters: declarations, descriptors and changes at run time.

A node's settings are filled by `declare`; `typed` does for a change at run time what that does at the start, and
`changed` makes the settings after it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from cinet_core.parameters import check_value, coerced, parameter

__all__ = ["changed", "declare", "threads_parameter", "typed"]

Settings = TypeVar("Settings")


def threads_parameter(default: str) -> Any:
    """The parameter `threads`, by which nodes that share a machine keep out of each other's way.

    Args:
        default: in words, what 0 is where the environment says nothing.
    """
    return parameter(
        0,
        "threads for the work on one frame (PyTorch, OpenCV, OpenMP, ONNX Runtime, OpenVINO); 0: what the environment "
        f"variable OMP_NUM_THREADS says, or without it {default}",
        limits=(0, 256),
    )


def declare(node: Node, kind: type[Settings]) -> Settings:
    """Declare every field as a parameter of the node, and return the given values.

    Each parameter has its field's type from then on, also one that a whole number was given for, or an empty list.

    Raises:
        ValueError: as the settings class.
    """
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # it is a dataclass
    # Types and ranges are checked by the class, so that `rate:=10` is as good as `rate:=10.0` and errors name the
    # remedy; the full descriptors come after it, because rclpy would refuse a value first, in its own words.
    bare = ParameterDescriptor(dynamic_typing=True)
    values = {field.name: node.declare_parameter(field.name, _to_ros(field.default), bare).value for field in fields}
    # An empty list has no type in a file or on the command line: rcl hands on that nothing is set.
    empty = {field.name: () for field in fields if values[field.name] is None and isinstance(field.default, tuple)}
    settings = kind(**{field.name: coerced(field, values[field.name]) for field in fields} | empty)
    for field in fields:
        # rclpy takes the value as we have it where the one that was given is not of the descriptor's type
        value = _ros_parameter(field, getattr(settings, field.name)).to_parameter_msg().value
        node.set_descriptor(field.name, _descriptor(field), value)
    return settings


def typed(settings: Any, changes: Iterable[Parameter]) -> list[Parameter]:
    """Return changes of parameters with each value converted to the type of its field, before rclpy checks them.

    rclpy would refuse the whole number that ``ros2 param set`` makes of ``10`` where a double is meant.

    Args:
        settings: of the node. Parameters that are no fields of it, or read-only, are left as they are.
        changes: as rclpy has them.

    Raises:
        ValueError: of another type, out of range or no choice; the text names the parameter, its value and what is
            accepted.
    """
    fields = {field.name: field for field in dataclasses.fields(settings) if field.metadata["run_time"]}
    return [_typed(fields[change.name], change) if change.name in fields else change for change in changes]


def changed(settings: Settings, changes: Iterable[Parameter]) -> Settings:
    """Return the settings with the given parameters replaced. Other names (qos_overrides, use_sim_time) are skipped.

    Raises:
        ValueError: as the settings class.
    """
    ours = {field.name: field for field in dataclasses.fields(settings)}  # type: ignore[arg-type]  # it is a dataclass
    values = {item.name: coerced(ours[item.name], item.value) for item in changes if item.name in ours}
    return dataclasses.replace(settings, **values)  # type: ignore[type-var]  # likewise


def _typed(field: dataclasses.Field[Any], change: Parameter) -> Parameter:
    value = coerced(field, change.value)
    check_value(field, value)
    return _ros_parameter(field, value)


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    limits, choices = field.metadata["limits"], field.metadata["choices"]
    descriptor = ParameterDescriptor(name=field.name, description=field.metadata["description"])
    descriptor.type = _ros_type(field).value
    descriptor.read_only = not field.metadata["run_time"]
    if choices:
        descriptor.additional_constraints = "one of: " + ", ".join(choices)
    if limits and isinstance(field.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))]
    elif limits:
        descriptor.integer_range = [IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)]
    return descriptor


def _ros_type(field: dataclasses.Field[Any]) -> Parameter.Type:
    return Parameter.Type.from_parameter_value(_to_ros(field.default))


def _ros_parameter(field: dataclasses.Field[Any], value: Any) -> Parameter:
    return Parameter(field.name, _ros_type(field), _to_ros(value))


def _to_ros(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
