"""How metric depth is learnt, scored and deployed (paper, Eq. 8 to 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cinet_core.losses.depth import (
    berhu_loss,
    berhu_threshold,
    log_depth,
    normal_loss,
    pair_loss,
    scale_invariant_loss,
)
from cinet_core.losses.gradients import gradient_loss
from cinet_core.losses.reduction import LossTerm, global_maximum
from cinet_core.metrics.depth import DepthMetrics
from cinet_core.metrics.protocols import FULL
from cinet_core.metrics.summed import SummedMetric
from cinet_core.tasks.depth import DEPTH
from cinet_core.tasks.learning.base import GraphContext, TaskLearning

if TYPE_CHECKING:
    from cinet_core.data.sample import Batch
    from cinet_core.losses.supervision import Supervision
    from cinet_core.losses.total import LossWeights
    from cinet_core.model.cinet import CINetOutput

__all__ = ["DepthLearning"]

# Weight of SILog within the depth loss of log depth, where it joins BerHu.
SILOG_WEIGHT = 0.5
BATCH_PROTOCOL = replace(FULL, name="batch")


class DepthLearning(TaskLearning):
    """BerHu, pairs and normals of depth; with depth compared in logarithms, SILog too."""

    spec = DEPTH

    def loss_terms(self, output: CINetOutput, truth: Supervision) -> dict[str, LossTerm]:
        """Terms "berhu", "pair", "normal" and "gradient", these three unless they weigh 0, and of log depth "silog"."""
        prediction = output.depth.squeeze(1)
        in_log = truth.depth_space == "log"
        compared = (log_depth(prediction), log_depth(truth.depth)) if in_log else (prediction, truth.depth)
        threshold = global_maximum(berhu_threshold(*compared))
        trust = truth.depth_trust
        terms = {"berhu": berhu_loss(*compared, threshold, trust)}
        if truth.weights.pair:
            terms["pair"] = pair_loss(*compared, truth.seeds, truth.pair_pixels, trust)
        if truth.weights.normal:
            terms["normal"] = normal_loss(prediction, truth.depth, trust)
        if truth.weights.gradient:
            terms["gradient"] = gradient_loss(prediction, truth.depth, trust=trust)
        if in_log:
            terms["silog"] = scale_invariant_loss(prediction, truth.depth, trust)
        return terms

    def loss(self, means: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
        """Eq. 11: BerHu + lambda pair + mu normal (+ 0.5 SILog) (+ weight * multi-scale gradients)."""
        loss = means["berhu"]
        if weights.pair:
            loss = loss + weights.pair * means["pair"]
        if weights.normal:
            loss = loss + weights.normal * means["normal"]
        if "silog" in means:
            loss = loss + SILOG_WEIGHT * means["silog"]
        if "gradient" in means:
            loss = loss + weights.gradient * means["gradient"]
        return loss

    def answer(self, output: CINetOutput) -> Tensor:
        """Canonical depth, (B, 1, H, W), metres."""
        return output.depth

    def weight(self, weights: LossWeights) -> float:
        """alpha of Eq. 13."""
        return weights.depth

    def metric(self, num_classes: int) -> SummedMetric:
        """`DepthMetrics` over every pixel of the network's input with a truth."""
        return DepthMetrics(BATCH_PROTOCOL)

    def update_on_batch(self, metric: Any, output: CINetOutput, batch: Batch, depth_scale: Tensor) -> None:
        """Score metric depth.

        Raises:
            ValueError: the network's depth is not finite and positive where there is a truth.
        """
        metric.update(output.depth.squeeze(1).float() * depth_scale, batch.depth * depth_scale)

    def deploy(self, output: CINetOutput, context: GraphContext) -> dict[str, Tensor]:
        """Metric depth: canonical depth times f_net / f_c (spec/method.md)."""
        return {"depth": output.depth.squeeze(1).float() * context.depth_scale}

    def finish(self, outputs: dict[str, Tensor], context: GraphContext) -> dict[str, Tensor]:
        """NaN outside of the depth range."""
        depth = outputs["depth"]
        nearest, farthest = context.depth_range
        valid = (depth >= nearest) & (depth <= farthest)
        return {"depth": torch.where(valid, depth, torch.full_like(depth, float("nan")))}
