"""How occlusion boundaries are learnt, scored and deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as TF

from cinet_core.losses.masks import full_precision
from cinet_core.losses.reduction import LossTerm
from cinet_core.metrics.boundaries import BoundaryMetrics
from cinet_core.tasks.boundaries import BOUNDARIES
from cinet_core.tasks.learning.base import GraphContext, TaskLearning
from cinet_core.tasks.learning.surfaces import UNKNOWN, occlusion_boundaries

if TYPE_CHECKING:
    from cinet_core.data.augmentation import Variation
    from cinet_core.data.sample import Batch, Sample
    from cinet_core.data.transforms import TrainingTransform
    from cinet_core.losses.supervision import Supervision
    from cinet_core.model.cinet import CINetOutput

__all__ = ["BOUNDARY_WEIGHT", "BoundariesLearning", "BoundaryMap", "boundary_loss", "resized_boundaries"]

BOUNDARY_WEIGHT = 4.0
"""A pixel at a boundary weighs that of so many others.

Weighed alike, one pixel in thirty being a boundary, hardly any is predicted; weighed by the inverse of their number
(HED, Xie 2015), the answer 0.5 stands for a probability of 3 %, and bands of pixels are. The F measure is largest where
the probability is above half of it, about 0.2 to 0.3 (Lipton 2014): with this weight the answer there is 0.5.
"""


class BoundaryMap(tv_tensors.Mask):
    """Boundaries for torchvision: (H, W) uint8, 1, 0 or `UNKNOWN`; lines stay whole in a smaller image."""


@TF.register_kernel(functional=TF.resize, tv_tensor_cls=BoundaryMap)
def _resize(boundaries: tv_tensors.Mask, size: list[int], **_: Any) -> tv_tensors.Mask:
    height, width = size
    return tv_tensors.wrap(resized_boundaries(boundaries.as_subclass(torch.Tensor), height, width), like=boundaries)


def resized_boundaries(boundaries: Tensor, height: int, width: int) -> Tensor:
    """Boundaries (H, W) at another size: where the nearest pixel is one, or any whose centre lies in the new one.

    Nearest pixels alone would leave out half of a line one pixel wide in an image of half the size.

    Returns:
        (height, width) uint8: 1, 0 or `UNKNOWN`.
    """
    nearest = F.interpolate(boundaries[None, None], size=(height, width), mode="nearest-exact")[0, 0]
    rows, columns = (boundaries == 1).nonzero(as_tuple=True)
    # Centres of pixels, in pixels of the new image.
    down = ((rows + 0.5) * (height / boundaries.shape[0])).long().clamp(max=height - 1)
    right = ((columns + 0.5) * (width / boundaries.shape[1])).long().clamp(max=width - 1)
    resized = nearest.clone()
    resized[down, right] = 1
    return resized


def boundary_loss(logits: Tensor, target: Tensor, boundary_weight: float = BOUNDARY_WEIGHT) -> LossTerm:
    """Binary cross entropy in which a boundary weighs `boundary_weight`, summed over the pixels that are known.

    Args:
        logits: (B, H, W) of "this is a boundary".
        target: (B, H, W) uint8: 1 at a boundary, 0 elsewhere; other values are unknown and left out.
        boundary_weight: of pixels at a boundary.

    Returns:
        The sum in nats, and the number of known pixels.

    Raises:
        ValueError: the shapes are not these.
    """
    if logits.shape != target.shape or logits.dim() != 3:
        raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} must both be (B, H, W)")
    logits = full_precision(logits)
    boundary, known = target == 1, target <= 1
    # -log sigmoid(x) = softplus(-x) at a boundary, -log(1 - sigmoid(x)) = softplus(x) elsewhere.
    losses = torch.where(boundary, boundary_weight * F.softplus(-logits), F.softplus(logits))
    return LossTerm(torch.where(known, losses, 0.0).sum(), known.sum())


class BoundariesLearning(TaskLearning):
    """Is the surface at this pixel the nearer one of an occlusion boundary? With targets from depth."""

    spec = BOUNDARIES
    # As that of normals. The same networks take 50, of a loss that weighs what is no boundary with 0.05.
    default_weight = 3.0

    def target(self, sample: Sample, variation: Variation, transform: TrainingTransform) -> Tensor:
        """(h, w) uint8 boundaries of a sample, from its depth as it was stored, then varied as its depth is."""
        boundaries = BoundaryMap(occlusion_boundaries(sample.depth))
        return transform.varied(boundaries, variation, fill=UNKNOWN)

    def loss_terms(self, output: CINetOutput, truth: Supervision) -> dict[str, LossTerm]:
        """The term "boundaries"."""
        return {"boundaries": boundary_loss(output.extra["boundaries"].squeeze(1), truth.targets["boundaries"])}

    def metric(self, num_classes: int) -> BoundaryMetrics:
        """`BoundaryMetrics`."""
        return BoundaryMetrics()

    def update_on_batch(self, metric: Any, output: CINetOutput, batch: Batch, depth_scale: Tensor) -> None:
        """Score boundaries, and the edges of the predicted depth."""
        probability = output.extra["boundaries"].float().sigmoid().squeeze(1)
        depth = output.depth.float().squeeze(1) * depth_scale
        metric.update(probability, batch.targets["boundaries"], depth)

    def update_on_frame(self, metric: Any, outputs: Mapping[str, Tensor], sample: Sample) -> None:
        """Score boundaries and the edges of depth at the size of the frame; one without depth is passed over."""
        if not sample.has_depth:
            return
        probability = (outputs["boundaries"].float() / 255)[:, None]
        depth = outputs["depth"][:, None]
        probability, depth = (
            F.interpolate(values, size=sample.depth.shape, mode="bilinear", align_corners=False).squeeze(1)
            for values in (probability, depth)
        )
        metric.update(probability, occlusion_boundaries(sample.depth)[None], depth)

    def true_outputs(self, batch: Batch, depth_scale: Tensor) -> dict[str, Tensor]:
        """255 at boundaries."""
        return {"boundaries": (batch.targets["boundaries"] == 1).to(torch.uint8) * 255}

    def deploy(self, output: CINetOutput, context: GraphContext) -> dict[str, Tensor]:
        """round(255 * probability), as float: it is resized before it becomes bytes."""
        return {"boundaries": output.extra["boundaries"].float().sigmoid().squeeze(1) * 255}

    def finish(self, outputs: dict[str, Tensor], context: GraphContext) -> dict[str, Tensor]:
        """As bytes."""
        return {"boundaries": outputs["boundaries"].round().to(torch.uint8)}
