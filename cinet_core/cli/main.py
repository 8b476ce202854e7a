"""The arguments of ``cinet`` and which command gets them. What needs torch is imported when its command runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cinet_core import __version__
from cinet_core.cli.bag import add_bag, run_bag
from cinet_core.cli.data import add_data, run_data
from cinet_core.cli.eval import add_eval, run_eval
from cinet_core.cli.export import add_export, run_export
from cinet_core.cli.figures import add_figures, run_figures
from cinet_core.cli.frame_arguments import add_frame_arguments, problem
from cinet_core.cli.map import add_map, run_map
from cinet_core.cli.odometry import add_odometry, run_odometry
from cinet_core.cli.scale import add_scale, run_scale
from cinet_core.cli.view import add_view, run_view

KINDS = ("panel", "depth", "labels", "normals", "boundaries", "cloud")
"""What ``cinet predict`` can write for a frame."""


class Command(NamedTuple):
    """One command: a line of help, what adds its arguments, and what runs it."""

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS = {
    "bag": Command("add predictions to a ROS 2 bag, or make a data set of one", add_bag, run_bag),
    "data": Command("look at data sets", add_data, run_data),
    "eval": Command("score a checkpoint on a data set, beside the published figures", add_eval, run_eval),
    "export": Command("write the whole graph of a checkpoint as an ONNX file", add_export, run_export),
    "figures": Command("draw the paper's figures from checkpoints and a data set", add_figures, run_figures),
    "map": Command("fuse a recorded sequence with poses into a semantic map", add_map, run_map),
    "odometry": Command("track a recorded camera on sensor and predicted depth", add_odometry, run_odometry),
    "scale": Command("compare predicted with sensor depth, and suggest depth_scale", add_scale, run_scale),
    "view": Command("show predictions, cloud and trajectory in a browser tab or a file", add_view, run_view),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``cinet``; returns the exit status.

    0: all went well; 1: some frames could not be read, predicted or written; 2: the command could not start;
    130: interrupted. Argument errors leave through SystemExit with 2, as argparse has it.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    try:
        if arguments[:1] == ["train"]:  # both have a parser of their own, made of the recipe's dataclasses
            from cinet_core.cli.train import run_train

            return run_train(arguments[1:])
        if arguments[:1] == ["ablate"]:
            from cinet_core.cli.ablate import run_ablate

            return run_ablate(arguments[1:])
        options = parser.parse_args(arguments)
        if options.command == "info":
            from cinet_core.cli.info import run_info

            return run_info(options)
        if options.command in COMMANDS:
            return COMMANDS[options.command].run(options)
        _check_predict(parser, options)
        from cinet_core.cli.predict import run_predict

        return run_predict(options)
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cinet", description="Metric depth, semantic labels and a semantic point cloud from one colour camera."
    )
    parser.add_argument("--version", action="version", version=f"cinet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_predict(commands.add_parser("predict", help="predict on an image, a folder or a video"))
    info = commands.add_parser("info", help="show what a checkpoint holds")
    info.add_argument("checkpoint", metavar="FILE|default", help="a .safetensors checkpoint; or default, what ships")
    info.add_argument("--json", action="store_true", help="everything, as JSON")
    for name, command in COMMANDS.items():
        command.add(commands.add_parser(name, help=command.help))
    commands.add_parser("train", help="train a network (cinet train --help)", add_help=False)
    commands.add_parser("ablate", help="train and tabulate the paper's ablation (cinet ablate --help)", add_help=False)
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Writes for each frame: NAME_panel.png, NAME_depth.png (16-bit, millimetres, 0 = invalid), NAME_labels.png "
        "(class ids, 255 = none) and NAME_cloud.ply (x y z rgb label confidence; needs intrinsics)."
    )
    add_frame_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("cinet_output"), metavar="DIR", help="(%(default)s)")
    parser.add_argument(
        "--write", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=f"of {', '.join(KINDS)} (all)"
    )


def _check_predict(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    found = problem(options)
    if found is not None:
        parser.error(found)
    if options.output.exists() and not options.output.is_dir():
        parser.error(f"--output {options.output} is a file: give a folder")
