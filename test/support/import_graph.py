"""Which module of the packages imports which, read from their files: imports within functions count too."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("cinet_core", "cinet_ros")


def modules(packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Every module of the packages and its file; a package counts as its `__init__`."""
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def statements(node: ast.AST, lazy: bool = True) -> Iterator[ast.AST]:
    """All that runs: what is imported for type checkers alone makes no circle (a package's lazy names are such).

    Args:
        node: a module.
        lazy: also what is within functions.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from (other, *statements(other, lazy))
        elif lazy or not isinstance(child, ast.FunctionDef):
            yield from (child, *statements(child, lazy))


def imports(path: Path, known: dict[str, Path], lazy: bool = True) -> set[str]:
    """Which of the modules that are known a file imports; see `statements`."""
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else str(node.module) for name in names}
    return found & known.keys()
