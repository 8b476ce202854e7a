"""Runs a recipe: from the data set to ``best.safetensors``, or on from where it was killed."""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, RichProgressBar
from lightning.pytorch.strategies import DDPStrategy

from cinet_core.atomic_file import atomic_write, remove_unfinished
from cinet_core.training.checkpoints import (
    BEST_FILE,
    FINAL_FILE,
    RESUME_FILE,
    AtomicCheckpointIO,
    ResumeError,
    ResumePoint,
    WeightsExport,
    check_position,
)
from cinet_core.training.loggers import check_loggers, make_loggers
from cinet_core.training.preparation import TrainingSetup
from cinet_core.training.progress import ProgressLines
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_run import RunSettings
from cinet_core.training.validation_images import ValidationImages

__all__ = ["ResumeFrom", "TrainingResult", "check_run", "fit", "processes"]

RECIPE_FILE = "recipe.yaml"


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        best: checkpoint that scored best on the validation split; None where no stage could be validated without the
            help of the labels.
        last: the last weights.
        metrics: of the last validation, see `CINetModule.validated`.
    """

    best: Path | None
    last: Path
    metrics: dict[str, float]


@dataclass(frozen=True)
class ResumeFrom:
    """Where a run goes on.

    Attributes:
        path: of its checkpoint.
        step: steps that it had done.
    """

    path: Path
    step: int


def check_run(recipe: Recipe, resume: bool) -> ResumeFrom | None:
    """See that a run can start here, before anything is measured or built.

    Returns:
        What to go on from; None to start anew.

    Raises:
        ResumeError: the folder holds a run, and it was not asked for going on with it, or cannot be gone on with.
        ValueError: this machine lacks the devices, or what is to be logged to.
    """
    _check_devices(recipe.run)
    check_loggers(recipe.run.loggers)
    path = Path(recipe.run.output) / RESUME_FILE
    if not path.exists():
        return None
    if not resume:
        raise ResumeError(
            f"{path.parent} holds a run already: give --resume to go on with it, or another run.output to start anew"
        )
    return ResumeFrom(path, check_position(path, recipe.learning()))


def processes(run: RunSettings) -> int:
    """How many processes a run has on all its machines."""
    on_gpu = run.accelerator != "cpu" and torch.cuda.is_available()
    devices = (torch.cuda.device_count() if on_gpu else 1) if run.devices == "auto" else run.devices
    return devices * run.nodes


def _check_devices(run: RunSettings) -> None:
    there = torch.cuda.device_count()
    if run.accelerator == "gpu" and not there:
        raise ValueError("run.accelerator is gpu, and torch finds none: set it to cpu, or mend the CUDA installation")
    if run.accelerator != "cpu" and there and run.devices != "auto" and run.devices > there:
        raise ValueError(f"run.devices is {run.devices}: this machine has {there} GPUs")


def fit(preparation: TrainingSetup, resume_from: ResumeFrom | None = None) -> TrainingResult:
    """Train through all stages.

    Args:
        preparation: of the run.
        resume_from: of `check_run`.

    Raises:
        ResumeError: the run was divided over other processes, or its data have changed.
        TrainingDivergedError: the loss is no longer finite.
        KeyboardInterrupt: it was interrupted.
    """
    recipe, module = preparation.recipe, preparation.module
    folder = Path(recipe.run.output)
    folder.mkdir(parents=True, exist_ok=True)
    _quiet()
    if recipe.run.precision == "64-true":
        module.double()
    lightning.seed_everything(recipe.run.seed, workers=False, verbose=False)
    trainer = _trainer(preparation, resume_from.step if resume_from else 0)
    if trainer.is_global_zero:
        for name in (RESUME_FILE, BEST_FILE, FINAL_FILE):
            remove_unfinished(folder / name)
        with atomic_write(folder / RECIPE_FILE) as file:
            file.write(yaml.safe_dump(recipe.to_dict(), sort_keys=False).encode())
    try:
        trainer.fit(
            module,
            datamodule=preparation.data,
            ckpt_path=resume_from.path if resume_from else None,
            weights_only=True,
        )
    except SystemExit:
        if trainer.interrupted:  # Lightning exits with the status of a failure
            raise KeyboardInterrupt from None
        raise
    best = folder / BEST_FILE
    return TrainingResult(best if best.exists() else None, folder / FINAL_FILE, dict(module.validated))


def _trainer(preparation: TrainingSetup, first_step: int) -> lightning.Trainer:
    recipe = preparation.recipe
    run, optimizer = recipe.run, recipe.optimizer
    folder = Path(run.output)
    loggers = make_loggers(recipe, first_step)
    callbacks: list[Callback] = [
        *([LearningRateMonitor("step")] if loggers else []),
        ValidationImages(preparation.data.label_set, recipe.data.canonical_focal, run.pictures),
        ProgressLines(),
        # The weights first: what is resumed from must know the best score that is on disk.
        WeightsExport(folder, run.score, preparation.export),
        ResumePoint(folder, run.checkpoint_minutes, recipe.learning(), preparation.data.training.lengths),
    ]
    interactive = sys.stdout.isatty()
    if interactive:
        callbacks.append(RichProgressBar())
    return lightning.Trainer(
        accelerator=run.accelerator,
        devices=run.devices,
        num_nodes=run.nodes,
        strategy=_strategy(run),
        # In double precision it is the module that is double: Lightning's plugin would convert the batches as well.
        precision="32-true" if run.precision == "64-true" else run.precision,
        # Some CUDA kernels, such as that of the bilinear upsampling's gradient, have no deterministic form.
        deterministic="warn" if run.deterministic else None,
        max_epochs=preparation.plan[-1].end_epoch,
        accumulate_grad_batches=optimizer.accumulate,
        limit_train_batches=_whole_steps(preparation),
        gradient_clip_val=optimizer.gradient_clip or None,
        logger=loggers or False,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        check_val_every_n_epoch=run.validate_every,
        log_every_n_steps=run.log_every,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # TrainingData divides the samples itself
        enable_progress_bar=interactive,
        enable_model_summary=False,
    )


def _quiet() -> None:
    """Silence the notes of Lightning that do not hold here; the plan and `ProgressLines` say what is to be said."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*module\\(s\\) in eval mode.*",  # the averaged weights, and frozen statistics
        ".*dataloader is not resumable.*",  # TrainingData.resume_at
        ".*does not have many workers.*",
        ".*checkpoint directory .* exists and is not empty.*",
        ".*smaller than the logging interval.*",
        ".*Total length of `list` across ranks is zero.*",  # no validation was asked for
        ".*isinstance\\(treespec, LeafSpec\\).*",
    ):
        warnings.filterwarnings("ignore", text)


def _whole_steps(preparation: TrainingSetup) -> int:
    """Batches of an epoch that make whole steps: Lightning would weigh the last, shorter one less.

    Raises:
        ValueError: there is no whole step.
    """
    accumulate = preparation.recipe.optimizer.accumulate
    batches = preparation.data.steps_per_epoch(processes(preparation.recipe.run))
    if batches < accumulate:
        raise ValueError(
            f"an epoch has {batches} batches, a step takes {accumulate}: lower optimizer.accumulate or "
            "optimizer.batch_size, or raise data.samples_per_epoch"
        )
    return batches - batches % accumulate


def _strategy(run: RunSettings) -> Any:
    # BatchNorm's buffers are equal on all GPUs; without GPUs they are made so where it counts (CINetModule).
    return DDPStrategy(broadcast_buffers=False) if processes(run) > 1 else "auto"
