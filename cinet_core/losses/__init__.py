"""The losses of the paper (3.4): pure functions that return (sum, count), and one class that sums them."""

from cinet_core.losses.attention import attention_loss
from cinet_core.losses.consistency import FeatureVariance, consistency_loss
from cinet_core.losses.depth import (
    berhu_loss,
    berhu_threshold,
    log_depth,
    normal_loss,
    pair_loss,
    sample_valid_pixels,
    scale_invariant_loss,
)
from cinet_core.losses.reduction import LossTerm, global_maximum, global_means
from cinet_core.losses.segmentation import ClassWeighting, class_weights, segmentation_loss
from cinet_core.losses.supervision import DepthSpace, Supervision
from cinet_core.losses.total import STAGES, LossWeights, MultiTaskLoss, Stage

__all__ = [
    "STAGES",
    "ClassWeighting",
    "DepthSpace",
    "FeatureVariance",
    "LossTerm",
    "LossWeights",
    "MultiTaskLoss",
    "Stage",
    "Supervision",
    "attention_loss",
    "berhu_loss",
    "berhu_threshold",
    "class_weights",
    "consistency_loss",
    "global_maximum",
    "global_means",
    "log_depth",
    "normal_loss",
    "pair_loss",
    "sample_valid_pixels",
    "scale_invariant_loss",
    "segmentation_loss",
]
