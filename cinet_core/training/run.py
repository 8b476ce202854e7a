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
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from cinet_core.training.checkpoints import (
    BEST_FILE,
    FINAL_FILE,
    RESUME_FILE,
    AtomicCheckpointIO,
    ResumeError,
    ResumePoint,
    WeightsExport,
)
from cinet_core.training.pictures import ValidationPictures
from cinet_core.training.preparation import Preparation
from cinet_core.training.progress import ProgressLines
from cinet_core.training.settings import RunSettings

RECIPE_FILE = "recipe.yaml"


@dataclass(frozen=True)
class RunResult:
    """What a run left behind.

    Attributes:
        best: checkpoint that scored best on the validation split; None where no stage could be validated without the
            help of the labels.
        last: the last weights.
        figures: of the last validation.
    """

    best: Path | None
    last: Path
    figures: dict[str, float]


def check_output(settings: RunSettings, resume: bool) -> Path | None:
    """The checkpoint to go on from; None to start anew.

    Raises:
        ResumeError: the folder holds a run, and it was not asked for going on with it.
    """
    path = Path(settings.output) / RESUME_FILE
    if not path.exists():
        return None
    if not resume:
        raise ResumeError(
            f"{path.parent} holds a run already: give --resume to go on with it, or another run.output to start anew"
        )
    return path


def train(preparation: Preparation, resume_from: Path | None = None) -> RunResult:
    """Train through all stages.

    Args:
        preparation: of the run.
        resume_from: of `check_output`.

    Raises:
        ResumeError: `resume_from` cannot be read, or belongs to another recipe.
        TrainingDivergedError: the loss is no longer finite.
    """
    recipe, module = preparation.recipe, preparation.module
    folder = Path(recipe.run.output)
    folder.mkdir(parents=True, exist_ok=True)
    _quiet()
    if recipe.run.precision == "64-true":
        module.double()
    lightning.seed_everything(recipe.run.seed, workers=False, verbose=False)
    trainer = _trainer(preparation, _step_of(resume_from))
    if trainer.is_global_zero:
        (folder / RECIPE_FILE).write_text(yaml.safe_dump(recipe.to_dict(), sort_keys=False), encoding="utf-8")
    trainer.fit(module, datamodule=preparation.data, ckpt_path=resume_from, weights_only=True)
    best = folder / BEST_FILE
    return RunResult(best if best.exists() else None, folder / FINAL_FILE, dict(module.figures))


def _trainer(preparation: Preparation, first_step: int) -> lightning.Trainer:
    recipe = preparation.recipe
    run, optimizer = recipe.run, recipe.optimizer
    folder = Path(run.output)
    callbacks: list[Callback] = [
        LearningRateMonitor("step"),
        ValidationPictures(preparation.data.label_set, recipe.data.focal, run.pictures),
        ProgressLines(),
        # The weights first: what is resumed from must know the best score that is on disk.
        WeightsExport(folder, run.score, preparation.export),
        ResumePoint(folder, run.checkpoint_minutes, recipe.learning()),
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
        gradient_clip_val=optimizer.gradient_clip or None,
        logger=TensorBoardLogger(folder, name="", version="", purge_step=first_step or None),
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
    """Silence the notes of Lightning that do not hold here; `print_plan` and `ProgressLines` say what is to be said."""
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


def _strategy(run: RunSettings) -> Any:
    several = run.nodes > 1 or (run.devices != 1 if run.devices != "auto" else torch.cuda.device_count() > 1)
    # Buffers are equal everywhere: BatchNorm's statistics are taken over all processes.
    return DDPStrategy(broadcast_buffers=False) if several else "auto"


def _step_of(checkpoint: Path | None) -> int:
    """Steps done: TensorBoard drops what a killed run logged after it."""
    if checkpoint is None:
        return 0
    return int(AtomicCheckpointIO().load_checkpoint(checkpoint)["global_step"])
