"""``cinet bag extract``: a bag in, a data set for training out."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from cinet_core.cli.arguments import positive
from cinet_core.cli.bag_problems import print_notes, print_problems


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Writes colour, depth and labels of a bag as a folder for `cinet train` and `cinet data check`; several bags "
        "may go into one folder. Killed, it goes on where it was when it is started again. Exit status: 0 all is well, "
        "1 frames could not be read or the bag is damaged (the rest is written), 2 it could not start or go on."
    )
    parser.add_argument("input", type=Path, metavar="BAG", help="a bag: its folder, a .db3 or a .mcap")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the data set")
    parser.add_argument("--image-topic", default="", metavar="TOPIC", help="(the colour camera that has depth)")
    parser.add_argument("--depth-topic", default="", metavar="TOPIC", help="(a sensor's, registered to the images)")
    parser.add_argument(
        "--allow-unregistered", action="store_true", help="take depth of another camera than the images' as it is"
    )
    parser.add_argument("--labels-topic", default="", metavar="TOPIC", help="(semantic/image_raw where it is there)")
    parser.add_argument("--camera-info-topic", default="", metavar="TOPIC", help="(beside the images)")
    parser.add_argument("--without-depth", action="store_true", help="take images that have no depth as well")
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th image (%(default)s)")
    parser.add_argument(
        "--tolerance", type=_seconds, default=0.02, metavar="S", help="between stamps, seconds (%(default)s)"
    )
    parser.add_argument(
        "--rectified",
        choices=("auto", "true", "false"),
        default="auto",
        help="auto: whether the last parts of the topic's name say rect (%(default)s)",
    )
    parser.add_argument(
        "--room-seconds",
        type=_seconds,
        default=60.0,
        metavar="S",
        help="so much of a bag is a room, by which training divides the frames; 0: all of it (%(default)s)",
    )
    parser.add_argument(
        "--motion",
        choices=("auto", "none"),
        default="auto",
        help="auto: poses by odometry, scans and up go with the frames where the bag has them (%(default)s)",
    )
    parser.add_argument("--odometry-topic", default="", metavar="TOPIC", help="of nav_msgs/Odometry (the only one)")
    parser.add_argument("--scan-topic", default="", metavar="TOPIC", help="of sensor_msgs/LaserScan (the only one)")
    for name, what in (("camera", "optical frame"), ("scan", "scanner")):
        parser.add_argument(
            f"--{name}-in-base",
            type=float,
            nargs=7,
            default=(),
            metavar="NUMBER",
            help=f"x y z qx qy qz qw of the {what} in the frame that the odometry is of (by /tf_static)",
        )
    parser.add_argument("--name", type=_name, help="of the bag in the frames' names (the bag's own)")
    return parser


def run(options: argparse.Namespace) -> int:
    """Extract frames; returns the exit status (see the command's help)."""
    from cinet_core.bags.errors import BagError
    from cinet_core.bags.extraction import extract_bag
    from cinet_core.bags.motion import MotionSettings
    from cinet_core.cli.console import ConsoleProgress

    try:
        motion = MotionSettings(
            options.odometry_topic, options.scan_topic, tuple(options.camera_in_base), tuple(options.scan_in_base)
        )
        with ConsoleProgress() as progress:
            done = extract_bag(
                options.input,
                options.output,
                image_topic=options.image_topic,
                depth_topic=options.depth_topic,
                labels_topic=options.labels_topic,
                camera_info_topic=options.camera_info_topic,
                need_depth=not options.without_depth,
                allow_unregistered=options.allow_unregistered,
                tolerance=options.tolerance,
                every=options.every,
                rectified=options.rectified,
                room_seconds=options.room_seconds,
                name=options.name or "",
                motion=None if options.motion == "none" else motion,
                progress=progress,
            )
    except (BagError, ValueError, OSError) as error:
        print(f"cinet bag extract: {error}", file=sys.stderr)
        return 2
    there = f" ({done.existing} were there)" if done.existing else ""
    print(f"{options.output}: {done.frames} frames of {options.input}{there}")
    print(f"  images of {done.image_topic}, depth of {done.depth_topic or 'no topic'}, ", end="")
    print(f"labels of {done.labels_topic or 'no topic'}")
    if done.unpaired:
        print(f"  {done.unpaired} images have no depth within {options.tolerance:g} s")
    print_notes(done.notes)
    return print_problems(done.faults, done.refused, done.examples)


def _name(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: letters, digits, '_', '-' and '.' make a file name")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0.0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} s is below 0, or not finite")
    return value
