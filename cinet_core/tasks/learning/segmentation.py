"""How semantic segmentation is learnt, scored and deployed (paper, Eq. 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from cinet_core.losses.reduction import LossTerm
from cinet_core.losses.segmentation import segmentation_loss
from cinet_core.metrics.protocols import predicted_labels
from cinet_core.metrics.segmentation import SegmentationMetrics
from cinet_core.metrics.summed import SummedMetric
from cinet_core.tasks.learning.base import GraphContext, TaskLearning
from cinet_core.tasks.learning.label_decision import decide, decide_in_one_pass
from cinet_core.tasks.segmentation import SEGMENTATION

if TYPE_CHECKING:
    from cinet_core.data.sample import Batch
    from cinet_core.losses.supervision import Supervision
    from cinet_core.losses.total import LossWeights
    from cinet_core.model.cinet import CINetOutput

__all__ = ["SegmentationLearning"]


class SegmentationLearning(TaskLearning):
    """Cross entropy in which frequent classes weigh less."""

    spec = SEGMENTATION

    def loss_terms(self, output: CINetOutput, truth: Supervision) -> dict[str, LossTerm]:
        """The term "segmentation"."""
        return {"segmentation": segmentation_loss(output.logits, truth.labels, truth.class_weights, truth.label_trust)}

    def answer(self, output: CINetOutput) -> Tensor:
        """The logits of the classes, (B, C, H, W)."""
        return output.logits

    def weight(self, weights: LossWeights) -> float:
        """gamma of Eq. 13."""
        return weights.segmentation

    def metric(self, num_classes: int) -> SummedMetric:
        """`SegmentationMetrics`."""
        return SegmentationMetrics(num_classes)

    def update_on_batch(self, metric: Any, output: CINetOutput, batch: Batch, depth_scale: Tensor) -> None:
        """Score the classes of the largest logits."""
        height, width = batch.labels.shape[-2:]
        metric.update(predicted_labels(output.logits, height, width), batch.labels)

    def deploy(self, output: CINetOutput, context: GraphContext) -> dict[str, Tensor]:
        """The class of the largest logit, and its probability."""
        labels, confidence = (decide_in_one_pass if context.in_one_pass else decide)(output.logits)
        return {"labels": labels, "confidence": confidence}
