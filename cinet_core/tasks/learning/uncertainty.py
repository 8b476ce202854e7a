"""How the uncertainty of depth is learnt, scored and deployed: the scale of a Laplace distribution of ln depth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.losses.masks import full_precision, valid_depth
from cinet_core.losses.reduction import LossTerm
from cinet_core.metrics.uncertainty import UncertaintyMetrics, laplace_nll
from cinet_core.tasks.learning.base import GraphContext, TaskLearning
from cinet_core.tasks.uncertainty import LOG_SCALE_RANGE, UNCERTAINTY

if TYPE_CHECKING:
    from cinet_core.data.sample import Batch, Sample
    from cinet_core.losses.supervision import Supervision
    from cinet_core.model.cinet import CINetOutput

__all__ = ["UncertaintyLearning", "laplace_loss", "predicted_scale"]

# Of Seitzer 2022: the likelihood alone learns less from pixels that it is unsure of, and so stays unsure of them.
BETA = 0.5


def predicted_scale(answer: Tensor) -> Tensor:
    """b of ln depth, of what the head answers (any shape): its exponential, kept within `LOG_SCALE_RANGE`."""
    return full_precision(answer).clamp(*LOG_SCALE_RANGE).exp()


def laplace_loss(prediction: Tensor, target: Tensor, scale: Tensor) -> LossTerm:
    """``b^0.5 (|ln prediction - ln target| / b + ln 2b)``, b^0.5 detached (beta-NLL, Seitzer 2022), summed.

    Args:
        prediction: (B, H, W) canonical depth, metres, > 0.
        target: (B, H, W) true canonical depth; pixels at 0, NaN or inf are left out.
        scale: (B, H, W) b, > 0.

    Returns:
        The sum, and the number of valid pixels.

    Raises:
        ValueError: the shapes differ.
    """
    if not prediction.shape == target.shape == scale.shape:
        raise ValueError(
            f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)} and scale {tuple(scale.shape)} must "
            "agree in shape"
        )
    valid = valid_depth(target)
    prediction, target = full_precision(prediction), full_precision(target)
    error = torch.where(valid, prediction, 1.0).log() - torch.where(valid, target, 1.0).log()
    losses = scale.detach() ** BETA * laplace_nll(error, scale)
    return LossTerm(torch.where(valid, losses, 0.0).sum(), valid.sum())


class UncertaintyLearning(TaskLearning):
    """Laplace likelihood of the error of ln depth, with the canonical depth that the network answers beside it."""

    spec = UNCERTAINTY
    # Its gradient on depth is 1 / b^0.5 of a mean absolute error of ln depth: three times, early on.
    default_weight = 0.2

    def loss_terms(self, output: CINetOutput, truth: Supervision) -> dict[str, LossTerm]:
        """The term "uncertainty"."""
        return {"uncertainty": laplace_loss(output.depth.squeeze(1), truth.depth, _scale(output))}

    def metric(self, num_classes: int) -> UncertaintyMetrics:
        """`UncertaintyMetrics`."""
        return UncertaintyMetrics()

    def update_on_batch(self, metric: Any, output: CINetOutput, batch: Batch, depth_scale: Tensor) -> None:
        """Score ratios, which are the same in canonical and in metric metres."""
        metric.update(output.depth.squeeze(1).float(), batch.depth, _scale(output))

    def update_on_frame(self, metric: Any, outputs: Mapping[str, Tensor], sample: Sample) -> None:
        """Score at the size of the frame; one without depth is passed over."""
        if not sample.has_depth:
            return
        truth = sample.depth[None]
        depth, deviation = (
            F.interpolate(outputs[name][:, None], size=truth.shape[1:], mode="bilinear", align_corners=False)[:, 0]
            for name in ("depth", "depth_uncertainty")
        )
        metric.update(depth, truth, deviation / depth / math.sqrt(2))

    def deploy(self, output: CINetOutput, context: GraphContext) -> dict[str, Tensor]:
        """Metres: sqrt(2) b times metric depth, the standard deviation where b is small."""
        depth = output.depth.squeeze(1).float() * context.depth_scale
        return {"depth_uncertainty": math.sqrt(2) * _scale(output) * depth}


def _scale(output: CINetOutput) -> Tensor:
    return predicted_scale(output.extra[UNCERTAINTY.name].squeeze(1))
