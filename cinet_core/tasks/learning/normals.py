"""How surface normals are learnt, scored and deployed.

The network predicts the normals that the canonical camera would see, for the reason that it predicts canonical depth:
an image does not tell its focal length. That camera has depth multiplied by f_c / f_net and the rest of the space as it
is, so that a plane's normal n becomes n_c ~ (n_x, n_y, n_z f_net / f_c): without it a surface at 45 degrees would be
one at 38 or at 52 to cameras whose focal lengths differ by a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as TF

from cinet_core.losses.masks import full_precision
from cinet_core.losses.reduction import LossTerm
from cinet_core.metrics.normals import NormalMetrics
from cinet_core.tasks.learning.base import GraphContext, TaskLearning
from cinet_core.tasks.learning.surfaces import resolution_of, surface_normals
from cinet_core.tasks.normals import NORMALS, SHORTEST

if TYPE_CHECKING:
    from cinet_core.data.augmentation import Variation
    from cinet_core.data.sample import Batch, Sample
    from cinet_core.data.transforms import TrainingTransform
    from cinet_core.geometry import Intrinsics
    from cinet_core.losses.supervision import Supervision
    from cinet_core.model.cinet import CINetOutput

__all__ = ["NormalMap", "NormalsLearning", "normals_loss", "to_canonical_normals", "to_metric_normals", "true_normals"]


class NormalMap(tv_tensors.Mask):
    """Normals for torchvision: (3, H, W), (0, 0, 0) where unknown; they turn with the image, and are not
    interpolated."""


@TF.register_kernel(functional=TF.horizontal_flip, tv_tensor_cls=NormalMap)
def _flip(normals: tv_tensors.Mask) -> tv_tensors.Mask:
    """Mirrored left to right, the scene's x is the other way round."""
    flipped = TF.horizontal_flip(normals.as_subclass(torch.Tensor))
    return tv_tensors.wrap(flipped * flipped.new_tensor([-1.0, 1.0, 1.0])[:, None, None], like=normals)


@TF.register_kernel(functional=TF.rotate, tv_tensor_cls=NormalMap)
def _rotate(normals: tv_tensors.Mask, angle: float, *_: Any, **__: Any) -> tv_tensors.Mask:
    """Turned counter-clockwise by degrees, as a roll of the camera turns the scene."""
    x, y, z = TF.rotate(normals.as_subclass(torch.Tensor), angle, TF.InterpolationMode.NEAREST, fill=[0.0])
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return tv_tensors.wrap(torch.stack((cos * x + sin * y, cos * y - sin * x, z)), like=normals)


@TF.register_kernel(functional=TF.resize, tv_tensor_cls=NormalMap)
def _resize(normals: tv_tensors.Mask, size: list[int], **_: Any) -> tv_tensors.Mask:
    resized = F.interpolate(normals.as_subclass(torch.Tensor)[None], size=tuple(size), mode="nearest-exact")
    return tv_tensors.wrap(resized[0], like=normals)


def true_normals(depth: Tensor, intrinsics: Intrinsics) -> Tensor:
    """(3, H, W) `surface_normals` of a depth map (H, W), exact or in whole millimetres."""
    camera = torch.tensor((intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy), device=depth.device)
    return surface_normals(depth, camera, resolution=resolution_of(depth))


def to_canonical_normals(normals: Tensor, depth_scale: Tensor | float) -> Tensor:
    """Unit normals (..., 3, H, W) as the canonical camera sees them; `depth_scale` is f_net / f_c. 0 stays 0."""
    return _unit(_stretched(normals, depth_scale))


def to_metric_normals(canonical: Tensor, depth_scale: Tensor | float) -> Tensor:
    """The inverse: vectors (..., 3, H, W) of any length as the network predicts them, to unit normals of the scene."""
    return _unit(_stretched(canonical, 1.0 / depth_scale))


