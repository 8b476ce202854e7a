"""Which rooms of the packages import which, read from the source: for the diagram and for tests of the structure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cinet_core", "cinet_ros")
# What is drawn as a room of its own, or in another one than its folder.
APART = {
    "checkpoint": "model",
    "model_metadata": "model",
    "tasks.learning": "tasks.learning",
    "evaluation.metrics": "metrics",
    "evaluation.protocols": "metrics",
}


def modules(packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Every module of the packages and its file; a package counts as its `__init__`."""
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(path: Path, known: dict[str, Path], lazy: bool = True) -> set[str]:
    """Which of the modules that are known a file imports.

    Args:
        path: of the file.
        known: modules by name, see `modules`.
        lazy: also what is imported within functions.
    """
    found = set()
    for node in _statements(ast.parse(path.read_text(encoding="utf-8")), lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else str(node.module) for name in names}
    return found & known.keys()


def room(module: str) -> str | None:
    """The room that a module is in; None for the front door, `cinet_core` itself."""
    package, *rest = module.split(".")
    if package != "cinet_core":
        return package
    if not rest:
        return None
    apart = APART.get(rest[0]) or APART.get(".".join(rest[:2]))
    return apart or (rest[0] if (ROOT / package / rest[0]).is_dir() else "ground floor")


def rooms() -> dict[str, set[str]]:
    """Every room, and those that it imports from."""
    known = modules()
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        here = room(module)
        if here is not None:
            used = {room(name) for name in imports(path, known)} - {None, here}
            found.setdefault(here, set()).update(name for name in used if name is not None)
    return found


def _statements(node: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """All that runs: what is imported for type checkers alone is no dependency (a package's lazy names are such)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from (other, *_statements(other, lazy))
        elif lazy or not isinstance(child, ast.FunctionDef):
            yield from (child, *_statements(child, lazy))
