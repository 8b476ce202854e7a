"""How well boundaries are found, and how well the edges of predicted depth lie on them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cinet_core.metrics.summed import SummedMetric

__all__ = ["BoundaryMetrics", "Mask", "depth_edge_errors", "edges_of_depth"]

TOLERANCE = 0.0075
"""Of the image's diagonal: how far a boundary may be off and still be found (Martin 2004; 6 pixels at 640x480)."""

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
CHOSEN = THRESHOLDS.index(0.5)

TRUNCATION = 10.0
"""Pixels at which distances between edges are cut off (Koch 2018, theta)."""

# Koch's Canny: standard deviation in pixels, and both thresholds, of depth scaled to 0..1.
CANNY_DEVIATION = math.sqrt(2.0)
CANNY_LOW, CANNY_HIGH = 0.15, 0.3
_CANNY_RADIUS = 6
# OpenCV takes gradients as int16: those of depth in 0..1 by Sobel's kernel reach 4.
_CANNY_SCALE = 4096

Mask = npt.NDArray[np.bool_]


class BoundaryMetrics(SummedMetric):
    """Precision, recall and F of boundaries over all pixels of a set, and depth edge errors as means over its images.

    A predicted boundary pixel is right if a true one lies within `TOLERANCE` of the diagonal, and a true one is found
    if a predicted one does. Predictions are not thinned first. Unknown pixels are passed over.

    Attributes:
        sums: for each of `THRESHOLDS`: predicted pixels, right ones, true pixels, found ones; then the sums of the
            accuracy and of the completeness error of depth edges, and the number of images that have them.
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(4 * len(THRESHOLDS) + 3, dtype=torch.float64)

    def update(self, probability: Tensor, truth: Tensor, depth: Tensor) -> None:
        """Add images.

        Args:
            probability: (B, H, W) of a boundary, 0..1.
            truth: (B, H, W) uint8: 1 at a boundary, 0 elsewhere, other values where unknown.
            depth: (B, H, W) predicted metres, of any scale; NaN where it is not valid.

        Raises:
            ValueError: the shapes differ.
        """
        if not probability.shape == truth.shape == depth.shape:
            raise ValueError(
                f"probability {tuple(probability.shape)}, truth {tuple(truth.shape)} and depth {tuple(depth.shape)} "
                "must agree in shape"
            )
        images = (value.detach().cpu().numpy() for value in (probability.float(), truth, depth.float()))
        for found, true, predicted in zip(*images, strict=True):
            boundary, known = true == 1, true <= 1
            if not known.any():
                continue
            self.sums[:-3] += torch.from_numpy(_matches(found, boundary, known)).flatten()
            if boundary.any():
                errors = depth_edge_errors(edges_of_depth(predicted) & known, boundary)
                self.sums[-3:] += torch.tensor((*errors, 1.0), dtype=torch.float64)

    def compute(self) -> dict[str, float]:
        """The metrics by name; NaN without a pixel, or an image, to take them of.

        Returns:
            `boundary_precision`, `boundary_recall` and `boundary_f` at a probability of 0.5; `boundary_best_f`, at the
            one threshold that suits the set best; `edge_accuracy` and `edge_completeness` of depth in pixels, see
            `depth_edge_errors`. Without a predicted pixel precision is 0.
        """
        predicted, right, true, found = self.sums[:-3].reshape(-1, 4).unbind(1)
        precision = right / predicted.clamp(min=1)
        recall = found / true
        f = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
        images = self.sums[-1]
        return {
            "boundary_precision": precision[CHOSEN].item(),
            "boundary_recall": recall[CHOSEN].item(),
            "boundary_f": f[CHOSEN].item(),
            "boundary_best_f": f.max().item(),
            "edge_accuracy": (self.sums[-3] / images).item(),
            "edge_completeness": (self.sums[-2] / images).item(),
        }


def _matches(found: npt.NDArray[np.float32], boundary: Mask, known: Mask) -> npt.NDArray[np.float64]:
    """(thresholds, 4) predicted, right, true, found pixels of one image."""
    limit = TOLERANCE * math.hypot(*boundary.shape)
    near_truth = _distance(boundary) <= limit
    counts = []
    for threshold in THRESHOLDS:
        predicted = (found >= threshold) & known
        hits = boundary & (_distance(predicted) <= limit)
        counts.append((predicted.sum(), (predicted & near_truth).sum(), boundary.sum(), hits.sum()))
    return np.array(counts, dtype=np.float64)


def edges_of_depth(depth: npt.NDArray[np.floating]) -> Mask:
    """Edges of a depth map as Koch et al. take them to judge it: Canny's, of depth scaled to 0..1.

    Deviation sqrt(2) pixels, thresholds 0.15 and 0.3 of the Sobel gradient's length. Their edges are thinned between
    neighbours by interpolation, OpenCV's along eight directions: lines may differ by a pixel here and there.

    Args:
        depth: (H, W), of any scale; what is not finite is as far as the farthest.

    Returns:
        (H, W) bool; none where depth is the same everywhere.
    """
    finite = np.isfinite(depth)
    if not finite.any():
        return np.zeros(depth.shape, dtype=bool)
    near, far = float(depth[finite].min()), float(depth[finite].max())
    if not far > near:
        return np.zeros(depth.shape, dtype=bool)
    scaled = (np.where(finite, depth, far).astype(np.float32) - near) / (far - near)
    side = 2 * _CANNY_RADIUS + 1
    smooth = cv2.GaussianBlur(scaled, (side, side), CANNY_DEVIATION, borderType=cv2.BORDER_REPLICATE)
    dx, dy = (
        np.rint(cv2.Sobel(smooth, cv2.CV_32F, *order, borderType=cv2.BORDER_REPLICATE) * _CANNY_SCALE).astype(np.int16)
        for order in ((1, 0), (0, 1))
    )
    edges = cv2.Canny(dx, dy, CANNY_LOW * _CANNY_SCALE, CANNY_HIGH * _CANNY_SCALE, L2gradient=True)
    return edges > 0


def depth_edge_errors(predicted: Mask, true: Mask, truncation: float = TRUNCATION) -> tuple[float, float]:
    """Depth boundary errors of Koch et al. (iBims-1, 2018), by which NYUv2-OC++ scores depth maps.

    Args:
        predicted: (H, W) edges of the predicted depth.
        true: (H, W) true occlusion boundaries, at least one pixel.
        truncation: theta, pixels.

    Returns:
        eps_acc, the mean distance of the predicted edges to the nearest true one, over those within `truncation`; and
        eps_comp, the mean distance of the true ones to the nearest predicted one, each at most `truncation`. Pixels;
        both are `truncation` where no edge was predicted near a true one.
    """
    to_true = _distance(true)
    near = predicted & (to_true < truncation)
    if not near.any():
        return truncation, truncation
    return float(to_true[near].mean()), float(np.minimum(_distance(predicted)[true], truncation).mean())


def _distance(mask: Mask) -> npt.NDArray[np.float32]:
    """(H, W) pixels from each pixel to the nearest one of the mask, exact; infinite where the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
