"""Kinds of argument that several commands have."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

_OWN_ARGUMENTS = ("root", "split", "kind")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--option KEY=VALUE``; what is given becomes the list of pairs ``option``, for `open_dataset`."""
    parser.add_argument(
        "--option",
        type=key_value,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the data set, for example test_fraction=0.2; may be given again",
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add ``--weights`` and ``--device`` of what predicts."""
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random",
        help="a checkpoint; default, what ships; or random, for plumbing only",
    )
    add_device(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")


def add_kind(parser: argparse.ArgumentParser) -> None:
    """Add ``--kind``."""
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")


def add_frames_of_set(parser: argparse.ArgumentParser, take: str = "take", of_each: str = "") -> None:
    """Add what says which frames of a data set are meant: kind, split, options, every so-manieth, and how many.

    Args:
        parser: of the command.
        take: what it does with a frame.
        of_each: what the limit is of, such as ", of each IN".
    """
    add_kind(parser)
    parser.add_argument("--split", default="all", help="of the data set (%(default)s)")
    add_option(parser)
    parser.add_argument("--every", type=positive, default=1, metavar="N", help=f"{take} every N-th frame (%(default)s)")
    parser.add_argument("--limit", type=positive, metavar="N", help=f"{take} only the first N of these{of_each}")


def add_correction(parser: argparse.ArgumentParser, anchor: str) -> None:
    """Add ``--anchor``, with its help, and ``--temporal``."""
    parser.add_argument("--anchor", choices=("none", "auto", "odometry", "motion"), default="none", help=anchor)
    parser.add_argument(
        "--temporal",
        choices=("off", "field", "fused"),
        default="off",
        help="keep from frame to frame what the anchor corrected (field), or also depth and labels of every pixel "
        "(fused) (%(default)s)",
    )


def key_value(text: str) -> tuple[str, Any]:
    """``key=value``; the value as JSON where it is JSON, else as it stands."""
    key, separator, value = text.partition("=")
    if not (separator and key.isidentifier()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    if key in _OWN_ARGUMENTS:
        raise argparse.ArgumentTypeError(f"{key} is no option: the command has an argument of its own for it")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def json_file(text: str) -> Path:
    """A path that ends in .json, beside which other files of the same name go."""
    path = Path(text)
    if path.suffix != ".json":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json (more files of that name go beside it)")
    return path


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value
