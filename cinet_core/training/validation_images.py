"""Panels of the validation split for TensorBoard: predictions beside the truth, attention beside the ideal map."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from cinet_core.label_sets import LabelSet
from cinet_core.training.batch_images import training_images
from cinet_core.training.module import CINetModule

__all__ = ["ValidationImages"]


class ValidationImages(Callback):
    """Adds panels of the first validation images after each validation.

    Args:
        label_set: for colours and names.
        canonical_focal: f_c, pixels: depth is shown in metres.
        images: how many.
    """

    def __init__(self, label_set: LabelSet, canonical_focal: float, images: int) -> None:
        self._label_set, self._canonical_focal, self._images = label_set, canonical_focal, images

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the first batch."""
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if batch_idx or not self._images or not trainer.is_global_zero or not boards:
            return
        assert isinstance(pl_module, CINetModule)
        images = training_images(
            outputs, batch, self._canonical_focal, self._label_set, self._images, pl_module.loss.tasks
        )
        kind = "oracle" if pl_module.is_oracle else "validation"
        for name, figure in images.items():
            boards[0].experiment.add_figure(f"{kind}/{name}", figure, trainer.global_step)
