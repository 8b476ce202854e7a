"""Evaluation protocols (paper 4.1): which pixels are valid, at which size, and how metrics are averaged."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "EIGEN",
    "FULL",
    "PAPER",
    "PROTOCOLS",
    "DepthPixels",
    "DepthProtocol",
    "LabelOrder",
    "Pooling",
    "TruthSource",
    "predicted_labels",
    "resized_labels",
]

Pooling = Literal["pixels", "images"]
TruthSource = Literal["filled", "raw", "own"]
LabelOrder = Literal["resize-argmax", "argmax-resize"]


class DepthPixels(NamedTuple):
    """The valid pixels of one image.

    Attributes:
        prediction, truth: (P,) float64, metres, > 0.
        scale_ratio: median(truth) / median(prediction) before any alignment and clamping; 1 is the right scale.
            NaN where P is 0.
    """

    prediction: Tensor
    truth: Tensor
    scale_ratio: float


@dataclasses.dataclass(frozen=True)
class DepthProtocol:
    """A protocol of depth evaluation. `str(protocol)` is the line to print with every metric.

    A protocol for other data is a copy: `dataclasses.replace(PAPER, name="rooms", size=None)`.

    Attributes:
        name: what it is called in tables.
        truth: which of a data set's depth maps it reads: "filled" (holes painted in), "raw" (as the sensor gave it) or
            "own" (the only one that it has).
        size: (height, width) that the truth must have; None takes any.
        crop: (top, bottom, left, right), pixels of that size: rows top:bottom, columns left:right count.
        min_depth, max_depth: only pixels with min_depth < truth < max_depth count, metres.
        clamp_prediction: clamp the prediction to [min_depth, max_depth], after an alignment.
        pooling: "pixels" averages over all pixels of the set, "images" over each image and then over the images.
    """

    name: str
    truth: TruthSource
    size: tuple[int, int] | None
    crop: tuple[int, int, int, int] | None = None
    min_depth: float = 0.0
    max_depth: float = math.inf
    clamp_prediction: bool = False
    pooling: Pooling = "pixels"

    def __post_init__(self) -> None:
        """Raise ValueError where a crop has no size that it refers to."""
        if self.crop is not None and self.size is None:
            raise ValueError(f"protocol {self.name!r} crops {self.crop} of any size: give the size, or crop=None")

    def __str__(self) -> str:
        """All of its rules in one line."""
        size = "any size" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        crop = "no crop" if self.crop is None else "rows {}:{}, columns {}:{}".format(*self.crop)
        limits = f"{self.min_depth:g} < d" + ("" if math.isinf(self.max_depth) else f" < {self.max_depth:g} m")
        clamp = ", prediction clamped" if self.clamp_prediction else ""
        pooling = "pixel-pooled" if self.pooling == "pixels" else "per-image means"
        return f"{self.name}: {self.truth} depth, {size}, {crop}, {limits}{clamp}, {pooling}"

    def select(self, prediction: Tensor, truth: Tensor, align_median: bool = False) -> DepthPixels:
        """The valid pixels of one image.

        Args:
            prediction: (h, w) metric depth, metres, > 0; resized bilinearly to the truth's size.
            truth: (H, W) metres; what is not finite is invalid.
            align_median: multiply the prediction by the scale ratio first, as methods without a metric scale need.

        Raises:
            ValueError: the truth is not of this protocol's size, or the prediction is not finite and positive where
                the truth counts.
        """
        if prediction.dim() != 2 or truth.dim() != 2:
            raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} must both be (H, W)")
        if self.size is not None and tuple(truth.shape) != self.size:
            raise ValueError(
                f"truth is {tuple(truth.shape)} but protocol {self.name!r} is defined at {self.size}: score other data "
                "with dataclasses.replace(PAPER, name=..., size=None)"
            )
        # In float64 on the CPU: exact sums over a whole set, the same on every device. The limits are compared in the
        # truth's own precision: 0.001 in float32 is above 0.001 in float64.
        truth = truth.detach().cpu()
        counted = self._counted(truth)
        prediction = _resize(prediction.detach().cpu().double(), truth.shape)[counted]
        truth = truth[counted].double()
        wrong = int((~torch.isfinite(prediction) | (prediction <= 0)).sum())
        if wrong:
            raise ValueError(
                f"the prediction is not finite and positive at {wrong} of {truth.numel()} pixels with a truth: score "
                "the network's depth as it is, not one with a range limit that masks pixels"
            )
        scale_ratio = _median(truth) / _median(prediction) if truth.numel() else math.nan
        if align_median:
            prediction = prediction * scale_ratio
        if self.clamp_prediction:
            prediction = prediction.clamp(self.min_depth, self.max_depth)
        return DepthPixels(prediction, truth, scale_ratio)

    def _counted(self, truth: Tensor) -> Tensor:
        """(H, W) bool."""
        counted = torch.isfinite(truth) & (truth > self.min_depth) & (truth < self.max_depth)
        if self.crop is not None:
            top, bottom, left, right = self.crop
            inside = torch.zeros_like(counted)
            inside[top:bottom, left:right] = True
            counted &= inside
        return counted


PAPER = DepthProtocol("paper", truth="filled", size=(480, 640))
EIGEN = DepthProtocol(
    "eigen",
    truth="raw",
    size=(480, 640),
    crop=(45, 471, 41, 601),
    min_depth=1e-3,
    max_depth=10.0,
    clamp_prediction=True,
    pooling="images",
)
FULL = DepthProtocol("full", truth="own", size=None)
"""For other data, which no published result is for: every pixel with a depth. The farthest is the data set's to say."""
PROTOCOLS = {protocol.name: protocol for protocol in (PAPER, EIGEN)}


def predicted_labels(logits: Tensor, height: int, width: int, order: LabelOrder = "resize-argmax") -> Tensor:
    """Return class ids at the size of the labels.

    Args:
        logits: (B, C, h, w).
        height, width: of the labels.
        order: "resize-argmax" resizes the logits bilinearly and then decides, as metrics are reported;
            "argmax-resize" decides at the network's size and resizes the ids by nearest-exact, as deployment does.

    Returns:
        (B, height, width) int64.
    """
    size = (height, width)
    if order == "resize-argmax":
        return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False).argmax(dim=1)
    return resized_labels(logits.argmax(dim=1), height, width)


def resized_labels(labels: Tensor, height: int, width: int) -> Tensor:
    """Resize (B, h, w) class ids to the size of the ground truth by nearest-exact: (B, height, width) int64."""
    return F.interpolate(labels[:, None].float(), size=(height, width), mode="nearest-exact").squeeze(1).long()


def _resize(depth: Tensor, size: torch.Size) -> Tensor:
    """(h, w) -> (H, W), bilinear."""
    if depth.shape == size:
        return depth
    return F.interpolate(depth[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def _median(values: Tensor) -> float:
    """The mean of the two middle values where their number is even, unlike `torch.median`."""
    return float(np.median(values.numpy()))
