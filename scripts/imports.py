"""Which rooms of the packages import which, read from the source: for the diagram and for tests of the structure."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cinet_core", "cinet_ros")
GROUND = "cinet_core/*.py"
TYPES_ALONE = "TYPE_CHECKING"
FILES = {"checkpoint": "checkpoint", "model_metadata": "checkpoint"}
"""Files of `cinet_core` itself that need the network, and their room: all others are the ground floor."""


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
    for module, names in _imported(path, lazy):
        full = [f"{module}.{name}" for name in names]
        found |= {name if name in known else module for name in full} if names else {module}
    return found & known.keys()


def room(module: str) -> str:
    """The room that a module is in: a folder of `cinet_core`, or one within another that has files of its own."""
    package, *rest = module.split(".")
    if package != "cinet_core":
        return package
    folders = [part for number, part in enumerate(rest[:2]) if (ROOT / package / Path(*rest[: number + 1])).is_dir()]
    if folders[:1] in (["rooms"], ["tasks"]):
        return ".".join(folders)
    return folders[0] if folders else FILES.get(rest[0] if rest else "", GROUND)


def reached(start: Iterable[str], graph: Mapping[str, Iterable[str]]) -> set[str]:
    """Every module that those of `start` import, and what these import, and so on; `start` among them."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += graph[module]
    return found


@functools.cache
def _imported(path: Path, lazy: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Modules that a file imports, each with the names that are imported from it; none: the module itself."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in _statements(ast.parse(path.read_text(encoding="utf-8")).body, lazy):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((str(node.module), tuple(alias.name for alias in node.names)))
    return tuple(found)


def _statements(body: Iterable[ast.stmt], lazy: bool) -> Iterator[ast.stmt]:
    """All that runs: what is imported for type checkers alone is no dependency (a package's lazy names are such)."""
    for statement in body:
        if isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and statement.test.id == TYPES_ALONE:
            yield from _statements(statement.orelse, lazy)
        elif lazy or not isinstance(statement, ast.FunctionDef):
            yield statement
            for part in (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                for inner in ("body", "orelse", "finalbody"):
                    yield from _statements(getattr(part, inner, ()), lazy)
