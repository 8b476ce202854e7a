"""What the losses of a batch are computed from, beside what the network answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import Tensor

DepthSpace = Literal["metres", "log"]


class Supervision(NamedTuple):
    """The truth of a batch, and what decides how it is compared.

    Attributes:
        depth: (B, H, W) true canonical depth, metres; 0, NaN and inf are invalid.
        labels: (B, H, W) integer class ids; ids outside 0..C-1 (255) are void.
        intrinsics: (B, 4) float32 fx, fy, cx, cy in pixels of the network's input, after augmentation; None where no
            task asks for them. Where a camera is unknown, fx = fy = f_c and the principal point is in the middle.
        seeds: (B,) integers for random choices, new ones at every step.
        class_weights: (C,) omega of Eq. 12.
        pair_pixels: pixels of each image that the pair loss draws.
        depth_space: of BerHu and pairs.
    """

    depth: Tensor
    labels: Tensor
    intrinsics: Tensor | None
    seeds: Sequence[int] | Tensor
    class_weights: Tensor
    pair_pixels: int
    depth_space: DepthSpace

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_weights)
