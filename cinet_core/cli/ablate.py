"""``cinet ablate``: the paper's ablation table under one budget, over seeds."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cinet_core.atomic_file import write_whole
from cinet_core.checkpoint import CheckpointError
from cinet_core.data.frame_files import SourceError
from cinet_core.model.imagenet import ImageNetWeightsError

DESCRIPTION = (
    "Trains the rows of the paper's Tables 1 and 3 (baseline, +FSM, +LSU, +SUM, both, full, and full without the "
    "attention loss), and the full network with each further task, by one recipe, with the same seeds, and tabulates "
    "them on the test split. Finished runs are not run again, interrupted ones go on: give the same command once more. "
    "Takes a recipe as cinet train does."
)


def run_ablate(arguments: Sequence[str]) -> int:
    """Run ``cinet ablate``; returns the exit status: 0 done, 1 a training failed, 2 it could not start."""
    from cinet_core.cli.train import explain_missing, read_recipe

    try:
        from cinet_core.cli.train_run import explained
        from cinet_core.training.checkpoints import ResumeError
    except ModuleNotFoundError as error:
        return explain_missing("ablate", error)
    try:
        recipe, options = read_recipe(arguments, "cinet ablate", DESCRIPTION, _add_options)
        return _run(recipe, options)
    except (CheckpointError, SourceError, ValueError, OSError, ImageNetWeightsError, ResumeError) as error:
        print(f"cinet ablate: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        reason = explained(error)
        if reason is None:
            raise
        print(f"cinet ablate: {reason}", file=sys.stderr)
        return 1


def _add_options(parser: Any) -> None:
    parser.add_argument("--rows", nargs="+", type=str, help="some of them: baseline fsm lsu sum sum_fsm full ...")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="each row is trained with each (0 1 2)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each a process of its own (1)")
    parser.add_argument(
        "--common-epochs", type=int, default=0, help="train the baseline so long first; all start from it"
    )
    parser.add_argument("--common-rate", type=float, default=0.1, help="learning rate of that common start (0.1), poly")
    parser.add_argument("--limit", type=int, help="score on at most so many frames of the test split")


def _run(recipe: Any, options: dict[str, Any]) -> int:
    from rich.console import Console

    from cinet_core.evaluation.ablation_report import AblationReport
    from cinet_core.training.ablation import run_ablation, variants_named
    from cinet_core.training.settings import StageSettings

    console = Console()
    output = Path(recipe.run.output)
    epochs = options["common_epochs"]
    figures = run_ablation(
        recipe,
        variants_named(options["rows"]),
        options["seeds"],
        output,
        options["jobs"],
        options["limit"],
        StageSettings(epochs, options["common_rate"], "poly") if epochs else None,
        lambda name: console.print(f"done: {name}", soft_wrap=True, highlight=False),
    )
    data = recipe.data
    report = AblationReport(f"{recipe.name}, {data.width}x{data.height}, test split", figures)
    output.mkdir(parents=True, exist_ok=True)
    write_whole(output / "ablation.json", (json.dumps(report.to_dict(), indent=1) + "\n").encode())
    write_whole(output / "ablation.md", report.markdown().encode())
    for table in report.tables():
        console.print(table.rich())
    console.print(f"written: {output / 'ablation.json'} and {output / 'ablation.md'}", soft_wrap=True)
    return 0
