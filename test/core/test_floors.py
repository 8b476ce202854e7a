"""The house has floors: a room imports from the floors below it, and generators have few doors (CONTRIBUTING.md)."""

from __future__ import annotations

import pytest

from scripts.imports import PACKAGES, imports, modules

GROUND = "ground floor"
FLOORS: tuple[tuple[str, ...], ...] = (
    (GROUND,),
    ("model", "messages", "visualize", "rooms.vocabulary"),
    ("checkpoint", "losses", "rooms.demo"),
    ("data",),
    ("inference", "viewer", "rooms.raycast"),
    ("bags", "figures", "mapping", "rooms.pathtraced"),
    ("evaluation",),
    ("odometry", "training"),
    ("cli",),
)
"""Rooms of `cinet_core`, each floor above those before it. Those of one floor do not know each other.

The ground floor has all files of `cinet_core` itself but for those of `FILES`.
"""

FILES = {"checkpoint": "checkpoint", "model_metadata": "checkpoint"}
"""Files of `cinet_core` that need the network, and their room."""

DOORS = {
    ("data.frame_sources", "rooms.demo.room"),
    ("data.registry", "rooms.raycast.scenes"),
    ("mapping.posed_frames", "rooms.demo.room"),
    ("viewer.poses", "rooms.demo.room"),
    ("cli.data_render", "rooms.pathtraced.catalogue"),
    ("cli.data_render", "rooms.pathtraced.frames"),
    ("cli.data_render", "rooms.pathtraced.installation"),
    ("cli.data_render", "rooms.pathtraced.run"),
}
"""Who imports a generator, and what of it: where somebody asks for a synthetic source by name, or to render rooms."""

NOT_ON_A_ROBOT = {"losses", "evaluation", "training", "cli", "rooms.demo", "rooms.raycast", "rooms.pathtraced"}
"""What `cinet_ros` does without; the player has its synthetic source from `data.frame_sources`."""

CORE = "cinet_core."


def room_of(name: str) -> str:
    """The room of a module of cinet_core."""
    first, _, rest = name.removeprefix("cinet_core").removeprefix(".").partition(".")
    if first == "rooms" and rest:
        return f"rooms.{rest.partition('.')[0]}"
    return first if any(first in rooms for rooms in FLOORS[1:]) else FILES.get(first, GROUND)


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """What every module imports."""
    known = modules()
    return {name: imports(path, known) for name, path in known.items()}


@pytest.fixture(scope="module")
def core(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same within cinet_core."""
    return {name: found for name, found in graph.items() if name.partition(".")[0] == "cinet_core"}


def test_every_room_has_its_floor(core: dict[str, set[str]]) -> None:
    """A new folder is to be named in FLOORS; one that is gone, no more."""
    folders = {name.split(".")[1] for name in core if name.count(".") > 1} - {"rooms", "weights"}
    generators = {f"rooms.{name.split('.')[2]}" for name in core if name.startswith("cinet_core.rooms.")}
    assert folders | generators | {GROUND, *FILES.values()} == {room for rooms in FLOORS for room in rooms}


def test_no_arrow_runs_back_up(core: dict[str, set[str]]) -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    arrows = [
        f"{one} -> {other}"
        for one, found in core.items()
        for other in found
        if (above := room_of(one)) != (below := room_of(other))
        and floor[above] <= floor[below]
        and (one.removeprefix(CORE), other.removeprefix(CORE)) not in DOORS
    ]
    assert not arrows


def test_generators_have_few_doors(core: dict[str, set[str]]) -> None:
    """From outside of rooms/ a generator is imported where DOORS says, all of which are in use."""
    found = {
        (one.removeprefix(CORE), other.removeprefix(CORE))
        for one, others in core.items()
        for other in others
        if room_of(other).startswith("rooms.") and not room_of(one).startswith("rooms.")
    }
    assert found == DOORS


def test_doors_are_opened_when_somebody_asks() -> None:
    """Their imports are within functions: who reads files, or runs a node, loads no generator."""
    known = modules()
    for one, other in DOORS:
        assert CORE + other not in imports(known[CORE + one], known, lazy=False)


def test_a_robot_needs_neither_training_nor_generators(graph: dict[str, set[str]]) -> None:
    arrows = [
        f"{name} -> {other}"
        for name, found in graph.items()
        if name.startswith("cinet_ros")
        for other in found
        if other.startswith(CORE) and room_of(other) in NOT_ON_A_ROBOT
    ]
    assert not arrows


def test_no_package_imports_the_tools_of_the_checkout() -> None:
    known = modules((*PACKAGES, "scripts"))
    assert "scripts.benchmarks.harness" in known
    for path in modules().values():
        assert not [name for name in imports(path, known) if name.startswith("scripts.")]
