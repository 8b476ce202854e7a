"""What the commands that draw the paper's figures have in common: their arguments, and how they draw and end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinet_core.cli.arguments import positive
from cinet_core.cli.judging import add_dataset

if TYPE_CHECKING:
    from cinet_core.figures.drawing import FigureKind


def figure_parser(prog: str) -> argparse.ArgumentParser:
    """A parser with the arguments of every kind of figure."""
    parser = argparse.ArgumentParser(prog)
    parser.add_argument(
        "checkpoints",
        nargs="+",
        metavar="[NAME=]CHECKPOINT",
        help="what to compare; the name goes into the titles; random stands for the default network without training",
    )
    add_dataset(parser, "the data set's folder or file; or synthetic")
    parser.add_argument(
        "--frames",
        nargs="+",
        default=[],
        metavar="N|NAME",
        help="names; or a number that is no frame's name, for that many, evenly spread (4)",
    )
    parser.add_argument("--tile", type=positive, metavar="PIXELS", help="width of each image in the figure")
    parser.add_argument("--output", type=Path, default=Path("figures"), metavar="DIR", help="(%(default)s)")
    return parser


def draw(figure: FigureKind, options: argparse.Namespace, **own: Any) -> int:
    """Draw a kind of figure and write it; returns the exit status.

    Args:
        figure: its kind, see `cinet_core.draw_figures`.
        options: of `figure_parser`.
        own: arguments of this kind alone.
    """
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.model_metadata import CheckpointError

    try:
        from cinet_core.figures.drawing import draw_figures
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        print(f"cinet figures: {error}", file=sys.stderr)
        return 2
    try:
        with ConsoleProgress() as progress:
            drawn = draw_figures(
                figure,
                named_paths(options.checkpoints),
                options.data,
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                frames=options.frames or None,
                tile=options.tile,
                progress=progress,
                **own,
            )
        for path in drawn.save(options.output):
            print(path)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet figures {figure}: {error}", file=sys.stderr)
        return 2
    return 1 if drawn.broken else 0


def named_paths(texts: Sequence[str]) -> dict[str, str]:
    """The checkpoints of ``[NAME=]PATH``; a path without a name is called like its file.

    Raises:
        ValueError: two have the same name.
    """
    paths: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            name, path = Path(text).stem, text
        if name in paths:
            raise ValueError(f"two checkpoints are called {name!r}: name them, as in NAME={path}")
        paths[name] = path
    return paths
