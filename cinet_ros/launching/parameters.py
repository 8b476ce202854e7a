"""Launch arguments that are parameters of a node: description, type, range and choices are the parameter's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from types import GenericAlias
from typing import Any

import yaml
from launch_ros.parameter_descriptions import ParameterValue

from cinet_core.parameters import check_value
from cinet_ros.launching.arguments import Table, Values


def parameter_arguments(kind: type, names: Iterable[str], file: str) -> Table:
    """Arguments for some parameters of a node, all not given by default.

    Args:
        kind: the node's settings class.
        names: of the parameters.
        file: argument that names the parameter file.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    return {name: ("", _description(fields[name], file)) for name in names}


def given_parameters(values: Values, kind: type, names: Iterable[str]) -> dict[str, Any]:
    """Values of those parameters that were given as arguments.

    Raises:
        ValueError: one is of the wrong type, out of its range or none of its choices.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    return {name: _value(values, fields[name]) for name in names if values[name]}


def node_parameters(file: str | None, given: dict[str, Any], /) -> list[Any]:
    """What a node takes as parameters: a file, and above it the arguments that were given (neither None nor '').

    A parameter may have any name, `file` too: hence a dictionary, and nothing passed by keyword.
    """
    # value_type keeps launch from reading a path such as `12` as a number
    arguments = {
        name: ParameterValue(value, value_type=_value_type(value))
        for name, value in given.items()
        if value is not None and value != ""
    }
    return [item for item in (file, arguments) if item]


def in_file(values: Values, argument: str, node_name: str, parameter: str) -> Any:
    """A parameter of a node as its parameter file says; None where it does not.

    Args:
        values: with `namespace`.
        argument: that names the file.
        node_name: of the node.
        parameter: its name.

    Raises:
        ValueError: there is no such file.
    """
    file = values.file(argument)
    if file is None:
        return None
    try:
        sections = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
        found = [section["ros__parameters"].get(parameter) for section in _of_node(sections, values, node_name)]
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        return None  # the node reads the same file, and says what is wrong with it
    return next((value for value in reversed(found) if value is not None), None)


def _value_type(value: Any) -> Any:
    return GenericAlias(list, (type(value[0]),)) if isinstance(value, list) else type(value)


def _description(field: dataclasses.Field[Any], file: str) -> str:
    choices, limits = field.metadata["choices"], field.metadata["limits"]
    text = field.metadata["description"]
    if choices:
        text += f"; one of {', '.join(choices)}"
    if limits:
        text += f"; {limits[0]:g} .. {limits[1]:g}"
    if isinstance(field.default, tuple):
        text += "; a list, 'a b' or '[a, b]'"
    return f"{text}; '': as in {file}"


def _value(values: Values, field: dataclasses.Field[Any]) -> Any:
    default: Any = field.default
    kind, name = type(default), field.name
    if kind is tuple:
        value: Any = values.numbers(name) if isinstance(default[0], float) else values.words(name)
        check_value(field, tuple(value or ()))
        return value or list(default)
    readers = {bool: values.flag, int: values.integer, float: values.number, str: values.__getitem__}
    value = readers[kind](name)
    if kind is str and field.metadata["choices"]:
        value = value.lower() if value.lower() in field.metadata["choices"] else value
    check_value(field, value)
    return value


def _of_node(sections: dict[str, Any], values: Values, node_name: str) -> Iterable[dict[str, Any]]:
    """Sections of a parameter file that are this node's, the one that wins last: a full name beats a wildcard."""
    namespace = values["namespace"].strip("/")
    full = f"/{namespace}/{node_name}" if namespace else f"/{node_name}"
    for name in ("/**", f"/**/{node_name}", node_name, full):
        if name in sections:
            yield sections[name]
