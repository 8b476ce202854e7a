"""The arguments of ``cinet`` and which command gets them. What needs torch is imported when its command runs."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from cinet_core import __version__
from cinet_core.cli.bag import add_bag, run_bag
from cinet_core.cli.data import add_data, run_data
from cinet_core.cli.eval import add_eval, run_eval
from cinet_core.cli.export import add_export, run_export
from cinet_core.cli.figures import add_figures, run_figures
from cinet_core.cli.map import add_map, run_map
from cinet_core.cli.odometry import add_odometry, run_odometry
from cinet_core.cli.scale import add_scale, run_scale
from cinet_core.cli.view import add_view, run_view

_Number = TypeVar("_Number", int, float)

KINDS = ("panel", "depth", "labels", "cloud")
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
    parser.add_argument("source", help='an image, a folder of images, a video, or "synthetic"')
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random",
        help="a checkpoint; default, what ships (and is taken without this); or random, for plumbing only",
    )
    parser.add_argument("--config", help="network of the random weights: lite (default), resnet50, resnet101")
    parser.add_argument("--output", type=Path, default=Path("cinet_output"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--backend",
        default="torch",
        metavar="NAME",
        help="what runs the network: torch (default), torch_compile, openvino, onnxruntime, tensorrt; or auto, the "
        "fastest here",
    )
    parser.add_argument(
        "--precision", default="auto", metavar="NAME", help="float32, half, or auto: half on a GPU (%(default)s)"
    )
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument("--fov", type=_fov, metavar="DEG", help="horizontal field of view of the camera, in degrees")
    camera.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the camera, in pixels of the image; in place of what the source says",
    )
    parser.add_argument("--every", type=_positive, default=1, metavar="N", help="take every N-th frame")
    parser.add_argument("--limit", type=_positive, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--write", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=f"of {', '.join(KINDS)} (all)"
    )


def _check_predict(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.config and options.weights != "random":
        parser.error("--config chooses the network of --weights random; a checkpoint knows its own")
    if options.intrinsics and not all(map(math.isfinite, options.intrinsics)):
        parser.error("--intrinsics: FX, FY, CX and CY must be finite")
    if options.intrinsics and not min(options.intrinsics[:2]) > 0:
        parser.error("--intrinsics: the focal lengths FX and FY must be above 0 pixels")
    if options.output.exists() and not options.output.is_dir():
        parser.error(f"--output {options.output} is a file: give a folder")


def _number(kind: Callable[[str], _Number], text: str) -> _Number:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no {'whole ' if kind is int else ''}number") from None


def _positive(text: str) -> int:
    value = _number(int, text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _fov(text: str) -> float:
    value = _number(float, text)
    if not 0.0 < value < 180.0:
        raise argparse.ArgumentTypeError(f"{value:g} is not between 0 and 180 degrees")
    return value
