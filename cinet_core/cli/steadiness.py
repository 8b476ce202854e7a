"""``cinet steadiness``: a checkpoint and a data set in, how far depth flickers and waves out."""

from __future__ import annotations

import argparse
import sys

from cinet_core.cli.arguments import positive
from cinet_core.cli.judging import add_dataset, add_network, add_output, print_report, write_report


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
    add_dataset(parser, "root of a data set whose frames have depth")
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
    add_network(parser)
    add_output(parser, "steadiness.json")
    return parser


def run(options: argparse.Namespace) -> int:
    """Measure; returns the exit status (see the command's help)."""
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
        table = write_report(report, options.output)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet steadiness: {error}", file=sys.stderr)
        return 2
    print_report(report)
    print(f"\nwritten: {options.output} and {table}")
    return 1 if report.counts.broken else 0
