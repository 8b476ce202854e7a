"""The structure of the packages, read from their imports: those within functions count too."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("cinet_core", "cinet_ros")


def modules() -> dict[str, Path]:
    """Every module of the packages and its file; a package counts as its `__init__`."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All that runs: what is imported for type checkers alone makes no circle (a package's lazy names are such)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from (other, *statements(other))
        else:
            yield from (child, *statements(child))


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the packages that a file imports."""
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else str(node.module) for name in names}
    return found & known.keys()


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {name: imports(path, known) - {name} for name, path in known.items()}
    assert sum(map(len, graph.values())) > len(graph), "imports were not found"
    TopologicalSorter(graph).prepare()  # CycleError names a circle


def test_the_core_imports_no_ros() -> None:
    known = modules()
    core = [path for name, path in known.items() if name.partition(".")[0] == "cinet_core"]
    assert not [path for path in core if any(name.startswith("cinet_ros") for name in imports(path, known))]


def test_what_a_robot_runs_draws_without_matplotlib() -> None:
    known = modules()
    reached: set[str] = set()
    waiting = {name for name in known if name.startswith("cinet_ros.") and "benchmarks" not in name}
    waiting |= {"cinet_core.cli.predict", "cinet_core.cli.view", "cinet_core.visualize"}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= imports(known[name], known) - reached
    assert "cinet_core.visualize.panel" in reached
    assert not {name for name in reached if name.startswith("cinet_core.figures")}
    assert not [
        name
        for name in reached
        if "import matplotlib" in (text := known[name].read_text(encoding="utf-8")) or "from matplotlib" in text
    ]
