"""The structure of the packages, read from their imports: those within functions count too."""

from graphlib import TopologicalSorter

from scripts.imports import imports, modules, reached


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
    graph = {name: imports(path, known) for name, path in known.items()}
    nodes = {name for name in known if name.startswith("cinet_ros.")}
    needed = reached(nodes | {"cinet_core.cli.predict", "cinet_core.cli.view", "cinet_core.visualize"}, graph)
    assert "cinet_core.tasks.panel" in needed
    assert not {name for name in needed if name.startswith("cinet_core.figures")}
    assert not [
        name
        for name in needed
        if "import matplotlib" in (text := known[name].read_text(encoding="utf-8")) or "from matplotlib" in text
    ]
