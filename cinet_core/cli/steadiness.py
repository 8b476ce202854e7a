"""``cinet steadiness``: a checkpoint and a data set in, how far depth flickers and waves out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import add_option, json_file, positive
from cinet_core.inference.choices import AUTO, BACKENDS, PRECISIONS

if TYPE_CHECKING:
    from cinet_core.evaluation.steadiness import SteadinessReport


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Measures how steady predicted depth is. Images are shifted by 1, 4 and 16 pixels, rolled by 1 degree and "
        "blurred over 9 pixels, and the prediction is warped back: the change of the frame's scale, and of a smooth "
        "field over it. Against the truth: the smooth error within frames, and in a sequence the step of the median "
        "depth from frame to frame. docs/judging.md has the equations. Exit status: 0 all is well, 1 some frames could "
        "not be read and are left out, 2 it could not start."
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help='a .safetensors file, "default", or "random"')
    parser.add_argument("--data", required=True, metavar="ROOT", help="root of a data set whose frames have depth")
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    parser.add_argument("--split", default="test", help="train, validation, trainval, test or all (%(default)s)")
    add_option(parser)
    parser.add_argument(
        "--frames", type=positive, default=100, metavar="N", help="change N of the frames, evenly spread (%(default)s)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="take only the first N frames")
    parser.add_argument(
        "--deviation",
        type=float,
        default=60.0,
        metavar="PIXELS",
        help="standard deviation of the Gaussian that tells smooth from rough (%(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--backend", default="torch", choices=BACKENDS, help="what runs the network (%(default)s)")
    parser.add_argument("--precision", default=AUTO, choices=PRECISIONS, help="that it runs in (%(default)s)")
    parser.add_argument(
        "--output", type=json_file, default=Path("steadiness.json"), metavar="FILE", help="ends in .json (%(default)s)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Measure; returns the exit status (see the command's help)."""
    from cinet_core.atomic_file import atomic_write_bytes
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.evaluation.steadiness import evaluate_steadiness

    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress() as progress:
            report = evaluate_steadiness(
                options.data,
                options.checkpoint,
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                frames=options.frames,
                limit=options.limit,
                deviation=options.deviation,
                device=options.device,
                backend=options.backend,
                precision=options.precision,
                progress=progress,
            )
        table = options.output.with_suffix(".md")
        atomic_write_bytes(options.output, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
        atomic_write_bytes(table, report.markdown().encode())
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet steadiness: {error}", file=sys.stderr)
        return 2
    _print(report)
    print(f"\nwritten: {options.output} and {table}")
    return 1 if report.counts.broken else 0


def _print(report: SteadinessReport) -> None:
    from rich.console import Console

    console = Console()
    console.print(report.heading(), style="bold", markup=False, highlight=False)
    for warning in report.warnings():
        console.print(f"WARNING: {warning}", style="bold red", markup=False, highlight=False)
    for fact in report.facts():
        console.print(f"  {fact}", markup=False, highlight=False, soft_wrap=True)
    for table in report.tables():
        console.print(table.rich())
