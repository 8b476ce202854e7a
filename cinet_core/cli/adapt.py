"""``cinet adapt``: recordings in, weights of their own out, with a report of what they are worth."""

from __future__ import annotations

import argparse
import shlex
import sys

from cinet_core.cli.arguments import add_option, key_value, positive
from cinet_core.cli.commands import UsageError


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Extracts frames of bags, labels them by teachers, anchors and the agreement of views, chooses some, trains on "
        "them, calibrates, and judges the weights before and after on rooms of the recordings that nothing was learnt "
        "from, and on others that must not get worse. Weights that are worse are not written as best. Killed, it goes "
        "on where it was when it is started again. Exit status: 0 OUT/best.safetensors is there, 1 the weights were "
        "refused or the training could not go on, 2 it could not start, 130 interrupted."
    )
    parser.add_argument("bags", nargs="+", metavar="BAG", help="a bag: its folder, a .db3 or a .mcap")
    parser.add_argument("--output", required=True, metavar="OUT", help="folder for all that is made")
    parser.add_argument("--weights", default="default", metavar="FILE|default", help="to start from (%(default)s)")
    parser.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="T",
        help="as cinet data label has it (the weights themselves)",
    )
    parser.add_argument(
        "--extract", type=shlex.split, default=[], metavar="'OPTIONS'", help="of cinet bag extract, such as '--every 5'"
    )
    parser.add_argument("--label", type=shlex.split, default=[], metavar="'OPTIONS'", help="of cinet data label")
    parser.add_argument(
        "--frames", type=positive, default=600, metavar="N", help="to learn from, at most (%(default)s)"
    )
    parser.add_argument(
        "--held-out", type=float, default=0.2, metavar="PART", help="of the frames, to judge on (%(default)s)"
    )
    parser.add_argument(
        "--rooms", default="synthetic", metavar="ROOT", help="data set that must not get worse (%(default)s)"
    )
    parser.add_argument("--rooms-kind", default="auto", metavar="KIND", help="of it (%(default)s)")
    add_option(parser)
    parser.add_argument(
        "--rehearsal", type=float, default=0.5, metavar="PART", help="of the training samples from there (%(default)s)"
    )
    parser.add_argument(
        "--interpolation",
        type=float,
        nargs="+",
        default=[1.0, 0.85, 0.7, 0.55, 0.4, 0.25],
        metavar="PART",
        help="of the way to the trained weights, tried from the largest on until these rooms bear it; 1: all of it, "
        "untried (1 0.85 0.7 0.55 0.4 0.25)",
    )
    parser.add_argument(
        "--config", action="append", default=[], metavar="FILE", help="a recipe of cinet train, laid over the built-in"
    )
    parser.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the recipe, such as stages.attention.epochs=5; may be given again",
    )
    parser.add_argument(
        "--worse", type=float, default=0.02, metavar="PART", help="by which depth may be worse (%(default)s)"
    )
    parser.add_argument(
        "--worse-points", type=float, default=1.0, metavar="N", help="of mean IoU that labels may lose (%(default)s)"
    )
    parser.add_argument(
        "--test-frames", type=positive, default=300, metavar="N", help="of each set, scored at most (%(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--workers", type=positive, metavar="N", help="that extract and label (one for each core)")
    parser.add_argument("--scheduler", default="", metavar="ADDRESS", help="of Dask, whose workers do so instead")
    return parser


def run(options: argparse.Namespace) -> int:
    """Adapt; returns the exit status (see the command's help)."""
    from cinet_core.adaptation import AdaptationError, AdaptationSettings, adapt
    from cinet_core.checkpoint import CheckpointError
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.data.frame_files import SourceError
    from cinet_core.jobs import JobError
    from cinet_core.training.errors import TrainingError

    if options.scheduler and options.workers:
        raise UsageError("--workers are processes of this machine, --scheduler has workers of its own: give one")
    try:
        settings = AdaptationSettings(
            weights=options.weights,
            teachers=tuple(options.teacher),
            extract=tuple(options.extract),
            label=tuple(options.label),
            frames=options.frames,
            held_out=options.held_out,
            rooms=options.rooms,
            rooms_kind=options.rooms_kind,
            rooms_options=dict(options.option),
            rehearsal=options.rehearsal,
            interpolation=tuple(options.interpolation),
            recipe=tuple(options.config),
            values=dict(options.set),
            worse=options.worse,
            worse_points=options.worse_points,
            test_frames=options.test_frames,
            device=options.device,
        )
        with ConsoleProgress() as progress:
            report = adapt(
                options.bags,
                options.output,
                settings,
                workers=options.workers or 0,
                scheduler=options.scheduler,
                progress=progress,
            )
    except (AdaptationError, JobError, CheckpointError, SourceError, ValueError, OSError) as error:
        print(f"cinet adapt: {error}", file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"cinet adapt: {error}", file=sys.stderr)
        return 1
    print(report.markdown())
    print(f"{options.output}/report.md, {options.output}/report.json")
    return 1 if report.refused else 0


def _setting(text: str) -> tuple[str, object]:
    """``a.b=VALUE``, where `key_value` has names without dots."""
    name, separator, value = text.partition("=")
    if not separator or not all(part.isidentifier() for part in name.split(".")):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, key_value(f"value={value}")[1]
