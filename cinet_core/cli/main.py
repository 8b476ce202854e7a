"""``cinet``: its commands, and how it ends."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cinet_core import __version__
from cinet_core.cli.commands import UsageError, add_commands

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "predict": "predict on an image, a folder or a video",
    "info": "show what a checkpoint holds",
    "bag": "add predictions to a ROS 2 bag, or make a data set of one",
    "data": "look at data sets",
    "fleet": "run a command on many recordings, in parts",
    "eval": "score a checkpoint on a data set, beside the published results",
    "geometry": "compare the geometry of predicted depth with the truth: range, scale, edges, planes",
    "steadiness": "measure how far predicted depth flickers and waves",
    "anchors": "score what odometry, a scan, sparse depth or visual motion make of predicted depth",
    "calibrate": "fit confidence and uncertainty of a checkpoint to held-out frames",
    "export": "write the whole graph of a checkpoint as an ONNX file",
    "figures": "draw the paper's figures from checkpoints and a data set",
    "map": "fuse a recorded sequence with poses into a semantic map",
    "odometry": "track a recorded camera on sensor and predicted depth",
    "obstacles": "score obstacles of predicted depth against a sensor's",
    "scale": "compare predicted with sensor depth, and suggest depth_scale",
    "view": "show predictions, cloud and trajectory in a browser tab or a file",
    "adapt": "make a network of a fleet's recordings: label, train, judge",
    "train": "train a network (cinet train --help)",
    "ablate": "train and tabulate the paper's ablation (cinet ablate --help)",
}
"""Modules of this package, with a line of help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``cinet``; returns the exit status.

    0: all went well; 1: some frames could not be read, predicted or written; 2: the command could not start;
    130: interrupted. Argument errors leave through SystemExit with 2, as argparse has it.
    """
    parser = argparse.ArgumentParser(
        prog="cinet", description="Metric depth, semantic labels and a semantic point cloud from one colour camera."
    )
    parser.add_argument("--version", action="version", version=f"cinet {__version__}")
    add_commands(parser, "cinet_core.cli", COMMANDS)
    try:
        options = parser.parse_args(arguments)
        return options.run(options)
    except UsageError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return 130
