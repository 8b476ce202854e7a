"""``cinet eval``: a checkpoint and a data set in, metrics beside the published ones out."""

from __future__ import annotations

import argparse
import sys

from cinet_core.cli.arguments import positive
from cinet_core.cli.judging import add_dataset, add_network, add_output, print_report, write_report
from cinet_core.model.config import CONFIG_NAMES, DEFAULT_CONFIG


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Scores a checkpoint on a split of a data set: depth under every protocol that the data set has, labels, the "
        "attention map; beside the published results where there are any. Writes FILE.json and FILE.md. Exit status: "
        "0 all is well, 1 some frames could not be read and are not scored, 2 it could not start."
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a .safetensors file; default, what ships; or random, for plumbing only",
    )
    parser.add_argument(
        "--config", help=f"network of the checkpoint random: {', '.join(CONFIG_NAMES)} (default: {DEFAULT_CONFIG})"
    )
    add_dataset(parser, "nyu_depth_v2_labeled.mat, the folder of SUN RGB-D, a folder of frames, or synthetic")
    parser.add_argument("--limit", type=positive, metavar="N", help="score only N frames, evenly spread")
    add_network(
        parser,
        backend="what runs the network (%(default)s); another one is judged as deployed, by its depth and labels "
        "alone, and prepared anew for each size of image",
        precision="that a backend runs it in: the way to see what half or int8 costs (auto: float32 with torch)",
    )
    parser.add_argument(
        "--tta",
        default="none",
        metavar="VIEWS",
        help="test-time augmentation: average depth and labels over views of each image, flip and scales of the "
        "network's input, such as flip,0.75,1.25; with torch in float32 (%(default)s)",
    )
    parser.add_argument("--batch", type=positive, default=4, metavar="N", help="images at a time (%(default)s)")
    add_output(parser, "evaluation.json")
    return parser


def run(options: argparse.Namespace) -> int:
    """Score a checkpoint; returns the exit status (see the command's help)."""
    import torch

    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.evaluation.scoring import evaluate
    from cinet_core.model_metadata import CheckpointError

    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress() as progress:
            report = evaluate(
                options.data,
                options.checkpoint,
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                config=options.config,
                device=options.device,
                backend=options.backend,
                precision=options.precision,
                batch=options.batch,
                limit=options.limit,
                tta=options.tta,
                progress=progress,
            )
        table = write_report(report, options.output)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet eval: {error}", file=sys.stderr)
        return 2
    except torch.OutOfMemoryError as error:
        remedy = f"lower --batch (now {options.batch})" if options.batch > 1 else "use another --device"
        print(f"cinet eval: {error}\nThe GPU's memory is full: {remedy}", file=sys.stderr)
        return 2
    console = print_report(report)
    for note in report.notes():
        console.print(f"- {note}", markup=False, highlight=False, soft_wrap=True)
    print(f"\nwritten: {options.output} and {table}")
    for frame in report.evaluation.broken:
        print(f"BROKEN {frame.name}: {frame.reason}", file=sys.stderr)
    return 1 if report.evaluation.broken else 0
