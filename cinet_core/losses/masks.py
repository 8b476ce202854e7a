"""Which pixels a loss may learn from, and the precision that it computes in."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["full_precision", "valid_depth", "valid_labels"]


def valid_depth(depth: Tensor) -> Tensor:
    """True where a true depth, in metres, is known: finite and above 0. Any shape; bool."""
    return torch.isfinite(depth) & (depth > 0)


def valid_labels(labels: Tensor, num_classes: int) -> Tensor:
    """True where a label is one of the `num_classes` classes; 255 and any other id are void. Any shape; bool."""
    return (labels >= 0) & (labels < num_classes)


def full_precision(values: Tensor) -> Tensor:
    """Half precision, which autocast hands to the losses, as float32; float32 and float64 stay what they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
