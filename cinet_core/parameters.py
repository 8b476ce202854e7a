"""Parameters as fields of a frozen dataclass: one place for type, default, range, choices and meaning of each.

A settings class makes its fields with `parameter` and checks itself with `check` in ``__post_init__``. All else is made
from the fields: the declarations and descriptors of a ROS node (`cinet_ros.parameter_fields`), the tables of the README
(`markdown_table`), the arguments of launch files, and what `cinet bag run` takes of a node's file (`read_file`).

Imports neither NumPy nor ROS: `ros2 launch` may lack the one, and a bag is read without the other.
"""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["check", "check_value", "coerced", "markdown_table", "parameter", "prefixed", "read_file", "with_fields_of"]

Settings = TypeVar("Settings")
Class = TypeVar("Class", bound=type)

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
    """Field that carries all that is known of a parameter.

    Args:
        default: its type is the parameter's: bool, int, float, str, or a tuple of one of these.
        description: shown by ``ros2 param describe`` and in the README.
        limits: smallest and largest number that is accepted.
        choices: the only texts that are accepted.
        run_time: whether it can be changed while a node runs.
    """
    metadata = {"description": description, "limits": limits, "choices": tuple(choices), "run_time": run_time}
    return dataclasses.field(default=default, metadata=metadata)


def with_fields_of(kind: type, prefix: str) -> Callable[[Class], Class]:
    """Class decorator, to stand below ``@dataclass``: adds the fields of another settings class, their names prefixed.

    `prefixed` makes an instance of that class again.
    """

    def add(settings: Class) -> Class:
        for field in dataclasses.fields(kind):
            settings.__annotations__[prefix + field.name] = field.type
            setattr(settings, prefix + field.name, dataclasses.field(default=field.default, metadata=field.metadata))
        return settings

    return add


def prefixed(settings: Any, kind: type[Settings], prefix: str) -> Settings:
    """Return the settings of a class whose fields `with_fields_of` has added to another one's.

    Raises:
        ValueError: as the class, where values are at odds with each other; the text names the prefix.
    """
    values = {field.name: getattr(settings, prefix + field.name) for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # it is a dataclass
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{prefix}{error} (names of parameters begin with {prefix})") from error


def check(settings: Any) -> None:
    """Check type, range and choices of every field.

    Raises:
        ValueError: the text names the parameter, its value and what is accepted.
    """
    for field in dataclasses.fields(settings):
        check_value(field, getattr(settings, field.name))


def check_value(field: dataclasses.Field[Any], value: Any) -> None:
    """Check type, range and choices of one value.

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


def coerced(field: dataclasses.Field[Any], value: Any) -> Any:
    """A value as rclpy or YAML has it, in the field's type.

    Lists become tuples, whole numbers floats where those are meant, and `true`, `false`, `on` and `off` text where they
    are choices.
    """
    if isinstance(field.default, float) and type(value) is int:
        return float(value)
    if isinstance(value, bool):  # YAML reads the unquoted choices `true`, `false`, `on` and `off` as no text
        meant = ("true", "on") if value else ("false", "off")
        return next((text for text in meant if text in field.metadata["choices"]), value)
    if not isinstance(value, (list, array.array)):
        return value
    if isinstance(field.default, tuple) and isinstance(field.default[0], float):
        return tuple(float(item) if type(item) is int else item for item in value)
    return tuple(value)


def read_file(path: Path, kind: type[Settings]) -> tuple[Settings, list[str]]:
    """Read settings from a parameter file of a node.

    Args:
        path: YAML as a node takes it. Sections of several nodes count together, a later one before an earlier one.
        kind: settings class.

    Returns:
        The settings, with defaults where the file says nothing, and the names in the file that are no fields of the
        class.

    Raises:
        ValueError: the file cannot be read, or holds a value that the class refuses; the text names the file.
    """
    import yaml

    try:
        given: dict[str, Any] = {}
        for node in yaml.safe_load(path.read_text(encoding="utf-8")).values():
            given.update(node["ros__parameters"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no parameter file ({type(error).__name__}: {error}): it needs `/**:`, below it "
            "`ros__parameters:`, and below that the parameters, as config/perception.yaml has them"
        ) from error
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # it is a dataclass
    known = {name: coerced(fields[name], value) for name, value in given.items() if name in fields}
    try:
        return kind(**known), sorted(given.keys() - fields.keys())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def markdown_table(kind: type, order: Sequence[str] = ()) -> str:
    """Return a Markdown table of the parameters: name, type, default, range, whether it is dynamic, meaning.

    Args:
        kind: settings class.
        order: names of fields in the order of the rows, after those that it does not name; empty: as the class has
            them.
    """
    rows = ["| parameter | type | default | accepted | changes | meaning |", "|---|---|---|---|---|---|"]
    places = {name: place for place, name in enumerate(order)}
    for field in sorted(dataclasses.fields(kind), key=lambda field: places.get(field.name, -1)):
        limits, choices = field.metadata["limits"], field.metadata["choices"]
        accepted = " ".join(f"`{choice}`" for choice in choices) or (
            f"{limits[0]:g} .. {limits[1]:g}" if limits else ""
        )
        changes = "run time" if field.metadata["run_time"] else "read-only"
        cells = (f"`{field.name}`", _type_name(field.default), f"`{_literal(field.default)}`", accepted, changes)
        rows.append(f"| {' | '.join(cells)} | {field.metadata['description']} |")
    return "\n".join(rows)


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
