"""What ``cinet train`` does with a recipe; imports Lightning."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cinet_core.training.checkpoints import ResumeError
from cinet_core.training.module import TrainingDivergedError
from cinet_core.training.plan import print_plan
from cinet_core.training.preparation import Preparation, prepare
from cinet_core.training.run import check_output, train

if TYPE_CHECKING:
    from cinet_core.training.settings import Recipe


def run_recipe(recipe: Recipe, *, resume: bool, dry_run: bool) -> int:
    """Train, or print the plan; returns the exit status.

    Raises:
        CheckpointError, SourceError, ValueError: it could not start.
    """
    console = Console()
    try:
        resume_from = None if dry_run else check_output(recipe.run, resume)
        preparation = _prepared(recipe, console)
        print_plan(preparation, console, measure=dry_run)
        if dry_run:
            return 0
        result = train(preparation, resume_from)
    except ResumeError as error:
        print(f"cinet train: {error}", file=sys.stderr)
        return 2
    except TrainingDivergedError as error:
        print(f"cinet train: {error}", file=sys.stderr)
        return 1
    if result.best is None:
        console.print("No best checkpoint: no stage was validated without the labels' help.")
    else:
        console.print(f"Best by {recipe.run.score} on the validation split: {result.best}", soft_wrap=True)
    console.print(f"Last weights: {result.last}. Score either on the test split: cinet eval CHECKPOINT --data ROOT")
    return 0


def _prepared(recipe: Recipe, console: Console) -> Preparation:
    columns = (TextColumn("measuring the training set"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        return prepare(recipe, lambda done, total: bar.update(task, completed=done, total=total))
