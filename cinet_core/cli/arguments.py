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
