"""The code keeps to its plan: a room imports from the rows below its own, and generators of rooms have few doors."""

from __future__ import annotations

import pytest

from scripts import architecture
from scripts.architecture import DOORS, FLOORS, NOT_ON_A_ROBOT
from scripts.imports import PACKAGES, imports, modules, reached, room

CORE = "cinet_core."
ROWS = [row for floor in reversed(FLOORS) for row in reversed(floor.rows)]
HEIGHT = {name: height for height, row in enumerate(ROWS) for name in row}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """What every module imports."""
    known = modules()
    return {name: imports(path, known) for name, path in known.items()}


def test_the_plan_has_every_room_and_no_other() -> None:
    architecture.check_plan(map(room, modules()))
    rooms = [name for row in ROWS for name in row]
    assert len(rooms) == len(set(rooms))


def test_a_room_that_is_not_on_the_plan_is_named() -> None:
    with pytest.raises(ValueError, match="cellar"):
        architecture.check_plan({*HEIGHT, "cellar"})
    with pytest.raises(ValueError, match="losses"):
        architecture.check_plan(HEIGHT.keys() - {"losses"})


def test_no_arrow_runs_back_up(graph: dict[str, set[str]]) -> None:
    arrows = [
        f"{one} -> {other}"
        for one, found in graph.items()
        for other in found
        if (above := room(one)) != (below := room(other))
        and HEIGHT[above] <= HEIGHT[below]
        and (one.removeprefix(CORE), other.removeprefix(CORE)) not in DOORS
    ]
    assert not arrows


def test_generators_have_few_doors(graph: dict[str, set[str]]) -> None:
    """From outside of rooms/ a generator is imported where DOORS says, all of which are in use."""
    found = {
        (one.removeprefix(CORE), other.removeprefix(CORE))
        for one, others in graph.items()
        for other in others
        if room(other).startswith("rooms.") and not room(one).startswith("rooms")
    }
    assert found == DOORS


def test_doors_are_opened_when_somebody_asks() -> None:
    """Their imports are within functions: who reads files, or runs a node, loads no generator."""
    known = modules()
    for one, other in DOORS:
        assert CORE + other not in imports(known[CORE + one], known, lazy=False)


def test_a_robot_needs_neither_training_nor_evaluation(graph: dict[str, set[str]]) -> None:
    """Whatever a node comes to import, within functions too."""
    needed = {room(name) for name in reached((name for name in graph if room(name) == "cinet_ros"), graph)}
    assert {"inference", "mapping", "rooms.demo"} <= needed
    assert not needed & NOT_ON_A_ROBOT
    assert HEIGHT.keys() == needed | NOT_ON_A_ROBOT, "the plan draws as not needed what no node needs"


def test_no_package_imports_the_tools_of_the_checkout() -> None:
    known = modules((*PACKAGES, "scripts"))
    assert "scripts.benchmarks.harness" in known
    for path in modules().values():
        assert not [name for name in imports(path, known) if name.startswith("scripts.")]
