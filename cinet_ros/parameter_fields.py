"""ROS parameters as fields of a frozen dataclass: one place for type, default, range, meaning and descriptor.

A settings class makes its fields with `parameter`, checks itself with `check` in ``__post_init__``, and is filled from
a node by `declare`. The README's appendix is made from the same fields by `markdown_table`.
"""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

Settings = TypeVar("Settings")

_KINDS = {
    str: "text (quote it: \"'12'\")",
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    tuple: "a list",
}


def parameter(
    default: Any,
    description: str,
    *,
    limits: tuple[float, float] | None = None,
    choices: Sequence[str] = (),
    run_time: bool = False,
) -> Any:
    """Field that carries what its ROS descriptor says.

    Args:
        default: its type is the parameter's: bool, int, float, str, or a tuple of one of these.
        description: shown by ``ros2 param describe`` and in the README.
        limits: smallest and largest number that is accepted.
        choices: the only texts that are accepted.
        run_time: whether it can be changed while the node runs.
    """
    metadata = {"description": description, "limits": limits, "choices": tuple(choices), "run_time": run_time}
    return dataclasses.field(default=default, metadata=metadata)


def check(settings: Any) -> None:
    """Check type, range and choice of every field.

    Raises:
        ValueError: the text names the parameter, its value and what is accepted.
    """
    for field in dataclasses.fields(settings):
        check_value(field, getattr(settings, field.name))


def declare(node: Node, kind: type[Settings]) -> Settings:
    """Declare every field on the node and return the values given on the command line or in a file.

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
        node.set_descriptor(field.name, _descriptor(field))
    return settings


def coerced(field: dataclasses.Field[Any], value: Any) -> Any:
    """A value as rclpy has it, in the field's type: lists become tuples, whole numbers floats where those are meant."""
    if isinstance(field.default, float) and type(value) is int:
        return float(value)
    if isinstance(value, bool) and str(value).lower() in field.metadata["choices"]:
        return str(value).lower()  # YAML reads the unquoted choices `true` and `false` as no text
    return tuple(value) if isinstance(value, (list, array.array)) else value


def markdown_table(kind: type) -> str:
    """One row a parameter: name, type, default, range, when it changes, meaning."""
    rows = ["| parameter | type | default | accepted | changes | meaning |", "|---|---|---|---|---|---|"]
    for field in dataclasses.fields(kind):
        limits, choices = field.metadata["limits"], field.metadata["choices"]
        accepted = " ".join(f"`{choice}`" for choice in choices) or (
            f"{limits[0]:g} .. {limits[1]:g}" if limits else ""
        )
        changes = "run time" if field.metadata["run_time"] else "read-only"
        cells = (f"`{field.name}`", _type_name(field.default), f"`{_literal(field.default)}`", accepted, changes)
        rows.append(f"| {' | '.join(cells)} | {field.metadata['description']} |")
    return "\n".join(rows)


def check_value(field: dataclasses.Field[Any], value: Any) -> None:
    """Check type, range and choice of one value.

    Raises:
        ValueError: the text names the parameter, its value and what is accepted.
    """
    default: Any = field.default
    kind = type(default)
    sound = type(value) is kind
    if sound and kind is tuple:
        accepted = (int, float) if isinstance(default[0], float) else (type(default[0]),)
        sound = all(type(item) in accepted for item in value)
    limits, choices = field.metadata["limits"], field.metadata["choices"]
    if not sound:
        within = f" in {limits[0]:g} .. {limits[1]:g}" if limits else ""
        within += f", one of {', '.join(choices)}," if choices else ""
        raise ValueError(f"{field.name} = {value!r} must be {_KINDS[kind]}{within}, such as {_literal(default)}")
    if choices and value not in choices:
        raise ValueError(f"{field.name} = {value!r} is not one of {', '.join(choices)}")
    # written so that NaN fails too
    if limits and not limits[0] <= value <= limits[1]:
        raise ValueError(f"{field.name} = {value!r} is outside {limits[0]:g} .. {limits[1]:g}")


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    limits, choices = field.metadata["limits"], field.metadata["choices"]
    descriptor = ParameterDescriptor(name=field.name, description=field.metadata["description"], dynamic_typing=True)
    descriptor.read_only = not field.metadata["run_time"]
    if choices:
        descriptor.additional_constraints = "one of: " + ", ".join(choices)
    if limits and isinstance(field.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))]
    elif limits:
        descriptor.integer_range = [IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)]
    return descriptor


def _to_ros(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _type_name(default: Any) -> str:
    if isinstance(default, tuple):
        return f"{_type_name(default[0])}[]"
    return {str: "string", float: "double"}.get(type(default), type(default).__name__)


def _literal(value: Any) -> str:
    """A value as YAML has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) and not value else str(value)
