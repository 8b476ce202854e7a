"""What the losses of a batch are computed from, beside what the network answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

from cinet_core.losses.recipe import DepthSpace, LossWeights

__all__ = ["NO_TARGETS", "Supervision"]

NO_TARGETS: Mapping[str, Tensor] = MappingProxyType({})
"""Of depth and segmentation: depth and labels are all that they need."""


class Supervision(NamedTuple):
    """The truth of a batch, and what decides how it is compared.

    Attributes:
        depth: (B, H, W) true canonical depth, metres; 0, NaN and inf are invalid.
        labels: (B, H, W) integer class ids; ids outside 0..C-1 (255) are void.
        seeds: (B,) integers for random choices, new ones at every step.
        class_weights: (C,) omega of Eq. 12.
        pair_pixels: pixels of each image that the pair loss draws.
        depth_space: of BerHu and pairs.
        targets: (B, ...) of tasks beyond depth and segmentation, by the task's name: see `TaskLearning.target`.
        weights: of the terms; one that weighs nothing need not be computed.
        trust: (B, 2, H, W) uint8, how far depth and labels are trusted, 0 to 255 for 0 to 1; None: both are the truth.
    """

    depth: Tensor
    labels: Tensor
    seeds: Sequence[int] | Tensor
    class_weights: Tensor
    pair_pixels: int
    depth_space: DepthSpace
    targets: Mapping[str, Tensor] = NO_TARGETS
    weights: LossWeights = LossWeights()
    trust: Tensor | None = None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_weights)

    @property
    def depth_trust(self) -> Tensor | None:
        """(B, H, W) float32, 0 to 1; None where depth is the truth."""
        return None if self.trust is None else self.trust[:, 0].float() / 255

    @property
    def label_trust(self) -> Tensor | None:
        """(B, H, W) float32, 0 to 1; None where the labels are the truth."""
        return None if self.trust is None else self.trust[:, 1].float() / 255
