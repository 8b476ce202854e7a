"""Which rooms of the packages import which, read from the source: for the diagram and for tests of the structure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cinet_core", "cinet_ros")
GROUND = "cinet_core/*.py"
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
    for node in _statements(ast.parse(path.read_text(encoding="utf-8")), lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else str(node.module) for name in names}
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


def _statements(node: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """All that runs: what is imported for type checkers alone is no dependency (a package's lazy names are such)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from (other, *_statements(other, lazy))
        elif lazy or not isinstance(child, ast.FunctionDef):
            yield from (child, *_statements(child, lazy))
