"""From a recipe to trained weights, or to a plan of how they would be trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException

from cinet_core.data.frame_files import SourceError
from cinet_core.progress import SILENT, Progress
from cinet_core.training.errors import TrainingError, explained
from cinet_core.training.plan import TrainingPlan, plan_of
from cinet_core.training.preparation import TrainingSetup, prepare
from cinet_core.training.rate_range import RateRange, measure_rates
from cinet_core.training.recipe_file import read_recipe
from cinet_core.training.run import ResumeFrom, TrainingResult, check_run, fit
from cinet_core.training.settings import Recipe

__all__ = ["RateRange", "find_learning_rate", "plan_training", "train"]


def train(
    recipe: Recipe | str | Path,
    *,
    resume: bool = False,
    planned: Callable[[TrainingPlan], None] | None = None,
    progress: Progress = SILENT,
) -> TrainingResult:
    """Train a network by a recipe, through all its stages.

    ``train(read_recipe("config/train/fine_tune.yaml", values={"data.root": "rooms"}))`` starts from the weights that
    ship. Checkpoints, loss curves for TensorBoard and the recipe itself go into its folder ``run.output``.

    Args:
        recipe: an object, or a YAML file.
        resume: go on where a run in that folder was stopped, if there is one.
        planned: called with the plan, before the first step.
        progress: is told of the samples that are measured before. Lightning shows the steps itself.

    Raises:
        SourceError, CheckpointError, ImageNetWeightsError: data or weights cannot be read.
        ValueError: a setting does not fit another, or this machine.
        ResumeError: the folder holds a run and `resume` is not given, or it cannot be gone on with.
        TrainingError: it began, and could not go on: no memory, a broken frame, a loss that is not finite.
        KeyboardInterrupt: it was interrupted; `resume` goes on.
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    try:
        resume_from = check_run(recipe, resume)
        preparation = _prepared(recipe, progress)
        if planned is not None:
            planned(plan_of(preparation))
        return _fitted(preparation, resume_from)
    except MisconfigurationException as error:
        raise ValueError(str(error)) from error


def plan_training(recipe: Recipe | str | Path, *, measure: bool = True, progress: Progress = SILENT) -> TrainingPlan:
    """Say what a training would do, and train nothing.

    Args:
        recipe: an object, or a YAML file.
        measure: run a few steps of each stage, and take their time and memory.
        progress: is told of the samples that are measured before.

    Raises:
        SourceError, CheckpointError, ImageNetWeightsError: data or weights cannot be read.
        ValueError: a setting does not fit another, or this machine.
        TrainingError: a step does not fit the memory of this GPU.
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    try:
        preparation = _prepared(recipe, progress)
        with explained():
            return plan_of(preparation, measure)
    except MisconfigurationException as error:
        raise ValueError(str(error)) from error


def find_learning_rate(recipe: Recipe | str | Path, *, steps: int = 200, progress: Progress = SILENT) -> RateRange:
    """Train for some steps while the learning rate grows, and keep nothing but the losses: a range test.

    Args:
        recipe: an object, or a YAML file; its first stage is what is tried.
        steps: from a rate of 1e-5 to 1; fewer where the loss diverges before.
        progress: is told of the samples that are measured before.

    Raises:
        SourceError, CheckpointError, ImageNetWeightsError: data or weights cannot be read.
        ValueError: a setting does not fit another, or this machine.
        TrainingError: a step does not fit the memory of this GPU, or a frame is broken.
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    preparation = _prepared(recipe, progress)
    with explained():
        return measure_rates(preparation, steps=steps)


def _fitted(preparation: TrainingSetup, resume_from: ResumeFrom | None) -> TrainingResult:
    try:
        with explained():
            return fit(preparation, resume_from)
    except SourceError as error:  # a frame broke since the start: no reason to say that it could not start
        raise TrainingError(f"{error}; then go on with --resume") from error


def _prepared(recipe: Recipe, progress: Progress) -> TrainingSetup:
    begun = False

    def show(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            progress.begin("measuring the training set", total)
            begun = True
        progress.advance(done)

    return prepare(recipe, show)
