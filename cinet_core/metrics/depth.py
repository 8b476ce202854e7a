"""Metrics of depth (paper 4.1): errors and accuracies."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinet_core.metrics.protocols import DepthProtocol
from cinet_core.metrics.summed import SummedMetric

__all__ = ["DELTA", "DEPTH_METRICS", "FURTHER_DEPTH_METRICS", "DepthMetrics", "depth_errors"]

# Accuracy with threshold: delta_p counts pixels whose ratio to the truth is below 1.25^p.
DELTA = 1.25
DEPTH_METRICS = ("delta1", "delta2", "delta3", "rms", "rms_log", "abs_rel", "sq_rel")
"""Those of the paper's tables."""
FURTHER_DEPTH_METRICS = ("log10", "silog")
"""What others report beside them; the paper does not."""
_ALL = (*DEPTH_METRICS, *FURTHER_DEPTH_METRICS)
_SQUARE_ROOTS = ("rms", "rms_log", "silog")


class DepthMetrics(SummedMetric):
    """Depth metrics of a set under a protocol. Depth is metric, in metres, not canonical.

    >>> from cinet_core.metrics.protocols import FULL
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
        self.sums = torch.zeros(len(_ALL) + 4, dtype=torch.float64)

    @property
    def images(self) -> int:
        """The number of images with at least one valid pixel."""
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
        """The metrics of `DEPTH_METRICS` and `FURTHER_DEPTH_METRICS` and those of the scale; NaN for an empty set.

        Returns:
            delta1..3 in 0..1, rms in metres, rms_log (natural logarithm), abs_rel, sq_rel in metres (squared errors
            divided by d), `log10`: mean of ``|log10 prediction - log10 truth|`` (Saxena, Sun and Ng, "Make3D", 2009),
            `silog`: the scale-invariant error of Eigen, Puhrsch and Fergus (2014, Eq. 1), which is the standard
            deviation of ln prediction - ln truth over the pixels of an image, `scale_ratio`: geometric mean over the
            images of median(truth) / median(prediction), and `scale_spread`: standard deviation of its natural
            logarithm.

            Every image has a scale of its own, whatever the pooling: where pixels are pooled, `silog` is the root of
            the mean over all pixels of what is left after the image's own mean is taken off; with per-image means it is
            the mean of the images' deviations, as KITTI and BTS have it, who print 100 times as much.
        """
        metrics = len(_ALL)
        weight, images, scale, square = self.sums[metrics:]
        values = self.sums[:metrics] / weight
        if self.protocol.pooling == "pixels":
            values = _square_roots(values)
        scale, square = scale / images, square / images
        return {
            **dict(zip(_ALL, values.tolist(), strict=True)),
            "scale_ratio": scale.exp().item(),
            "scale_spread": (square - scale.square()).clamp(min=0).sqrt().item(),
        }


def depth_errors(prediction: Tensor, truth: Tensor) -> Tensor:
    """What is averaged for each metric, pixel by pixel; rms, rms_log and silog are still squares here.

    Args:
        prediction, truth: (P,) metres, > 0, of one image: silog is about their own mean.

    Returns:
        (len(DEPTH_METRICS) + len(FURTHER_DEPTH_METRICS), P), in that order.
    """
    ratio = torch.maximum(prediction / truth, truth / prediction)
    error = prediction - truth
    log_error = prediction.log() - truth.log()
    return torch.stack(
        (
            *((ratio < DELTA**power).to(error.dtype) for power in (1, 2, 3)),
            error.square(),
            log_error.square(),
            error.abs() / truth,
            # The paper's formula has d^2 below, but its result, as all published code, divides by d.
            error.square() / truth,
            log_error.abs() / math.log(10),
            (log_error - log_error.mean()).square(),
        )
    )


def _square_roots(means: Tensor) -> Tensor:
    """Turn the mean squares among all metrics, (len(_ALL),), into roots."""
    means = means.clone()
    for name in _SQUARE_ROOTS:
        means[_ALL.index(name)].sqrt_()
    return means
