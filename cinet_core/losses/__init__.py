"""The losses of the paper (3.4): pure functions that return (sum, count), and one class that sums them.

Names are imported when they are asked for: what a recipe decides (`recipe`) needs no PyTorch.
"""

from typing import TYPE_CHECKING

from cinet_core.lazy import lazy_names

if TYPE_CHECKING:
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
    from cinet_core.losses.recipe import STAGES, ClassWeighting, DepthSpace, LossWeights, Stage
    from cinet_core.losses.reduction import LossTerm, global_maximum, global_means
    from cinet_core.losses.segmentation import class_weights, segmentation_loss
    from cinet_core.losses.supervision import Supervision
    from cinet_core.losses.total import MultiTaskLoss
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ClassWeighting": "cinet_core.losses.recipe",
            "DepthSpace": "cinet_core.losses.recipe",
            "FeatureVariance": "cinet_core.losses.consistency",
            "LossTerm": "cinet_core.losses.reduction",
            "LossWeights": "cinet_core.losses.recipe",
            "MultiTaskLoss": "cinet_core.losses.total",
            "STAGES": "cinet_core.losses.recipe",
            "Stage": "cinet_core.losses.recipe",
            "Supervision": "cinet_core.losses.supervision",
            "attention_loss": "cinet_core.losses.attention",
            "berhu_loss": "cinet_core.losses.depth",
            "berhu_threshold": "cinet_core.losses.depth",
            "class_weights": "cinet_core.losses.segmentation",
            "consistency_loss": "cinet_core.losses.consistency",
            "global_maximum": "cinet_core.losses.reduction",
            "global_means": "cinet_core.losses.reduction",
            "log_depth": "cinet_core.losses.depth",
            "normal_loss": "cinet_core.losses.depth",
            "pair_loss": "cinet_core.losses.depth",
            "sample_valid_pixels": "cinet_core.losses.depth",
            "scale_invariant_loss": "cinet_core.losses.depth",
            "segmentation_loss": "cinet_core.losses.segmentation",
        },
    )

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
