"""``cinet ablate``: the paper's ablation table under one budget, over seeds."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cinet_core.cli.recipe_arguments import RecipeParser, missing

DESCRIPTION = (
    "Trains the rows of the paper's Tables 1 and 3 (baseline, +FSM, +LSU, +SUM, both, full, and full without the "
    "attention loss), and the full network with each further task, by one recipe, with the same seeds, and tabulates "
    "them on one split. Finished runs are not run again, interrupted ones go on: give the same command once more. "
    "Takes a recipe as cinet train does."
)


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    return RecipeParser(prog, DESCRIPTION, _add_options)


def _add_options(parser: Any) -> None:
    parser.add_argument("--rows", nargs="+", type=str, help="some of them: baseline fsm lsu sum sum_fsm full ...")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="each row is trained with each (0 1 2)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each a process of its own (1)")
    parser.add_argument(
        "--common-epochs", type=int, default=0, help="train the baseline so long first; all start from it"
    )
    parser.add_argument("--common-rate", type=float, default=0.1, help="learning rate of that common start (0.1), poly")
    parser.add_argument(
        "--split", choices=["validation", "test"], default="test", help="choose by validation, report on test (test)"
    )
    parser.add_argument("--limit", type=int, help="score on at most so many frames of that split")


def run(options: argparse.Namespace) -> int:
    """Train and tabulate; returns the exit status: 0 done, 1 a training failed, 2 it could not start."""
    try:
        from cinet_core.training.ablate import ablate
        from cinet_core.training.checkpoints import ResumeError
    except ModuleNotFoundError as error:
        print(missing("cinet ablate", error), end="", file=sys.stderr)
        return 2
    from rich.console import Console

    from cinet_core.data.frame_files import SourceError
    from cinet_core.model.imagenet import ImageNetWeightsError
    from cinet_core.model_metadata import CheckpointError
    from cinet_core.progress import Progress
    from cinet_core.training.errors import TrainingError

    console = Console()

    class Finished(Progress):
        def note(self, text: str) -> None:
            console.print(text, soft_wrap=True, highlight=False)

    try:
        report = ablate(
            options.recipe,
            rows=options.rows,
            seeds=options.seeds,
            jobs=options.jobs,
            split=options.split,
            limit=options.limit,
            common_epochs=options.common_epochs,
            common_rate=options.common_rate,
            progress=Finished(),
        )
        numbers, tables = report.save(options.recipe.run.output)
    except (CheckpointError, SourceError, ValueError, OSError, ImageNetWeightsError, ResumeError) as error:
        print(f"cinet ablate: {error}", file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"cinet ablate: {error}", file=sys.stderr)
        return 1
    for table in report.tables():
        console.print(table.rich())
    console.print(f"written: {numbers} and {tables}", soft_wrap=True)
    return 0
