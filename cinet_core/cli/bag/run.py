"""``cinet bag run``: a bag in, the same bag with predictions out."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from cinet_core.cli.arguments import add_correction, add_weights, positive
from cinet_core.cli.bag_problems import print_notes, print_problems

STORAGES = ("mcap", "sqlite3")


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Copies a bag and adds what the perception node would publish, with the images' stamps. Killed, it goes on "
        "where it was when it is started again. Exit status: 0 all is well, 1 frames could not be decoded or the bag "
        "is damaged (the rest is written), 2 it could not start or go on."
    )
    parser.add_argument("input", type=Path, metavar="IN", help="a bag: its folder, a .db3 or a .mcap")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the new bag")
    add_weights(parser)
    parser.add_argument(
        "--backend",
        default="torch",
        metavar="NAME",
        help="what runs the network, as `cinet predict` has it (%(default)s)",
    )
    parser.add_argument("--params", type=Path, metavar="FILE", help="parameters of the node, as config/perception.yaml")
    parser.add_argument("--image-topic", default="", metavar="TOPIC", help="(the best colour camera)")
    parser.add_argument("--camera-info-topic", default="", metavar="TOPIC", help="(beside the images)")
    parser.add_argument(
        "--outputs",
        nargs="+",
        default=[],
        metavar="TOPIC",
        help="only these, such as points semantic/image_raw/compressed (all uncompressed ones)",
    )
    parser.add_argument("--prefix", type=_prefix, default="/", help="of the added topics, such as /front (none)")
    parser.add_argument("--storage", choices=STORAGES, default="", help="of the new bag (the input's)")
    parser.add_argument(
        "--batch", type=positive, default=1, metavar="N", help="images of one network call (%(default)s)"
    )
    add_correction(
        parser, "correct depth by the bag's odometry (odometry, auto), or by the images alone (motion) (%(default)s)"
    )
    parser.add_argument("--odometry-topic", default="", metavar="TOPIC", help="of nav_msgs/Odometry (the only one)")
    parser.add_argument(
        "--camera-in-base",
        type=float,
        nargs=7,
        default=(),
        metavar="NUMBER",
        help="x y z qx qy qz qw of the optical frame in the frame that the odometry is of (the two are one)",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Add predictions to a bag; returns the exit status (see the command's help)."""
    from cinet_core.bags.errors import BagError
    from cinet_core.bags.prediction import predict_bag
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.inference.backend import DeviceLostError, OutOfDeviceMemoryError
    from cinet_core.model_metadata import CheckpointError

    class Said(ConsoleProgress):
        def warn(self, text: str) -> None:  # as the warnings at the end
            print(f"WARNING: {text}", file=sys.stderr)

    try:
        with Said() as progress:
            done = predict_bag(
                options.input,
                options.output,
                options.weights,
                parameters=options.params,
                outputs=options.outputs,
                prefix=options.prefix,
                image_topic=options.image_topic,
                camera_info_topic=options.camera_info_topic,
                storage=options.storage,
                device=options.device,
                backend=options.backend,
                batch=options.batch,
                anchor=options.anchor,
                temporal=options.temporal,
                odometry_topic=options.odometry_topic,
                camera_in_base=options.camera_in_base,
                progress=progress,
            )
    except (BagError, CheckpointError, DeviceLostError, OutOfDeviceMemoryError, ValueError, OSError) as error:
        print(f"cinet bag run: {error}", file=sys.stderr)
        return 2
    if done.was_complete:
        print(f"{options.output} is complete already, {done.frames} frames")
        return print_problems(done.faults, done.refused, done.examples)
    copied = f"{done.messages} messages of {options.input}"
    print(f"{options.output}: {copied}, and the outputs of {done.frames} frames")
    print(f"  images of {done.image_topic} with {done.camera_info_topic or 'no camera_info'}")
    print_notes(done.notes)
    for warning in done.warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    return print_problems(done.faults, done.refused, done.examples)


def _prefix(text: str) -> str:
    parts = [part for part in text.split("/") if part]
    for part in parts:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part):
            raise argparse.ArgumentTypeError(f"{text!r}: a topic's parts are letters, digits and _, a letter first")
    return "/" + "".join(f"{part}/" for part in parts)
