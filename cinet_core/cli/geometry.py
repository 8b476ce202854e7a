"""``cinet geometry``: a checkpoint and a data set in, how well near and far, scale and surfaces are predicted out."""

from __future__ import annotations

import argparse
import sys

from cinet_core.cli.arguments import positive
from cinet_core.cli.judging import add_dataset, add_network, add_output, print_report, write_report


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
    add_dataset(parser, "root of a data set; frames without depth do not count")
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
    add_network(parser)
    add_output(parser, "geometry.json")
    return parser


def run(options: argparse.Namespace) -> int:
    """Compare; returns the exit status (see the command's help)."""
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
        table = write_report(report, options.output)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet geometry: {error}", file=sys.stderr)
        return 2
    print_report(report)
    print(f"\nwritten: {options.output} and {table}")
    return 1 if report.counts.broken else 0
