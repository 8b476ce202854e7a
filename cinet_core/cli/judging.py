"""What commands have in common that judge a checkpoint on a data set: their arguments, and the report they write."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cinet_core.cli.arguments import add_option, json_file
from cinet_core.inference.choices import AUTO, BACKENDS, PRECISIONS

if TYPE_CHECKING:
    from rich.console import Console

    from cinet_core.evaluation.tables import TextTable

__all__ = ["add_dataset", "add_network", "add_output", "print_report", "write_report"]


class Report(Protocol):
    """What such a command finds out."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types."""

    def markdown(self) -> str:
        """All of it to be read."""

    def heading(self) -> str:
        """What was judged, on what."""

    def warnings(self) -> Iterable[str]:
        """Why not to believe it."""

    def facts(self) -> Iterable[str]:
        """Lines above the tables."""

    def tables(self) -> Iterable[TextTable]:
        """The figures."""


def add_dataset(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--data``, whose help is given, ``--kind``, ``--split`` and ``--option``."""
    parser.add_argument("--data", required=True, metavar="ROOT", help=help)
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    parser.add_argument("--split", default="test", help="train, validation, trainval, test or all (%(default)s)")
    add_option(parser)


def add_network(
    parser: argparse.ArgumentParser,
    backend: str = "what runs the network (%(default)s)",
    precision: str = "that it runs in (%(default)s)",
) -> None:
    """Add ``--device``, and ``--backend`` and ``--precision`` with these helps."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--backend", default="torch", choices=BACKENDS, help=backend)
    parser.add_argument("--precision", default=AUTO, choices=PRECISIONS, help=precision)


def add_output(parser: argparse.ArgumentParser, name: str) -> None:
    """Add ``--output``, by default a .json file of this name; for `write_report`."""
    parser.add_argument(
        "--output", type=json_file, default=Path(name), metavar="FILE", help="ends in .json (%(default)s)"
    )


def write_report(report: Report, path: Path) -> Path:
    """Write a report as JSON, and as Markdown beside it; return the second one's path.

    Raises:
        OSError: one of them cannot be written.
        ValueError: a figure is not finite.
    """
    from cinet_core.atomic_file import atomic_write_bytes

    table = path.with_suffix(".md")
    atomic_write_bytes(path, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
    atomic_write_bytes(table, report.markdown().encode())
    return table


def print_report(report: Report) -> Console:
    """Print heading, warnings, facts and tables; return the console."""
    from rich.console import Console

    console = Console()
    console.print(report.heading(), style="bold", markup=False, highlight=False)
    for warning in report.warnings():
        console.print(f"WARNING: {warning}", style="bold red", markup=False, highlight=False)
    for fact in report.facts():
        console.print(f"  {fact}", markup=False, highlight=False, soft_wrap=True)
    for table in report.tables():
        console.print(table.rich())
    return console
