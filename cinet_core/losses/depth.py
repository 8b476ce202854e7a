"""Depth losses (paper, Eq. 8 - 10): BerHu, pairs of pixels, surface normals. All in canonical metres."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.losses.masks import full_precision, valid_depth
from cinet_core.losses.random_numbers import random_integers
from cinet_core.losses.reduction import LossTerm

__all__ = [
    "PAIR_PIXELS",
    "berhu_loss",
    "berhu_threshold",
    "log_depth",
    "normal_loss",
    "pair_loss",
    "sample_valid_pixels",
    "scale_invariant_loss",
]

# Eq. 8: c is a fifth of the largest error. The floor, in metres, keeps the quadratic branch finite on a perfect batch.
BERHU_FRACTION = 0.2
BERHU_FLOOR = 1e-6
# 4.2: pixels in the set Lambda of Eq. 9, of each image.
PAIR_PIXELS = 500
# Share of the squared mean error that SILog forgives, as the published codes have it since BTS.
SILOG_FORGIVEN = 0.85
# Keeps the gradient of a square root finite on a perfect image.
SILOG_FLOOR = 1e-8
# Metres: what log depth is counted from, so that it is positive for every depth that a camera can see.
SHORTEST_DEPTH = 1e-4


def berhu_threshold(prediction: Tensor, target: Tensor) -> Tensor:
    """c of Eq. 8: 0.2 times the largest absolute error over the valid pixels, at least 1e-6 m; scalar, detached.

    Under DDP `global_maximum` of it is the c of the whole batch.

    Args:
        prediction, target: as for `berhu_loss`.
    """
    error = _masked_error(prediction.detach(), target).abs()
    return (BERHU_FRACTION * error.max()).clamp(min=BERHU_FLOOR)


def berhu_loss(prediction: Tensor, target: Tensor, threshold: Tensor, trust: Tensor | None = None) -> LossTerm:
    """Eq. 8: ``|e|`` up to c and ``(e^2 + c^2) / 2c`` beyond, summed over the valid pixels.

    >>> truth = torch.tensor([[[1.0, 2.0, 0.0]]])  # the last pixel is unknown
    >>> prediction = torch.tensor([[[1.5, 4.0, 9.0]]])
    >>> loss = berhu_loss(prediction, truth, threshold=berhu_threshold(prediction, truth))
    >>> round(loss.sum.item(), 4), loss.count.item()
    (5.7125, 2)

    Args:
        prediction: (B, H, W) predicted depth, metres.
        target: (B, H, W) true depth, metres; pixels at 0, NaN or inf are left out.
        threshold: c, scalar > 0, from `berhu_threshold`.
        trust: (B, H, W) 0 to 1, that each pixel's loss is multiplied by; None: 1.

    Returns:
        The sum in metres, and the number of valid pixels, whatever their trust.

    Raises:
        ValueError: the shapes are not these.
    """
    error = _masked_error(prediction, target).abs()
    losses = torch.where(error <= threshold, error, (error.square() + threshold.square()) / (2 * threshold))
    # Pixels that are left out have error 0 and lie on the linear branch.
    losses = losses if trust is None else losses * trust
    return LossTerm(losses.sum(), valid_depth(target).sum())


def pair_loss(
    prediction: Tensor,
    target: Tensor,
    seeds: Sequence[int] | Tensor,
    pixels: int = PAIR_PIXELS,
    trust: Tensor | None = None,
) -> LossTerm:
    """Eq. 9: ``|(d_p - d_q) - (d~_p - d~_q)|`` summed over the pairs p < q of random valid pixels of each image.

    >>> truth = torch.ones(1, 2, 2)
    >>> pair_loss(truth + 1, truth, seeds=[0]).sum.item()  # a constant error costs nothing
    0.0

    Args:
        prediction, target: as for `berhu_loss`.
        seeds: one integer an image, (B,): an image's pixels are decided by its seed and its valid pixels alone, not by
            the batch, the process or the device it is in. Give another one at every step.
        pixels: how many to draw from each image; one with fewer valid pixels uses all of them.
        trust: (B, H, W) 0 to 1: a pair's loss is multiplied by that of both of its pixels; None: 1.

    Returns:
        The sum in metres, and the number of pairs.

    Raises:
        ValueError: the shapes are not these, or there is not one seed for each image.
    """
    error = _masked_error(prediction, target).flatten(1)
    indices = sample_valid_pixels(valid_depth(target), seeds, pixels)
    chosen = valid_depth(target).flatten(1).gather(1, indices)
    error = error.gather(1, indices)
    # (d_p - d_q) - (d~_p - d~_q) is the difference of the errors; the full square counts every pair twice.
    differences = (error.unsqueeze(-1) - error.unsqueeze(-2)).abs()
    both: Tensor = chosen.unsqueeze(-1) & chosen.unsqueeze(-2)
    count = chosen.sum(dim=1)
    if trust is not None:
        drawn = trust.flatten(1).gather(1, indices)
        both = both * drawn.unsqueeze(-1) * drawn.unsqueeze(-2)
    return LossTerm(0.5 * (differences * both).sum(), (count * (count - 1) // 2).sum())


def sample_valid_pixels(valid: Tensor, seeds: Sequence[int] | Tensor, pixels: int = PAIR_PIXELS) -> Tensor:
    """Flat indices (B, k) of `pixels` different random pixels of each image, k = min(pixels, H * W).

    Args:
        valid: (B, H, W) bool: these come first; others fill up the rows of images that have fewer than k.
        seeds: as for `pair_loss`.
        pixels: at least 1.

    Raises:
        ValueError: there is not one seed for each image.
    """
    if len(seeds) != len(valid):
        raise ValueError(f"{len(seeds)} seeds for {len(valid)} images: give one seed for each image")
    valid = valid.flatten(1)
    # The pixels with the largest of uniform keys are a uniform draw without repetition.
    keys = random_integers(seeds, valid.shape[1], valid.device)
    keys = torch.where(valid, keys, -keys)
    return keys.topk(min(pixels, valid.shape[1]), dim=1).indices


def log_depth(depth: Tensor) -> Tensor:
    """ln(depth / 0.1 mm), any shape: differences of it are ratios of depth. What is no valid depth becomes 0, invalid.

    BerHu and pairs of it weigh an error of 10 % alike at 1 m and at 5 m; those of metres weigh the far one five times.
    """
    depth = full_precision(depth)
    return torch.where(valid_depth(depth), depth, SHORTEST_DEPTH).clamp(min=SHORTEST_DEPTH).div(SHORTEST_DEPTH).log()


def scale_invariant_loss(prediction: Tensor, target: Tensor, trust: Tensor | None = None) -> LossTerm:
    """SILog (Eigen 2014): sqrt(mean(e^2) - 0.85 mean(e)^2) of e = ln prediction - ln target, of each image.

    >>> truth = torch.full((1, 2, 2), 3.0)
    >>> loss = scale_invariant_loss(2 * truth, truth)  # all of it a wrong scale, of which 0.15 counts
    >>> round(loss.sum.item() / loss.count.item(), 4) == round((0.15**0.5) * 0.693147, 4)
    True

    Args:
        prediction, target: as for `berhu_loss`; the prediction is above 0.
        trust: (B, H, W) 0 to 1: weights of the pixels in both means, and their sum that of the image; None: 1.

    Returns:
        The sum over the images, each weighted with the number of its valid pixels, and that number: the mean of both
        is a mean over pixels, equal in one process and in many.

    Raises:
        ValueError: the shapes are not these.
    """
    error = _masked_error(log_depth(prediction), log_depth(target)).flatten(1)
    count = valid_depth(target).flatten(1).sum(dim=1)
    if trust is not None:
        return LossTerm(_trusted_deviation(error, trust.flatten(1) * valid_depth(target).flatten(1)), count.sum())
    pixels = count.clamp(min=1)
    variance = error.square().sum(dim=1) / pixels - SILOG_FORGIVEN * (error.sum(dim=1) / pixels).square()
    # Rounding can take it below 0 where all errors are equal.
    return LossTerm((count * variance.clamp(min=SILOG_FLOOR).sqrt()).sum(), count.sum())


def _trusted_deviation(error: Tensor, weight: Tensor) -> Tensor:
    """Sum over images of SILog with weighted means, by the sum of weights; of errors and weights (B, N)."""
    total = weight.sum(dim=1)
    pixels = total.clamp(min=1e-6)
    mean = (weight * error).sum(dim=1) / pixels
    variance = (weight * error.square()).sum(dim=1) / pixels - SILOG_FORGIVEN * mean.square()
    return (total * variance.clamp(min=SILOG_FLOOR).sqrt()).sum()


def normal_loss(prediction: Tensor, target: Tensor, trust: Tensor | None = None) -> LossTerm:
    """Eq. 10: 1 - cosine between the normals (-dx, -dy, 1) of predicted and true depth.

    dx and dy are unnormalised Sobel gradients, 8 times metres per pixel: with plain differences the normals of any
    indoor depth map differ so little that the loss vanishes.

    >>> plane = torch.arange(1.0, 6.0).expand(1, 5, 5)
    >>> round(normal_loss(plane, plane).sum.item(), 6)
    0.0

    Args:
        prediction, target: as for `berhu_loss`.
        trust: (B, H, W) 0 to 1: a window's loss is multiplied by the least of its pixels; None: 1.

    Returns:
        The sum, each element in 0..2, over the 3x3 windows inside the image whose pixels are all valid, and their
        number.

    Raises:
        ValueError: the shapes are not these.
    """
    _check_shapes(prediction, target)
    valid = valid_depth(target)
    windows = _all_valid(valid)
    # What stands in for an invalid depth reaches only windows that are dropped.
    target = torch.where(valid, full_precision(target), 0.0)
    cosine = _cosine_of_normals(_sobel_gradients(full_precision(prediction)), _sobel_gradients(target))
    losses = torch.where(windows, 1 - cosine, 0.0)
    if trust is not None:
        losses = losses * -F.max_pool2d(-trust[:, None], 3, stride=1)[:, 0]
    return LossTerm(losses.sum(), windows.sum())


def _cosine_of_normals(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """Cosine between (-dx, -dy, 1) of two gradients (dx, dy).

    Written out: no vector is shorter than 1, and a norm over an axis of 3 takes longer on a CPU than all other terms of
    the depth loss together.
    """
    (dx, dy), (ex, ey) = first, second
    lengths = (dx.square() + dy.square() + 1) * (ex.square() + ey.square() + 1)
    return (dx * ex + dy * ey + 1) * lengths.rsqrt()


def _sobel_gradients(depth: Tensor) -> tuple[Tensor, Tensor]:
    """(B, H, W) -> dx and dy, each (B, H - 2, W - 2), of the windows inside the image."""
    # Written as slices: a convolution may run in TF32, whose 10 bits are millimetres at indoor depths.
    rows = depth[:, :-2] + 2 * depth[:, 1:-1] + depth[:, 2:]
    columns = depth[..., :-2] + 2 * depth[..., 1:-1] + depth[..., 2:]
    dx = rows[..., 2:] - rows[..., :-2]
    dy = columns[:, 2:] - columns[:, :-2]
    return dx, dy


def _all_valid(valid: Tensor) -> Tensor:
    """(B, H, W) bool -> (B, H - 2, W - 2): windows of 3x3 without an invalid pixel."""
    rows = valid[:, :-2] & valid[:, 1:-1] & valid[:, 2:]
    return rows[..., :-2] & rows[..., 1:-1] & rows[..., 2:]


def _masked_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Prediction - target in metres, exactly 0 with gradient 0 where the target is invalid."""
    _check_shapes(prediction, target)
    # The mask goes around the inputs: NaN times a mask is NaN, and so is the gradient of inf - inf.
    valid = valid_depth(target)
    return torch.where(valid, full_precision(prediction), 0.0) - torch.where(valid, full_precision(target), 0.0)


def _check_shapes(prediction: Tensor, target: Tensor) -> None:
    """Refuse what would broadcast, or be taken along the wrong axes."""
    if prediction.shape != target.shape or prediction.dim() != 3:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} must both be (B, H, W), without a "
            "channel axis"
        )
