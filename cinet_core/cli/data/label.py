"""``cinet data label``: a recording in, a labelled set for training out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cinet_core.cli.arguments import add_device, add_frames_of_set


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Labels the frames of a recording by teachers: ONNX files with a description, or our own networks. Depth is "
        "corrected by what the robot knew (odometry, scan, floor, sensor), and what other views contradict is void. "
        "Every pixel of the result says where it came from and how far it is trusted, and `cinet train` weighs it. "
        "Killed, it goes on where it was when it is started again. Exit status: 0 all is well, 1 some frames could not "
        "be read and are left out, 2 it could not start or go on."
    )
    parser.add_argument("input", metavar="IN", help="a folder of frames, as of `cinet bag extract`, or a data set")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the labelled set")
    parser.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="T",
        help='"default", a .safetensors file, a description FILE.yaml, or NAME=FILE.onnx with a shipped description '
        "(depth_anything_v2_metric, depth_anything_v2_relative, segformer_ade20k, coco_panoptic); may be given again: "
        "the first that gives depth does so, labels are voted on (default)",
    )
    parser.add_argument("--flip", action="store_true", help="ask about the mirror image of each frame too")
    parser.add_argument(
        "--scale",
        action="append",
        type=float,
        default=[],
        metavar="S",
        help="ask at S times the network's size too, for example 0.8; may be given again",
    )
    parser.add_argument("--no-anchors", action="store_true", help="do not correct depth")
    parser.add_argument(
        "--sensor",
        choices=("use", "anchor", "ignore"),
        default="use",
        help="depth that the recording has: take it where it is valid, only correct by it, or ignore it (%(default)s)",
    )
    parser.add_argument("--keep-labels", action="store_true", help="labels that the recording has win")
    parser.add_argument(
        "--floor-height", type=float, metavar="Z", help="z of the floor in the poses' world, whose z points up, metres"
    )
    parser.add_argument("--views", type=int, default=6, metavar="N", help="other views to compare with; 0: none (6)")
    parser.add_argument(
        "--score",
        action="store_true",
        help="compare with depth and labels that the recording has, which are then used for nothing else",
    )
    add_frames_of_set(parser)
    add_device(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Label; returns the exit status (see the command's help)."""
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.labelling import AgreementSettings, LabelSettings, label_dataset

    try:
        settings = LabelSettings(
            flip=options.flip,
            scales=(1.0, *options.scale),
            anchors=not options.no_anchors,
            sensor="ignore" if options.score else options.sensor,
            keep_labels=options.keep_labels,
            floor_height=options.floor_height,
            agreement=AgreementSettings(views=options.views),
            score=options.score,
        )
        with ConsoleProgress() as progress:
            report = label_dataset(
                options.input,
                options.output,
                options.teacher or ["default"],
                settings=settings,
                kind=options.kind,
                split=options.split,
                options=dict(options.option),
                every=options.every,
                limit=options.limit,
                device=options.device,
                progress=progress,
            )
    except (ValueError, OSError) as error:
        print(f"cinet data label: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(report.to_dict(), indent=2))
    else:
        print("\n  ".join(report.sentences()))
        if report.figures:
            print(f"\n{report.markdown()}")
    for name, reason in report.left_out.items():
        print(f"LEFT OUT {name}: {reason}", file=sys.stderr)
    return 1 if report.left_out else 0
