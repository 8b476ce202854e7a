"""The metrics of a validation: of all tasks, of the attention map, and how much of the range of depth is predicted."""

from __future__ import annotations

import torch
from torch import Tensor

from cinet_core.data.sample import Batch
from cinet_core.evaluation.batch_metrics import BatchMetrics
from cinet_core.metrics.attention import AttentionMetrics
from cinet_core.metrics.slope import DepthSlope, slope_sums
from cinet_core.model import CINetOutput
from cinet_core.model.config import ModelConfig
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.model.scene_understanding import ideal_attention_labels
from cinet_core.tasks.learning import task_learning

__all__ = ["EpochSlope", "ValidationMetrics"]


class ValidationMetrics:
    """What a validation measures over its batches.

    Args:
        config: of the network: its tasks, and C.
        canonical_focal: f_c in pixels of the network's input.
    """

    def __init__(self, config: ModelConfig, canonical_focal: float) -> None:
        self._canonical_focal = canonical_focal
        self._tasks = BatchMetrics(task_learning(config.tasks), config.num_classes, canonical_focal)
        self._attention = AttentionMetrics(config.num_classes)
        self._slope = DepthSlope()

    def reset(self) -> None:
        """Forget what was seen."""
        for metric in (self._tasks, self._attention, self._slope):
            metric.reset()

    def update(self, output: CINetOutput, batch: Batch, attention: bool) -> None:
        """Add a batch.

        Args:
            output: of the network for it.
            batch: its truth.
            attention: compare the attention map with the ideal one too.
        """
        self._tasks.update(output, batch)
        predicted, true = _metric_depths(output, batch, self._canonical_focal)
        self._slope.update(predicted, true)
        if attention and output.query is not None and output.key is not None:
            height, width = (-(-size // FEATURE_STRIDE) for size in batch.labels.shape[-2:])
            small = ideal_attention_labels(batch.labels.long(), height, width)
            self._attention.update(output.query, output.key, small)

    def compute(self, device: torch.device) -> dict[str, float]:
        """The metrics of all processes by name; each must ask for them at the same time."""
        metrics = self._tasks.all_reduced(device).compute()
        # Every process reduces, whether it has seen depth and labels or not: the others would wait for it.
        slope = self._slope.all_reduced(device)
        if not slope.is_empty:
            metrics |= slope.compute()
        attention = self._attention.all_reduced(device)
        if attention.positions:
            metrics |= {f"attention_{name}": value for name, value in attention.compute().items()}
        return metrics


class EpochSlope:
    """The slope of ln predicted on ln true depth over the batches of an epoch; its sums stay on the device.

    Args:
        canonical_focal: f_c in pixels of the network's input.
    """

    def __init__(self, canonical_focal: float) -> None:
        self._canonical_focal = canonical_focal
        self._sums: Tensor | None = None

    def reset(self) -> None:
        """Begin an epoch."""
        self._sums = None

    def resume(self, sums: Tensor) -> None:
        """Go on in the middle of an epoch, from the `sums` of what `reduced` gave then."""
        self._sums = sums

    def update(self, output: CINetOutput, batch: Batch) -> None:
        """Add a batch; nothing waits for a GPU."""
        sums = slope_sums(*_metric_depths(output, batch, self._canonical_focal))
        self._sums = sums if self._sums is None else self._sums.to(sums.device) + sums

    def reduced(self, device: torch.device) -> DepthSlope:
        """Of all processes, so far; each must ask for it at the same time."""
        slope = DepthSlope()
        if self._sums is not None:
            slope.sums += self._sums.cpu()
        return slope.all_reduced(device)


def _metric_depths(output: CINetOutput, batch: Batch, canonical_focal: float) -> tuple[Tensor, Tensor]:
    """Predicted and true depth, (B, H, W) metres."""
    scale = (batch.focal / canonical_focal).reshape(-1, 1, 1)
    return output.depth.squeeze(1).float() * scale, batch.depth * scale
