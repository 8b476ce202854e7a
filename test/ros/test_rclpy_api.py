"""Every name of rclpy that the nodes use exists in the rclpy that is installed, private and experimental ones too.

A node meets most of them only while it runs, some only when something fails: a distribution that has renamed one is
told here, by its name and the line that uses it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.service import Service

SOURCES = sorted((Path(__file__).resolve().parents[2] / "cinet_ros").rglob("*.py"))
# What an expression is, by the last name of it: `self._node.create_timer` is of a Node.
RECEIVERS: dict[str, Any] = {"node": Node, "_node": Node, "rclpy_implementation": rclpy_implementation}
# Classes of ours that are rclpy's: `self.create_timer` is of the base.
BASES = {"Node": Node, "LifecycleNode": LifecycleNode, "ManagedNode": LifecycleNode}


def parsed(path: Path) -> tuple[str, ast.Module]:
    return path.name, ast.parse(path.read_text(encoding="utf-8"))


def has(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.import_module(f"{module}.{name}"))
    except ImportError:
        return False


def optional_lines(tree: ast.Module) -> set[int]:
    """Lines of imports for which there is an `except ImportError`."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any("ImportError" in ast.dump(handler) for handler in node.handlers):
            lines |= {item.lineno for statement in node.body for item in ast.walk(statement) if hasattr(item, "lineno")}
    return lines


def imported() -> Iterator[tuple[str, str, str]]:
    for file, tree in map(parsed, SOURCES):
        skipped = optional_lines(tree)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and (node.module or "").startswith("rclpy")
                and node.lineno not in skipped
            ):
                for alias in node.names:
                    yield f"{file}:{node.lineno}", str(node.module), alias.name
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rclpy":
                yield f"{file}:{node.lineno}", "rclpy", node.attr


def base_of(definition: ast.ClassDef) -> Any:
    """rclpy's class that a class of ours is derived from; None where there is none."""
    return next((BASES[base.id] for base in definition.bases if isinstance(base, ast.Name) and base.id in BASES), None)


def calls() -> Iterator[tuple[str, Any, ast.Call, str]]:
    """(place, class, call, method) of every call on a node, or on rclpy's module, that is not of a method of ours."""
    trees = [parsed(path) for path in SOURCES]
    classes = [item for _, tree in trees for item in ast.walk(tree) if isinstance(item, ast.ClassDef)]
    nodes = [item for item in classes if base_of(item) is not None]
    ours = {method.name for kind in nodes for method in kind.body if isinstance(method, ast.FunctionDef)}
    for file, tree in trees:
        for item in ast.walk(tree):
            kinds = RECEIVERS
            if isinstance(item, ast.ClassDef) and base_of(item) is not None:
                kinds = {"self": base_of(item)}
            elif not isinstance(item, ast.FunctionDef):
                continue
            for call in ast.walk(item):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                    continue
                receiver, method = call.func.value, call.func.attr
                name = getattr(receiver, "attr", getattr(receiver, "id", ""))
                if name in kinds and method not in ours and not method.startswith("_"):  # those are attributes of ours
                    yield f"{file}:{call.lineno}", kinds[name], call, method


def test_every_imported_name_exists() -> None:
    names = list(imported())
    assert len(names) > 50
    assert not [f"{place}: {module}.{name}" for place, module, name in names if not has(module, name)]


def test_every_method_of_a_node_exists_and_takes_our_arguments() -> None:
    found = list(calls())
    assert {"create_subscription", "create_timer", "set_descriptor", "destroy_publisher"} <= {item[3] for item in found}
    wrong = []
    for place, kind, call, method in found:
        function = getattr(kind, method, None)
        if function is None:
            wrong.append(f"{place}: {kind.__name__}.{method} does not exist")
            continue
        accepted = inspect.signature(function).parameters
        if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in accepted.values()):
            continue
        wrong += [
            f"{place}: {kind.__name__}.{method} takes no {word.arg}"
            for word in call.keywords
            if word.arg is not None and word.arg not in accepted
        ]
    assert not wrong


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Publisher, ("publish", "get_subscription_count", "wait_for_all_acked", "topic_name")),
        (LifecycleNode, ("trigger_configure", "trigger_activate", "set_parameters_atomically", "set_parameters")),
        (rclpy_implementation, ("RCLError", "LifecycleStateMachine", "TransitionCallbackReturnType")),
    ],
)
def test_what_is_used_of_other_classes_exists(kind: Any, names: tuple[str, ...]) -> None:
    assert not [name for name in names if not hasattr(kind, name)]


def test_the_service_of_transitions_is_where_we_look_for_it(context: Context) -> None:
    node = LifecycleNode("managed", context=context)
    assert isinstance(node._service_change_state, Service)
    assert callable(node._service_change_state.callback)
    assert node._state_machine.current_state[1] == "unconfigured"
    node.destroy_node()
