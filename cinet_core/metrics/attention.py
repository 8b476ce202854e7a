"""Compares learned attention maps with the ideal ones (paper 3.2, Eq. 3) by average precision and cross entropy."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["AttentionMetrics", "average_precision"]

# Entries of the map that exist at any one time; each costs about 60 bytes while its row is ranked.
BLOCK_PAIRS = 2**21


class AttentionMetrics(SummedMetric):
    """Metrics of attention maps over a set of images, against the ideal maps.

    A pair (i, j) of positions, i = j included, is positive where both have the same class; pairs that touch a void
    position do not exist. The **average precision** of position i ranks all valid j by their logit: the mean, over the
    positive j, of the share of positives among all that rank as high or higher. Positions with equal logits rank
    equally, so that a constant map scores exactly the chance level. It is averaged over the positions of a class in the
    whole set and then over the classes that occur: walls and floors, which are easy and large, count once each.

    Args:
        num_classes: C.
        block_pairs: entries of a map that are computed at a time, at least one row; the metrics do not depend on it.

    Attributes:
        sums: (3 C + 3,) float64: for each class the sums of average precision and of chance level over its positions,
            and their number; then the cross entropy in nats, the pairs and the positive pairs.
    """

    def __init__(self, num_classes: int, block_pairs: int = BLOCK_PAIRS) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: it must be at least 1")
        self.num_classes = num_classes
        self.block_pairs = block_pairs
        self.sums = torch.zeros(3 * num_classes + 3, dtype=torch.float64)

    def update(self, query: Tensor, key: Tensor, labels: Tensor) -> None:
        """Add images.

        Args:
            query: (B, N, Cq), scaled, as `CINetOutput.query` is: `query @ key.mT` are the logits.
            key: (B, N, Cq).
            labels: (B, h, w) or (B, N) integer class ids at the size of the features, N = h * w
                (`ideal_attention_labels` resizes them); ids outside 0..C-1 are void.

        Raises:
            ValueError: query, key and labels do not describe the same positions, or a logit is not finite.
        """
        labels = labels.flatten(1).to(query.device)
        if query.shape != key.shape or query.shape[:2] != labels.shape:
            raise ValueError(
                f"query {tuple(query.shape)}, key {tuple(key.shape)} and labels {tuple(labels.shape)} must be "
                "(B, N, Cq), (B, N, Cq) and (B, N): resize the labels with ideal_attention_labels"
            )
        for rows, columns, ids in zip(query.detach(), key.detach(), labels, strict=True):
            valid = (ids >= 0) & (ids < self.num_classes)
            if valid.any():
                self._add(rows[valid].double(), columns[valid].double(), ids[valid].long())

    def _add(self, query: Tensor, key: Tensor, labels: Tensor) -> None:
        """Add an image without void: query, key (V, Cq) float64, labels (V,) int64."""
        positions = len(labels)
        counts = labels.bincount(minlength=self.num_classes).double()
        precision = torch.zeros_like(counts)
        cross_entropy = 0.0
        block = max(1, self.block_pairs // positions)
        for rows, row_labels in zip(query.split(block), labels.split(block), strict=True):
            # Rounded to float32 after the sum: equal keys stay equal, whatever order the product was summed in.
            logits = (rows @ key.mT).float()
            if not torch.isfinite(logits).all():
                raise ValueError("an attention logit is not finite: the network's weights or its input are broken")
            same = row_labels.unsqueeze(1) == labels
            cross_entropy += F.softplus(torch.where(same, -logits, logits)).sum(dtype=torch.float64).item()
            precision.index_add_(0, row_labels, average_precision(logits, same))
        pairs = torch.tensor([cross_entropy, positions**2, counts.square().sum().item()], dtype=torch.float64)
        self.sums += torch.cat((precision.cpu(), (counts.square() / positions).cpu(), counts.cpu(), pairs))

    def compute(self) -> dict[str, float]:
        """Return the metrics. They are NaN for a set without labelled positions.

        Returns:
            `average_precision`, class-balanced, in 0..1; `chance_precision`, the same for a map that knows nothing:
            the share of the position's class in its image; `bce`, mean over pairs of the cross entropy of
            sigmoid(q k^T), nats; `constant_bce`, that of the best constant map: the entropy of the share of positive
            pairs in the set. A map that has learnt something is above the second and below the fourth.
        """
        precision, chance, counts = self.sums[:-3].reshape(3, self.num_classes)
        cross_entropy, pairs, positive = self.sums[-3:].tolist()
        share = positive / pairs if pairs else math.nan
        return {
            "average_precision": (precision / counts).nanmean().item(),
            "chance_precision": (chance / counts).nanmean().item(),
            "bce": cross_entropy / pairs if pairs else math.nan,
            "constant_bce": _entropy(share),
        }

    @property
    def positions(self) -> int:
        """The number of labelled positions in the set."""
        return int(self.sums[2 * self.num_classes : 3 * self.num_classes].sum())


def average_precision(scores: Tensor, positive: Tensor) -> Tensor:
    """Return the average precision of each row. Equal scores share a rank.

    Args:
        scores: (R, V) finite.
        positive: (R, V) bool, at least one in each row.

    Returns:
        (R,) float64 in 0..1.
    """
    ranked, order = scores.sort(dim=1, descending=True)
    hits = positive.gather(1, order)
    found = hits.cumsum(dim=1)
    places = torch.arange(1, scores.shape[1] + 1, device=scores.device)
    # A group of equal scores is found as one, at its last place.
    last = torch.ones_like(hits)
    last[:, :-1] = ranked[:, :-1] != ranked[:, 1:]
    found_before = torch.where(last, found, 0).cummax(dim=1).values.roll(1, dims=1)
    found_before[:, 0] = 0
    gained = torch.where(last, found - found_before, 0)
    return (gained * (found / places.double())).sum(dim=1) / found[:, -1]


def _entropy(share: float) -> float:
    """Of a coin that shows heads with this probability, nats."""
    if share in (0.0, 1.0):
        return 0.0
    return -share * math.log(share) - (1 - share) * math.log1p(-share)
