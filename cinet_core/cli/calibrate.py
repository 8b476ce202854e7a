"""``cinet calibrate``: a checkpoint and held-out frames in, one whose confidence and uncertainty hold out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import add_option, positive

if TYPE_CHECKING:
    from cinet_core.evaluation.calibration import Calibration

# Of what is printed: name, heading, whether it is a share.
ROWS = (
    ("calibration_error", "confidence: expected calibration error", True),
    ("mean_confidence", "confidence: mean", True),
    ("accuracy", "labels: accuracy of these pixels", True),
    ("within_1_sigma", "depth: errors within one standard deviation (right: 75.7 %)", True),
    ("within_2_sigma", "depth: errors within two (right: 94.1 %)", True),
    ("depth_nll", "depth: NLL of ln depth", False),
)


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Fits a temperature for the confidence of labels, and a factor for the uncertainty of depth where the network "
        "has one, on held-out frames; prints calibration before and after, also on a split that neither was fitted on; "
        "and writes the checkpoint with both in its weights, so that every backend has them. Exit status: 0 all is "
        "well, 2 it could not start."
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a .safetensors file, or default, what ships")
    parser.add_argument("--data", required=True, metavar="ROOT", help="a data set")
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    parser.add_argument("--split", default="validation", help="to fit on (%(default)s)")
    parser.add_argument("--check", default="test", help="split to measure on as well, or none (%(default)s)")
    add_option(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="take only N frames of a split, evenly spread")
    parser.add_argument("--output", type=Path, metavar="FILE", help="calibrated checkpoint (nothing is written)")
    return parser


def run(options: argparse.Namespace) -> int:
    """Calibrate; returns the exit status (see the command's help)."""
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.evaluation.calibration import calibrate

    try:
        with ConsoleProgress() as progress:
            found = calibrate(
                options.data,
                options.checkpoint,
                options.output,
                split=options.split,
                check=None if options.check == "none" else options.check,
                kind=options.kind,
                options=dict(options.option),
                limit=options.limit,
                progress=progress,
            )
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet calibrate: {error}", file=sys.stderr)
        return 2
    _print(found)
    return 0


def _print(found: Calibration) -> None:
    factor = found.uncertainty_factor
    told = "the network predicts no uncertainty" if factor is None else f"uncertainty factor {factor:.3f}"
    print(f"temperature {found.temperature:.3f}, {told}")
    measured = [(f"fitted on {found.fitted_on}", found.before, found.after)]
    if found.checked_on and found.check_before is not None and found.check_after is not None:
        measured.append((f"checked on {found.checked_on}", found.check_before, found.check_after))
    for heading, before, after in measured:
        print(heading)
        for name, text, share in ROWS:
            if name in before:
                first, second = (f"{100 * v:.1f} %" if share else f"{v:.3f}" for v in (before[name], after[name]))
                print(f"  {text}: {first} -> {second}")
    print("nothing written: give --output FILE" if found.path is None else f"written: {found.path}")
