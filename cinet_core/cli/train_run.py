"""What ``cinet train`` does with a recipe; imports Lightning."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cinet_core.data.frame_files import SourceError
from cinet_core.model.imagenet import ImageNetWeightsError
from cinet_core.training.checkpoints import ResumeError
from cinet_core.training.module import TrainingDivergedError
from cinet_core.training.plan import print_plan
from cinet_core.training.preparation import Preparation, prepare
from cinet_core.training.run import ResumeFrom, RunResult, check_run, train

if TYPE_CHECKING:
    from cinet_core.training.settings import Recipe


def run_recipe(recipe: Recipe, *, resume: bool, dry_run: bool) -> int:
    """Train, or print the plan; returns the exit status.

    Raises:
        CheckpointError, SourceError, ValueError: it could not start.
    """
    console = Console(quiet=getattr(rank_zero_only, "rank", 0) != 0)
    try:
        resume_from = None if dry_run else check_run(recipe, resume)
        preparation = _prepared(recipe, console)
        print_plan(preparation, console, measure=dry_run)
        if dry_run:
            return 0
        result = _trained(preparation, resume_from)
    except (ResumeError, ImageNetWeightsError, MisconfigurationException) as error:
        print(f"cinet train: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        reason = explained(error)
        if reason is None:
            raise
        print(f"cinet train: {reason}", file=sys.stderr)
        return 1
    if result.best is None:
        console.print("No best checkpoint: no stage was validated without the labels' help.")
    else:
        console.print(f"Best by {recipe.run.score} on the validation split: {result.best}", soft_wrap=True)
    console.print(f"Last weights: {result.last}. Score either on the test split: cinet eval CHECKPOINT --data ROOT")
    return 0


def _trained(preparation: Preparation, resume_from: ResumeFrom | None) -> RunResult:
    try:
        return train(preparation, resume_from)
    except SourceError as error:  # a frame broke since the start: no reason to say that it could not start
        raise RuntimeError(f"{SourceError.__name__}: {error}") from error


def explained(error: RuntimeError) -> str | None:
    """What stopped a training, for people; None for what has no explanation but its traceback."""
    if isinstance(error, TrainingDivergedError):
        return str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return (
            f"{error}\nThe GPU's memory is full: lower optimizer.batch_size (and raise optimizer.accumulate as much), "
            "use run.precision=bf16-mixed, or a smaller data.width and data.height; --dry-run tells what a step takes"
        )
    # A worker's exception arrives as the text of its traceback, whose last line is the message.
    last = str(error).strip().splitlines()[-1] if str(error).strip() else ""
    name, _, message = last.partition(": ")
    return f"{message}; then go on with --resume" if name.endswith(SourceError.__name__) else None


def _prepared(recipe: Recipe, console: Console) -> Preparation:
    columns = (TextColumn("measuring the training set"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        return prepare(recipe, lambda done, total: bar.update(task, completed=done, total=total))
