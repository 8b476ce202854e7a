"""Arguments of ``cinet eval``; what it takes to run is imported when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cinet_core.cli.arguments import add_option, json_file, positive
from cinet_core.inference.choices import AUTO, BACKENDS, PRECISIONS
from cinet_core.model.config import CONFIG_NAMES, DEFAULT_CONFIG


def add_eval(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command that scores a checkpoint."""
    parser.description = (
        "Scores a checkpoint on a split of a data set: depth under every protocol that the data set has, labels, the "
        "attention map; beside the published figures where there are any. Writes FILE.json and FILE.md. Exit status: "
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
    parser.add_argument(
        "--data",
        required=True,
        metavar="ROOT",
        help="nyu_depth_v2_labeled.mat, the folder of SUN RGB-D, a folder of frames, or synthetic",
    )
    parser.add_argument("--kind", default="auto", help="of data set; auto goes by what is there (%(default)s)")
    parser.add_argument("--split", default="test", help="train, validation, trainval, test or all (%(default)s)")
    add_option(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="score only N frames, evenly spread")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument(
        "--backend",
        default="torch",
        choices=BACKENDS,
        help="what runs the network (%(default)s); another one is judged as deployed, by its depth and labels alone, "
        "and prepared anew for each size of image",
    )
    parser.add_argument(
        "--precision",
        default=AUTO,
        choices=PRECISIONS,
        help="that a backend runs it in: the way to see what half or int8 costs (auto: float32 with torch)",
    )
    parser.add_argument("--batch", type=positive, default=4, metavar="N", help="images at a time (%(default)s)")
    parser.add_argument(
        "--output", type=json_file, default=Path("evaluation.json"), metavar="FILE", help="ends in .json (%(default)s)"
    )


def run_eval(options: argparse.Namespace) -> int:
    """Run ``cinet eval``; returns the exit status."""
    from cinet_core.cli.eval_run import run_evaluation

    return run_evaluation(options)
