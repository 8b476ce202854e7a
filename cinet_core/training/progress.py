"""One line for each epoch: what a log file shows of a run that nobody watches."""

from __future__ import annotations

import time

import lightning
from lightning.pytorch.callbacks import Callback

from cinet_core.training.module import CINetModule

__all__ = ["ProgressLines"]

SHOWN = ("abs_rel", "delta1", "rms", "pixel_accuracy", "mean_iou", "attention_average_precision")


class ProgressLines(Callback):
    """Prints epoch, stage, loss, the metrics of a validation, and the time that is left."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._first_step = 0
        self._validated = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin to measure."""
        self._started, self._first_step = time.monotonic(), trainer.global_step

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """There are new metrics."""
        self._validated = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Print the line."""
        assert isinstance(pl_module, CINetModule)
        validated, self._validated = self._validated, False
        if not trainer.is_global_zero:
            return
        found = pl_module.validated if validated else {}
        metrics = "  ".join(f"{name} {found[name]:.4f}" for name in SHOWN if name in found)
        loss = trainer.callback_metrics.get("train/total")
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
        stage = pl_module.stage.losses.number
        oracle = " (oracle: with the labels' help, no result)" if pl_module.is_oracle and found else ""
        pl_module.print(
            f"epoch {epoch}/{epochs}  stage {stage}  step {trainer.global_step}  "
            f"loss {float('nan') if loss is None else float(loss):.4f}  {metrics}{oracle}  {self._left(trainer)}"
        )

    def _left(self, trainer: lightning.Trainer) -> str:
        done = trainer.global_step - self._first_step
        if not done or not isinstance(trainer.num_training_batches, int):
            return ""
        steps = (trainer.max_epochs or 0) * (trainer.num_training_batches // trainer.accumulate_grad_batches)
        minutes = (time.monotonic() - self._started) / done * (steps - trainer.global_step) / 60
        return f"about {minutes:.0f} min left"
