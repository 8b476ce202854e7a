"""The diagrams of docs/architecture.md, from the text in this file and the imports of the code: `make docs`.

`FLOORS` is the plan of the house: a room imports from its own floor and from those below it, which a test holds the
code to. `WAYS` are the steps that a frame, a training sample and a bag go through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from scripts.imports import ROOT, rooms

ROOMS_FILE = ROOT / "docs" / "architecture_rooms.svg"
WAYS_FILE = ROOT / "docs" / "architecture_ways.svg"


@dataclass(frozen=True)
class Floor:
    """A row of the plan.

    Attributes:
        title: what its rooms have in common.
        color: of the row.
        rooms: what each is for, by name. One that the code does not have (yet, or any more) is not drawn.
    """

    title: str
    color: str
    rooms: dict[str, str]


FLOORS = (
    Floor(
        "Entry points",
        "#dbe9f6",
        {
            "cinet_ros": "nodes: messages in and out",
            "cli": "the command cinet",
        },
    ),
    Floor(
        "Applications",
        "#e3f1e1",
        {
            "training": "recipes, on Lightning",
            "evaluation": "scores and reports",
            "odometry": "tracking on depth",
            "mapping": "the semantic map",
            "figures": "figures of the paper",
            "frames": "folders and videos",
            "bags": "no ROS needed",
            "viewer": "Rerun recordings",
            "benchmarks": "speed and memory",
        },
    ),
    Floor("Inference", "#fdf0d5", {"inference": "predictor, deployable graph, backends, export"}),
    Floor(
        "Building blocks",
        "#f6e0dc",
        {
            "losses": "pure functions",
            "model": "Fig. 1, checkpoints",
            "tasks": "outputs of each task",
            "tasks.learning": "how each is learnt",
            "metrics": "of depth, of labels",
            "data": "data sets, images",
            "rooms": "rendered rooms",
            "messages": "ROS messages",
            "visualize": "panels, clouds",
        },
    ),
    Floor("Ground floor", "#e8e4f0", {"ground floor": "geometry, label sets, files, threads, progress"}),
)

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
        ("canonical depth", "z · f_c / f"),
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
MARGIN, GAP, STEP, BOX_HEIGHT, MOST_IN_A_ROW = 16, 12, 22, 48, 7
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


def box(x: float, y: float, width: float, height: float, name: str, text: str) -> list[str]:
    """A room or a step: its name, and what it is for."""
    middle = x + width / 2
    return [
        f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='5' fill='{BOX}' stroke='{ARROW}'/>",
        label(middle, y + height / 2 - 3, name, 15, "bold"),
        label(middle, y + height / 2 + 14, text, 11),
    ]


def rooms_diagram(known: set[str]) -> str:
    """The floors from top to bottom, with the rooms that the code has.

    Raises:
        ValueError: the code has a room that no floor names.
    """
    planned = {name for floor in FLOORS for name in floor.rooms}
    if known - planned:
        raise ValueError(f"no floor of scripts/architecture.py names {sorted(known - planned)}: say what it is for")
    parts: list[str] = []
    y = MARGIN
    for number, floor in enumerate(FLOORS):
        names = [name for name in floor.rooms if name in known]
        in_a_row = math.ceil(len(names) / math.ceil(len(names) / MOST_IN_A_ROW))
        lines = [names[start : start + in_a_row] for start in range(0, len(names), in_a_row)]
        height = 30 + len(lines) * (BOX_HEIGHT + GAP)
        parts += [
            f"<rect x='{MARGIN}' y='{y}' width='{WIDTH - 2 * MARGIN}' height='{height}' rx='6' fill='{floor.color}'/>",
            label(MARGIN + 12, y + 20, floor.title, 14, "bold", "start"),
        ]
        for row, line in enumerate(lines):
            width = (WIDTH - 2 * MARGIN - GAP) / len(line) - GAP
            for column, name in enumerate(line):
                x = MARGIN + GAP + column * (width + GAP)
                parts += box(x, y + 30 + row * (BOX_HEIGHT + GAP), width, BOX_HEIGHT, name, floor.rooms[name])
        y += height
        if number < len(FLOORS) - 1:
            middle = WIDTH / 2
            parts.append(arrow(middle, y + 2, middle, y + STEP - 3))
            parts += [label(middle + 10, y + STEP / 2 + 4, "imports from", 11, anchor="start")] if number == 0 else []
        y += STEP
    return document(y - STEP + MARGIN, "The rooms of the code, and which stand on which", parts)


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
    """Write both diagrams."""
    ROOMS_FILE.write_text(rooms_diagram(set(rooms())), encoding="utf-8")
    WAYS_FILE.write_text(ways_diagram(), encoding="utf-8")
