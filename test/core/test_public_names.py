"""Every module of `cinet_core` says what is public, and others ask it for nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = ("cli", "rooms")
"""Rooms whose modules are nobody's library: the commands, and the generators behind the data sets."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {
    module_of(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "cinet_core").rglob("*.py"))
    if path.name != "__main__.py"
}
LIBRARY = [name for name in TREES if (*name.split("."), "")[1] not in OUTSIDE]


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those at the top of a module, also below `if` and `try`."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from statements([*node.body, *node.orelse])
        else:
            yield node


def listed(name: str) -> set[str] | None:
    """What `__all__` names; None where there is none."""
    for node in TREES[name].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def definitions(name: str) -> set[str]:
    """Classes and functions that are called as if they were public."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    found = {node.name for node in statements(TREES[name].body) if isinstance(node, kinds)}
    return {name for name in found if not name.startswith("_")}


def bound(name: str) -> set[str]:
    """Every name that the top of a module binds, imports included, and its modules where it is a package."""
    found = {module.rpartition(".")[2] for module in TREES if module.rpartition(".")[0] == name}
    for node in statements(TREES[name].body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return found


@pytest.mark.parametrize("name", LIBRARY)
def test_a_module_says_what_is_public(name: str) -> None:
    public = listed(name)
    if public is None:
        assert not definitions(name), f"{name} has no __all__: list them, or begin their names with an underscore"
        return
    assert public <= bound(name), "names that are not there"
    assert definitions(name) <= public, "list them in __all__, or begin their names with an underscore"
    assert not {item for item in public if item.startswith("_")} - {"__version__"}


def imports() -> Iterator[tuple[str, str, str]]:
    """(file, module, name) of what the packages and the tools import from modules of the library."""
    for folder in ("cinet_core", "cinet_ros", "scripts", "launch"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module in LIBRARY:
                    yield from ((str(path.relative_to(ROOT)), node.module, alias.name) for alias in node.names)


def test_nothing_but_public_names_is_imported() -> None:
    found = set(imports())
    assert len(found) > 500
    private = [
        (file, module, name)
        for file, module, name in sorted(found)
        if name not in (listed(module) or ()) and f"{module}.{name}" not in TREES
    ]
    assert private == []
