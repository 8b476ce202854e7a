"""Metrics of the paper (4.1): depth errors and accuracies, pixel accuracy and mean IoU.

Each metric keeps one tensor of sums, so that a set can be scored in parts, by several processes, and without any
training library.
"""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from cinet_core.evaluation.protocols import DepthProtocol

# Accuracy with threshold: delta_p counts pixels whose ratio to the truth is below 1.25^p.
DELTA = 1.25
DEPTH_METRICS = ("delta1", "delta2", "delta3", "rms", "rms_log", "abs_rel", "sq_rel")
_SQUARE_ROOTS = ("rms", "rms_log")


_Metric = TypeVar("_Metric", bound="SummedMetric")


class SummedMetric:
    """A metric that is a function of sums over the set.

    Attributes:
        sums: float64 or int64, on the CPU; those of two parts of a set add up.
    """

    sums: Tensor

    @property
    def is_empty(self) -> bool:
        """Nothing was seen that counts."""
        return not bool(self.sums.any())

    def compute(self) -> dict[str, float]:
        """The values by name; NaN where `is_empty`."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget everything that was seen."""
        self.sums.zero_()

    def all_reduced(self: _Metric, device: torch.device | str = "cpu") -> _Metric:
        """A copy that has seen what all processes of the group saw; a plain copy without a process group.

        Each process calls it once, after its last image. An image that two processes saw counts twice: samplers that
        pad the set to a multiple of the processes spoil the figures.

        Args:
            device: where the group's backend can reduce: "cpu" for gloo, this process's GPU for nccl.
        """
        reduced = copy.copy(self)
        reduced.sums = self.sums.clone()
        if dist.is_available() and dist.is_initialized():
            sums = self.sums.to(device, copy=True)
            dist.all_reduce(sums)
            reduced.sums = sums.cpu()
        return reduced


class DepthMetrics(SummedMetric):
    """Depth metrics of a set under a protocol. Depth in metres, metric (not canonical).

    >>> from cinet_core.evaluation.protocols import FULL
    >>> metrics = DepthMetrics(FULL)
    >>> metrics.update(torch.full((1, 4, 4), 2.2), torch.full((1, 4, 4), 2.0))
    >>> {name: round(value, 3) for name, value in metrics.compute().items() if name in ("delta1", "rms", "abs_rel")}
    {'delta1': 1.0, 'rms': 0.2, 'abs_rel': 0.1}

    Args:
        protocol: which pixels count and how they are pooled.
        align_median: give every image the true median first; `scale_ratio` still tells what it was before.
    """

    def __init__(self, protocol: DepthProtocol, align_median: bool = False) -> None:
        self.protocol = protocol
        self.align_median = align_median
        # The metrics, the number of pixels or images they were summed over, images, ln(scale ratio) and its square.
        self.sums = torch.zeros(len(DEPTH_METRICS) + 4, dtype=torch.float64)

    @property
    def images(self) -> int:
        """Images with at least one pixel that counts."""
        return int(self.sums[-3])

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Add images.

        Args:
            prediction: (B, h, w) or (B, 1, h, w), metres.
            truth: (B, H, W), metres; of the kind that `protocol.truth` names.

        Raises:
            ValueError: as `DepthProtocol.select`; or the numbers of images differ.
        """
        if prediction.dim() == 4:
            prediction = prediction.squeeze(1)
        if len(prediction) != len(truth):
            raise ValueError(f"{len(prediction)} predictions for {len(truth)} true depth maps: give one for each")
        for predicted, true in zip(prediction, truth, strict=True):
            pixels = self.protocol.select(predicted, true, self.align_median)
            count = pixels.truth.numel()
            if count == 0:
                continue
            means = depth_errors(pixels.prediction, pixels.truth).mean(dim=1)
            if self.protocol.pooling == "pixels":
                values, weight = means * count, float(count)
            else:
                values, weight = _square_roots(means), 1.0
            scale = math.log(pixels.scale_ratio)
            self.sums += torch.cat((values, torch.tensor([weight, 1.0, scale, scale**2], dtype=torch.float64)))

    def compute(self) -> dict[str, float]:
        """The metrics of `DEPTH_METRICS` and those of the scale; NaN for an empty set.

        Returns:
            delta1..3 in 0..1, rms in metres, rms_log (natural logarithm), abs_rel, sq_rel in metres (squared errors
            divided by d), `scale_ratio`: geometric mean over the images of median(truth) / median(prediction), and
            `scale_spread`: standard deviation of its natural logarithm.
        """
        metrics = len(DEPTH_METRICS)
        weight, images, scale, square = self.sums[metrics:]
        values = self.sums[:metrics] / weight
        if self.protocol.pooling == "pixels":
            values = _square_roots(values)
        scale, square = scale / images, square / images
        return {
            **dict(zip(DEPTH_METRICS, values.tolist(), strict=True)),
            "scale_ratio": scale.exp().item(),
            "scale_spread": (square - scale.square()).clamp(min=0).sqrt().item(),
        }


class SegmentationMetrics(SummedMetric):
    """Pixel accuracy and mean IoU of a set, from one confusion matrix over all of it.

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
        """(C,) float64: intersection over union of each class; NaN for classes that do not occur in the truth."""
        hits, true, predicted = self.sums.diagonal(), self.sums.sum(dim=1), self.sums.sum(dim=0)
        return torch.where(true > 0, hits.double() / (true + predicted - hits), torch.nan)

    def compute(self) -> dict[str, float]:
        """The metrics, each in 0..1; NaN for a set without a labelled pixel.

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


def depth_errors(prediction: Tensor, truth: Tensor) -> Tensor:
    """What is averaged for each metric, pixel by pixel; rms and rms_log are still squares here.

    Args:
        prediction, truth: (P,) metres, > 0.

    Returns:
        (len(DEPTH_METRICS), P), in that order.
    """
    ratio = torch.maximum(prediction / truth, truth / prediction)
    error = prediction - truth
    return torch.stack(
        (
            *((ratio < DELTA**power).to(error.dtype) for power in (1, 2, 3)),
            error.square(),
            (prediction.log() - truth.log()).square(),
            error.abs() / truth,
            # The paper's formula has d^2 below, but its figure, as all published code, divides by d.
            error.square() / truth,
        )
    )


def _square_roots(means: Tensor) -> Tensor:
    """Turn the mean squares among the metrics, (len(DEPTH_METRICS),), into roots."""
    means = means.clone()
    for name in _SQUARE_ROOTS:
        means[DEPTH_METRICS.index(name)].sqrt_()
    return means
