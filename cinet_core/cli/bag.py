"""Arguments of ``cinet bag``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from cinet_core.cli.arguments import positive

STORAGES = ("mcap", "sqlite3")


def add_bag(parser: argparse.ArgumentParser) -> None:
    """Add the commands about bags."""
    commands = parser.add_subparsers(dest="bag_command", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="add predictions to a bag"))
    _add_extract(commands.add_parser("extract", help="make a data set for training of a bag"))


def run_bag(options: argparse.Namespace) -> int:
    """Run ``cinet bag``; returns the exit status."""
    from cinet_core.cli import bag_run

    return bag_run.add_predictions(options) if options.bag_command == "run" else bag_run.extract_frames(options)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Copies a bag and adds what the perception node would publish, with the images' stamps. Killed, it goes on "
        "where it was when it is started again. Exit status: 0 all is well, 1 frames could not be decoded or the bag "
        "is damaged (the rest is written), 2 it could not start or go on."
    )
    parser.add_argument("input", type=Path, metavar="IN", help="a bag: its folder, a .db3 or a .mcap")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder of the new bag")
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random",
        help="a checkpoint; default, what ships; or random, for plumbing only",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
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


def _add_extract(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--name", type=_name, help="of the bag in the frames' names (the bag's own)")


def _prefix(text: str) -> str:
    parts = [part for part in text.split("/") if part]
    for part in parts:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part):
            raise argparse.ArgumentTypeError(f"{text!r}: a topic's parts are letters, digits and _, a letter first")
    return "/" + "".join(f"{part}/" for part in parts)


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
