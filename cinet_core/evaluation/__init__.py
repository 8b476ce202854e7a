"""How good predictions are: metrics, and the protocols that say which pixels count. Needs no training library.

`cinet_core.evaluation.scoring.evaluate` scores a checkpoint on a data set. Names are imported when they are first asked
for: the deployable graph knows of metrics, and scores nothing.
"""

from typing import TYPE_CHECKING

from cinet_core.lazy import lazy_names

if TYPE_CHECKING:
    from cinet_core.evaluation.attention import AttentionMetrics
    from cinet_core.evaluation.batch_metrics import BatchMetrics
    from cinet_core.evaluation.evaluation import Evaluation
    from cinet_core.evaluation.metrics import DEPTH_METRICS, DepthMetrics, SegmentationMetrics, depth_errors
    from cinet_core.evaluation.protocols import EIGEN, FULL, PAPER, PROTOCOLS, DepthProtocol, predicted_labels
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AttentionMetrics": "cinet_core.evaluation.attention",
            "BatchMetrics": "cinet_core.evaluation.batch_metrics",
            "DEPTH_METRICS": "cinet_core.evaluation.metrics",
            "DepthMetrics": "cinet_core.evaluation.metrics",
            "DepthProtocol": "cinet_core.evaluation.protocols",
            "EIGEN": "cinet_core.evaluation.protocols",
            "Evaluation": "cinet_core.evaluation.evaluation",
            "FULL": "cinet_core.evaluation.protocols",
            "PAPER": "cinet_core.evaluation.protocols",
            "PROTOCOLS": "cinet_core.evaluation.protocols",
            "SegmentationMetrics": "cinet_core.evaluation.metrics",
            "depth_errors": "cinet_core.evaluation.metrics",
            "predicted_labels": "cinet_core.evaluation.protocols",
        },
    )

__all__ = [
    "DEPTH_METRICS",
    "EIGEN",
    "FULL",
    "PAPER",
    "PROTOCOLS",
    "AttentionMetrics",
    "BatchMetrics",
    "DepthMetrics",
    "DepthProtocol",
    "Evaluation",
    "SegmentationMetrics",
    "depth_errors",
    "predicted_labels",
]