def _stretched(normals: Tensor, factor: Tensor | float) -> Tensor:
    return torch.cat((normals[..., :2, :, :], normals[..., 2:, :, :] * factor), dim=-3)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors (..., 3, H, W) of length 1; those that have no direction stay about 0."""
    # Written out, in operations that every runtime has, and whose gradient is finite at 0.
    return vectors * (vectors.square().sum(dim=-3, keepdim=True) + SHORTEST**2).rsqrt()


def normals_loss(prediction: Tensor, target: Tensor) -> LossTerm:
    """1 - cosine of the angle between predicted and true normals, summed over the pixels with a true one.

    Args:
        prediction: (B, 3, H, W), of any length; where it is 0 the cosine is 0.
        target: (B, 3, H, W) unit normals, (0, 0, 0) where unknown.

    Returns:
        The sum, each element in 0..2, and the number of pixels with a true normal.

    Raises:
        ValueError: the shapes are not these.
    """
    if prediction.shape != target.shape or prediction.dim() != 4 or prediction.shape[1] != 3:
        raise ValueError(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} must both be (B, 3, H, W)"
        )
    valid = target.abs().sum(dim=1) > 0
    cosine = (_unit(full_precision(prediction)) * full_precision(target)).sum(dim=1)
    return LossTerm(torch.where(valid, 1 - cosine, 0.0).sum(), valid.sum())


class NormalsLearning(TaskLearning):
    """The angle between normals, with targets from depth and the camera."""

    spec = NORMALS
    # Ten times the segmentation loss's, as multi-task networks on NYU-Depth-v2 weigh it (MTMamba 2024).
    default_weight = 3.0

    def target(self, sample: Sample, variation: Variation, transform: TrainingTransform) -> Tensor:
        """(3, h, w) canonical normals of a sample, from its depth as it was stored, then varied as its depth is.

        Not from the varied depth: that is resampled to the nearest pixel, so that its pixels are uneven steps apart.
        All 0 where the camera is unknown.
        """
        if sample.intrinsics is None:
            return torch.zeros(3, transform.height, transform.width)
        normals = transform.varied(NormalMap(true_normals(sample.depth, sample.intrinsics)), variation)
        focal = transform.camera(sample.intrinsics, variation).focal
        return to_canonical_normals(normals, focal / transform.canonical_focal)

    def loss_terms(self, output: CINetOutput, truth: Supervision) -> dict[str, LossTerm]:
        """The term "normals"."""
        return {"normals": normals_loss(output.extra["normals"], truth.targets["normals"])}

    def metric(self, num_classes: int) -> NormalMetrics:
        """`NormalMetrics`."""
        return NormalMetrics()

    def update_on_batch(self, metric: Any, output: CINetOutput, batch: Batch, depth_scale: Tensor) -> None:
        """Score the scene's normals."""
        predicted, true = output.extra["normals"].float(), batch.targets["normals"]
        metric.update(*(to_metric_normals(vectors, depth_scale[:, None]) for vectors in (predicted, true)))

    def update_on_frame(self, metric: Any, outputs: Mapping[str, Tensor], sample: Sample) -> None:
        """Score normals at the size of the frame; one without depth or camera is passed over."""
        if sample.intrinsics is None or not sample.has_depth:
            return
        truth = true_normals(sample.depth, sample.intrinsics)
        found = outputs["normals"].movedim(-1, 1)
        metric.update(F.interpolate(found, size=truth.shape[1:], mode="bilinear", align_corners=False), truth[None])

    def true_outputs(self, batch: Batch, depth_scale: Tensor) -> dict[str, Tensor]:
        """The scene's normals, NaN where they are not known."""
        target = batch.targets["normals"]
        known = (target != 0).any(dim=1, keepdim=True)
        return {"normals": torch.where(known, to_metric_normals(target, depth_scale[:, None]), torch.nan)}

    def deploy(self, output: CINetOutput, context: GraphContext) -> dict[str, Tensor]:
        """Unit normals of the scene, (B, 3, h, w)."""
        return {"normals": to_metric_normals(output.extra["normals"].float(), context.depth_scale[:, None])}

    def finish(self, outputs: dict[str, Tensor], context: GraphContext) -> dict[str, Tensor]:
        """Of length 1 again after resizing; NaN where a vector had no direction."""
        normals = outputs["normals"]
        squared = normals.square().sum(dim=1, keepdim=True)
        valid = squared > SHORTEST
        unit = normals * torch.where(valid, squared, torch.ones_like(squared)).rsqrt()
        return {"normals": torch.where(valid, unit, torch.full_like(unit, float("nan")))}
