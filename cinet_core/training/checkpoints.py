"""Checkpoints of a run: ``last.ckpt`` to go on from, ``best.safetensors`` and ``last.safetensors`` to use."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.callbacks import Checkpoint

from cinet_core.atomic_file import atomic_write
from cinet_core.training.module import CINetModule
from cinet_core.training.score import score

__all__ = [
    "BEST_FILE",
    "FINAL_FILE",
    "RESUME_FILE",
    "AtomicCheckpointIO",
    "ResumeError",
    "ResumePoint",
    "WeightsExport",
    "check_position",
]

RESUME_FILE = "last.ckpt"
BEST_FILE = "best.safetensors"
FINAL_FILE = "last.safetensors"
POSITION_KEY = "cinet_position"


class ResumeError(RuntimeError):
    """A run cannot go on from where it was."""


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoints, so written that a kill at any moment leaves the old file or the whole new one.

    They are read with ``weights_only``: tensors and plain values, no code.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write beside the old file, then take its place. Raises OSError where the disk is full."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_write(path) as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:  # of torch's writer, which tells positions only
            raise OSError(f"{path} cannot be written ({error}): is the disk full? The old one is kept") from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read one.

        Raises:
            ResumeError: it is damaged, or holds more than tensors and plain values.
        """
        try:
            return torch.load(path, map_location=map_location, weights_only=True)
        except pickle.UnpicklingError as error:  # whose text proposes to load it anyway
            reason = "it is damaged, or holds more than tensors and plain values"
            raise ResumeError(f"{path} cannot be read, {reason}: remove it to start anew") from error
        except Exception as error:  # torch.load raises whatever zipfile, pickle and struct do
            raise ResumeError(f"{path} cannot be read ({error}): remove it to start anew") from error

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove one."""
        Path(path).unlink(missing_ok=True)


class ResumePoint(Checkpoint):
    """Writes ``last.ckpt`` every few minutes and at the end of each stage, and goes on from it exactly.

    Within an epoch it is written after a step, never between two batches whose gradients are accumulated; at the end of
    an epoch, after its validation.

    Args:
        folder: of the run.
        minutes: between two of them; 0 writes one after each step.
        learning: `Recipe.learning` of the run, which a resumed one must agree with (`check_position`).
        samples: of each training set, likewise.
    """

    def __init__(self, folder: Path, minutes: float, learning: dict[str, Any], samples: Sequence[int]) -> None:
        self.path = folder / RESUME_FILE
        self._seconds = 60 * minutes
        self._learning, self._samples = learning, list(samples)
        self._written = time.monotonic()
        self._position = (0, 0)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write it where it is time."""
        done = batch_idx + 1
        # After the last batch of an epoch its validation is still to come: on_train_epoch_end writes it then.
        if done >= trainer.num_training_batches or done % trainer.accumulate_grad_batches:
            return
        if self._due(trainer):
            self._write(trainer, (trainer.current_epoch, done))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write it where it is time, or where the stage ends."""
        after = trainer.current_epoch + 1
        assert isinstance(pl_module, CINetModule)
        if self._due(trainer) or after == pl_module.stage.end_epoch:
            self._write(trainer, (after, 0))

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add where the run is, and what it learns."""
        checkpoint[POSITION_KEY] = {
            "epoch": self._position[0],
            "batch": self._position[1],
            "processes": trainer.world_size,
            "learning": self._learning,
            "samples": self._samples,
        }

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let the data go on where they were.

        Raises:
            ResumeError: the run that wrote it was divided differently, or its data have changed.
        """
        position = checkpoint[POSITION_KEY]
        if position["samples"] != self._samples:
            raise ResumeError(
                f"the training sets had {position['samples']} samples when {self.path} was written, now they have "
                f"{self._samples}: put the data back to go on, or choose another run.output to start anew"
            )
        if position["processes"] != trainer.world_size:
            raise ResumeError(
                f"{self.path} was written by {position['processes']} processes, this run has {trainer.world_size}: go "
                "on with as many (run.devices x run.nodes), or choose another run.output to start anew"
            )
        trainer.datamodule.resume_at(position["epoch"], position["batch"])  # type: ignore[attr-defined]

    def _due(self, trainer: lightning.Trainer) -> bool:
        due = time.monotonic() - self._written >= self._seconds
        # All processes take part in writing, so that all must agree when.
        return trainer.strategy.broadcast(due)

    def _write(self, trainer: lightning.Trainer, position: tuple[int, int]) -> None:
        assert isinstance(trainer.lightning_module, CINetModule)
        trainer.lightning_module.check_weights()  # nobody wants to go on from NaN
        self._position = position
        trainer.save_checkpoint(self.path)
        self._written = time.monotonic()


class WeightsExport(Checkpoint):
    """Writes the averaged weights: ``best.safetensors`` by the validation split, ``last.safetensors`` at the end.

    Args:
        folder: of the run.
        kind: of score; see `RunSettings.score`.
        export: writes the module's averaged weights, with these metrics, to a path.
    """

    def __init__(self, folder: Path, kind: str, export: Callable[[Path, CINetModule, dict[str, Any]], None]) -> None:
        self._folder = folder
        self._kind = kind
        self._export = export
        self.best: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must remember."""
        return {"best": self.best, "kind": self._kind}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of `state_dict`. Another kind of score than before starts anew: the two cannot be compared."""
        self.best = state_dict["best"] if state_dict["kind"] == self._kind else None

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the weights if they are the best so far; metrics made with the labels' help are never results."""
        assert isinstance(pl_module, CINetModule)
        if pl_module.is_oracle or trainer.sanity_checking:
            return
        value = score(pl_module.validated, self._kind)
        if value is None or (self.best is not None and value <= self.best):
            return
        self.best = value
        if trainer.is_global_zero:
            self._export(self._folder / BEST_FILE, pl_module, self._described(trainer, pl_module))

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the last weights."""
        assert isinstance(pl_module, CINetModule)
        if trainer.is_global_zero:
            self._export(self._folder / FINAL_FILE, pl_module, self._described(trainer, pl_module))

    def _described(self, trainer: lightning.Trainer, module: CINetModule) -> dict[str, Any]:
        return {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "split": "validation, carved from the training set, at the network's size",
            "validation": dict(module.validated),
        }


def check_position(path: Path, learning: dict[str, Any]) -> int:
    """See that a run can go on from its checkpoint; returns the steps that it had done.

    Raises:
        ResumeError: the file is damaged, or the run that wrote it learnt something else.
    """
    checkpoint = AtomicCheckpointIO().load_checkpoint(path)
    if POSITION_KEY not in checkpoint:
        raise ResumeError(f"{path} was not written by cinet train: choose another run.output")
    changed = _differences(checkpoint[POSITION_KEY]["learning"], learning)
    if changed:
        raise ResumeError(
            f"{path} belongs to another recipe: {'; '.join(changed)}. Put these back to go on, or choose another "
            "run.output to start anew"
        )
    return int(checkpoint["global_step"])


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Names and values of settings that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for key in sorted(before.keys() | now.keys()):
            found += _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        return found
    return [] if before == now else [f"{name} was {before!r}, is {now!r}"]
