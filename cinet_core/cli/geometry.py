"""``cinet geometry``: a checkpoint and a data set in, how well near and far, scale and surfaces are predicted out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import add_option, json_file, positive
from cinet_core.inference.choices import AUTO, BACKENDS, PRECISIONS

if TYPE_CHECKING:
    from cinet_core.evaluation.geometry_report import GeometryReport


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Compares the geometry of predicted depth with the truth: predicted / true by true and by predicted depth, the "
        "slope of ln predicted on ln true; the scale of whole frames with its spread, at several sizes of the "
        "network's input if asked for; the share of points beside depth edges that are off, or fly between two "
        "surfaces; and how flat floors, walls and tables are. docs/judging.md has the equations. Writes every figure "
        "as JSON, and the tables as Markdown beside it. Exit status: 0 all is well, 1 some frames could not be read "
        "and are left out, 2 it could not start."
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help='a .safetensors file, "default", or "random"')
    parser.add_argument(
        "--data", required=True, metavar="ROOT", help="root of a data set; frames without depth do not count"
    )
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    parser.add_argument("--split", default="test", help="train, validation, trainval, test or all (%(default)s)")
    add_option(parser)
    parser.add_argument(
        "--widths",
        type=positive,
        nargs="+",
        default=[],
        metavar="PIXELS",
        help="widths of the network's input at which the scale is measured as well, such as 256 320 480",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="take only N frames, evenly spread")
    parser.add_argument("--min-depth", type=float, default=0.1, metavar="M", help="nearest truth (%(default)s)")
    parser.add_argument("--max-depth", type=float, default=20.0, metavar="M", help="farthest truth (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--backend", default="torch", choices=BACKENDS, help="what runs the network (%(default)s)")
    parser.add_argument("--precision", default=AUTO, choices=PRECISIONS, help="that it runs in (%(default)s)")
    parser.add_argument(
        "--output", type=json_file, default=Path("geometry.json"), metavar="FILE", help="ends in .json (%(default)s)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Compare; returns the exit status (see the command's help)."""
    from cinet_core.atomic_file import atomic_write_bytes
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.evaluation.evaluate_geometry import evaluate_geometry

    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress() as progress:
            report = evaluate_geometry(
                options.data,
                options.checkpoint,
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                widths=options.widths,
                device=options.device,
                backend=options.backend,
                precision=options.precision,
                limit=options.limit,
                min_depth=options.min_depth,
                max_depth=options.max_depth,
                progress=progress,
            )
        table = options.output.with_suffix(".md")
        atomic_write_bytes(options.output, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
        atomic_write_bytes(table, report.markdown().encode())
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet geometry: {error}", file=sys.stderr)
        return 2
    _print(report)
    print(f"\nwritten: {options.output} and {table}")
    return 1 if report.counts.broken else 0


def _print(report: GeometryReport) -> None:
    from rich.console import Console

    console = Console()
    console.print(report.heading(), style="bold", markup=False, highlight=False)
    for warning in report.warnings():
        console.print(f"WARNING: {warning}", style="bold red", markup=False, highlight=False)
    for fact in report.facts():
        console.print(f"  {fact}", markup=False, highlight=False, soft_wrap=True)
    for table in report.tables():
        console.print(table.rich())
