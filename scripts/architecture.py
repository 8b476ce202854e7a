"""The plan of the house, and the diagrams of docs/architecture.md: `make docs`.

`FLOORS` is the plan: a room imports from the rows below its own, which test/core/test_floors.py holds the code to.
`WAYS` are the steps that a frame, a training sample and a bag go through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from scripts.imports import GROUND, ROOT, modules, room

ROOMS_FILE = ROOT / "docs" / "architecture_rooms.svg"
WAYS_FILE = ROOT / "docs" / "architecture_ways.svg"


@dataclass(frozen=True)
class Floor:
    """Rows of the plan, drawn as a band.

    Attributes:
        title: what its rooms have in common.
        color: of the band.
        rows: from top to bottom; the name of each room, and what it is for. Those of a row do not know each other.
    """

    title: str
    color: str
    rows: tuple[dict[str, str], ...]


FLOORS = (
    Floor("Entry points", "#dbe9f6", ({"cinet_ros": "nodes: messages in and out", "cli": "the command cinet"},)),
    Floor(
        "Applications",
        "#e3f1e1",
        (
            {"adaptation": "a fleet's own weights"},
            {"training": "recipes, on Lightning", "odometry": "tracking on depth"},
            {
                "evaluation": "scores and reports",
                "figures": "charts, by matplotlib",
                "viewer": "Rerun recordings",
                "labelling": "pseudo-labels",
                "selection": "frames worth learning from",
            },
            {
                "mapping": "the semantic map",
                "bags": "no ROS needed",
                "frames": "folders and videos",
                "rooms.pathtraced": "path-traced rooms",
            },
        ),
    ),
    Floor("Inference", "#fdf0d5", ({"inference": "predictor, deployable graph, backends, export"},)),
    Floor(
        "Building blocks",
        "#f6e0dc",
        (
            {
                "tasks.learning": "how each task is learnt",
                "rooms.raycast": "ray-cast rooms",
                "jobs": "work in parts, done once",
            },
            {"checkpoint": "one safetensors file", "losses": "pure functions", "data": "data sets, images"},
            {"model": "Fig. 1 of the paper", "messages": "ROS messages, without ROS"},
            {
                "tasks": "outputs of each task",
                "correction": "anchors, then fusion",
                "rooms.demo": "a synthetic source of frames",
            },
            {
                "metrics": "scores of each task",
                "anchors": "what fixes depth",
                "visualize": "depth, labels, clouds in colours",
                "obstacles": "what navigation needs",
                "rooms": "vocabulary of the generators",
                "temporal": "fusion over time",
            },
        ),
    ),
    Floor(
        "Ground floor",
        "#e8e4f0",
        ({GROUND: "geometry, poses, label sets, files, threads, progress; without PyTorch"},),
    ),
)

NOT_ON_A_ROBOT = frozenset(
    {
        "adaptation",
        "cli",
        "training",
        "odometry",
        "evaluation",
        "figures",
        "frames",
        "jobs",
        "labelling",
        "rooms.pathtraced",
        "rooms.raycast",
        "selection",
    }
)
"""What no module of `cinet_ros` imports, nor anything that it imports."""

DOORS = frozenset(
    {
        ("data.frame_sources", "rooms.demo.room"),
        ("data.registry", "rooms.raycast.scenes"),
        ("mapping.posed_frames", "rooms.demo.room"),
        ("viewer.poses", "rooms.demo.room"),
        ("training.data", "rooms.raycast.batches"),
        ("cli.data.render", "rooms.pathtraced.catalogue"),
        ("cli.data.render", "rooms.pathtraced.frames"),
        ("cli.data.render", "rooms.pathtraced.installation"),
        ("cli.data.render", "rooms.pathtraced.run"),
    }
)
"""Which modules of `cinet_core` import a generator of rooms, and what of it: within functions, where somebody asks for
a synthetic source by name or to render rooms. These alone may run up."""

WAYS = {
    "A frame, in the node": (
        ("Image", "and CameraInfo"),
        ("preparation", "decode, rectify"),
        ("worker", "latest frame only"),
        ("Predictor", "canonical camera"),
        ("builders", "messages/frame.py"),
        ("publishers", "where subscribed"),
    ),
    "A training sample": (
        ("SceneDataset", "image, depth, labels, K"),
        ("augmentation", "targets follow"),
        ("scaled depth", "z · f_c / f"),
        ("CINet", "depth, logits, attention"),
        ("MultiTaskLoss", "sum and count"),
        ("checkpoint", "averaged weights"),
    ),
    "A bag": (
        ("reader", "db3, mcap"),
        ("frames", "image and K paired"),
        ("preparation", "as in the node"),
        ("Predictor", "the same"),
        ("builders", "the same"),
        ("writer", "out.bag"),
    ),
}

WIDTH = 1000
FONT = "font-family='Helvetica, Arial, sans-serif'"
INK, ARROW, BOX = "#1f2933", "#52606d", "#ffffff"
MARGIN, GAP, STEP, BOX_HEIGHT = 16, 12, 22, 48
HEAD = (
    "<defs><marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
    f"<path d='M0,0 L8,4 L0,8 z' fill='{ARROW}'/></marker></defs>"
)


def document(height: int, title: str, parts: list[str]) -> str:
    """An SVG with a light ground of its own, so that it is readable in dark themes too."""
    opening = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {FONT} role='img'>"
    ground = f"<rect width='{WIDTH}' height='{height}' rx='8' fill='#fbfbfa'/>"
    return "\n".join([opening, f"<title>{escape(title)}</title>", HEAD, ground, *parts, "</svg>"]) + "\n"


def label(x: float, y: float, text: str, size: int, weight: str = "normal", anchor: str = "middle") -> str:
    """A line of text."""
    return (
        f"<text x='{x:g}' y='{y:g}' font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' "
        f"fill='{INK}'>{escape(text)}</text>"
    )


def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """A straight arrow."""
    return (
        f"<line x1='{x:g}' y1='{y:g}' x2='{to_x:g}' y2='{to_y:g}' stroke='{ARROW}' stroke-width='1.5' "
        "marker-end='url(#head)'/>"
    )


def box(x: float, y: float, width: float, height: float, name: str, text: str, dashed: bool = False) -> list[str]:
    """A room or a step: its name, and what it is for."""
    middle = x + width / 2
    line = f"stroke='{ARROW}'" + (" stroke-dasharray='5 4'" if dashed else "")
    return [
        f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='5' fill='{BOX}' {line}/>",
        label(middle, y + height / 2 - 3, name, 15, "bold"),
        label(middle, y + height / 2 + 14, text, 11),
    ]


def check_plan(known: Iterable[str]) -> None:
    """Hold the plan against the rooms that the code has.

    Raises:
        ValueError: the code has a room that no floor names, or a floor names one that is gone.
    """
    planned, known = {name for floor in FLOORS for row in floor.rows for name in row}, set(known)
    if new := known - planned:
        raise ValueError(f"no floor of scripts/architecture.py names {sorted(new)}: say what it is for")
    if gone := planned - known:
        raise ValueError(f"scripts/architecture.py names {sorted(gone)}, which cinet_core does not have: take it out")


def rooms_diagram() -> str:
    """The floors from top to bottom."""
    parts: list[str] = []
    y = MARGIN
    for number, floor in enumerate(FLOORS):
        height = 30 + len(floor.rows) * (BOX_HEIGHT + GAP)
        parts += [
            f"<rect x='{MARGIN}' y='{y}' width='{WIDTH - 2 * MARGIN}' height='{height}' rx='6' fill='{floor.color}'/>",
            label(MARGIN + 12, y + 20, floor.title, 14, "bold", "start"),
        ]
        for row, names in enumerate(floor.rows):
            width = (WIDTH - 2 * MARGIN - GAP) / len(names) - GAP
            for column, (name, text) in enumerate(names.items()):
                x = MARGIN + GAP + column * (width + GAP)
                top = y + 30 + row * (BOX_HEIGHT + GAP)
                parts += box(x, top, width, BOX_HEIGHT, name, text, dashed=name in NOT_ON_A_ROBOT)
        y += height
        if number < len(FLOORS) - 1:
            middle = WIDTH / 2
            parts.append(arrow(middle, y + 2, middle, y + STEP - 3))
            parts += [label(middle + 10, y + STEP / 2 + 4, "imports from", 11, anchor="start")] if number == 0 else []
        y += STEP
    parts.append(
        label(
            MARGIN + 12,
            y - 2,
            "A room imports from the rows below its own. Dashed: no node needs it.",
            11,
            anchor="start",
        )
    )
    return document(y + MARGIN - 4, "The rooms of the code, and which stand on which", parts)


def ways_diagram() -> str:
    """A line of steps for each way."""
    parts: list[str] = []
    y = MARGIN
    for title, steps in WAYS.items():
        parts.append(label(MARGIN, y + 14, title, 14, "bold", "start"))
        width = (WIDTH - 2 * MARGIN + STEP) / len(steps) - STEP
        for column, (name, text) in enumerate(steps):
            x = MARGIN + column * (width + STEP)
            parts += box(x, y + 24, width, BOX_HEIGHT, name, text)
            if column:
                parts.append(arrow(x - STEP + 2, y + 24 + BOX_HEIGHT / 2, x - 3, y + 24 + BOX_HEIGHT / 2))
        y += 24 + BOX_HEIGHT + 24
    return document(y - 24 + MARGIN, "The way of a frame, of a training sample and of a bag", parts)


def write() -> None:
    """Write both diagrams.

    Raises:
        ValueError: as `check_plan`.
    """
    check_plan(map(room, modules()))
    ROOMS_FILE.write_text(rooms_diagram(), encoding="utf-8")
    WAYS_FILE.write_text(ways_diagram(), encoding="utf-8")
