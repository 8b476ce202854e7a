"""Metrics of labels (paper 4.1): pixel accuracy and mean IoU."""

from __future__ import annotations

import torch
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["SegmentationMetrics"]


class SegmentationMetrics(SummedMetric):
    """Pixel accuracy and mean IoU of a set, from one confusion matrix over the whole set.

    >>> metrics = SegmentationMetrics(num_classes=3)
    >>> metrics.update(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 0, 255]))  # 255 is ignored
    >>> {name: round(value, 3) for name, value in metrics.compute().items()}
    {'pixel_accuracy': 0.667, 'mean_recall': 0.75, 'mean_iou': 0.5}

    Args:
        num_classes: C.

    Attributes:
        sums: (C, C) int64 confusion matrix: rows are true classes, columns predicted ones.
    """

    def __init__(self, num_classes: int) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: it must be at least 1")
        self.num_classes = num_classes
        self.sums = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Add images.

        Args:
            prediction: integer class ids, of any shape; from logits by `predicted_labels`.
            truth: integer class ids of the same shape; pixels with ids outside 0..C-1 (255) are void and ignored.

        Raises:
            ValueError: the shapes differ, or a prediction is no class where the truth is one.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} must agree in shape")
        prediction, truth = prediction.detach().cpu().long(), truth.detach().cpu().long()
        counted = (truth >= 0) & (truth < self.num_classes)
        prediction, truth = prediction[counted], truth[counted]
        if prediction.numel() and not 0 <= int(prediction.min()) <= int(prediction.max()) < self.num_classes:
            raise ValueError(
                f"predicted ids reach from {int(prediction.min())} to {int(prediction.max())}: every labelled pixel "
                f"needs one of 0..{self.num_classes - 1}"
            )
        pairs = torch.bincount(truth * self.num_classes + prediction, minlength=self.num_classes**2)
        self.sums += pairs.reshape(self.num_classes, self.num_classes)

    def class_iou(self) -> Tensor:
        """Return the (C,) float64 IoU of each class. It is NaN for classes that do not occur in the ground truth."""
        hits, true, predicted = self.sums.diagonal(), self.sums.sum(dim=1), self.sums.sum(dim=0)
        return torch.where(true > 0, hits.double() / (true + predicted - hits), torch.nan)

    def compute(self) -> dict[str, float]:
        """Return the metrics, each from 0 to 1. They are NaN for a set without labelled pixels.

        Returns:
            `pixel_accuracy`; `mean_recall`, the mean over classes of the share of their pixels that were found; and
            `mean_iou`: the last two over the classes that occur in the truth.
        """
        hits, true = self.sums.diagonal().double(), self.sums.sum(dim=1)
        return {
            "pixel_accuracy": (hits.sum() / true.sum()).item(),
            "mean_recall": (hits / true).nanmean().item(),
            "mean_iou": self.class_iou().nanmean().item(),
        }
