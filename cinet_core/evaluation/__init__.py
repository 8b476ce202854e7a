"""How good predictions are: metrics, and the protocols that say which pixels count. Needs no training library.

`cinet_core.evaluation.scoring.evaluate` scores a checkpoint on a data set.
"""

from cinet_core.evaluation.attention import AttentionMetrics
from cinet_core.evaluation.batch_metrics import BatchMetrics
from cinet_core.evaluation.evaluation import Evaluation
from cinet_core.evaluation.metrics import DEPTH_METRICS, DepthMetrics, SegmentationMetrics, depth_errors
from cinet_core.evaluation.protocols import EIGEN, FULL, PAPER, PROTOCOLS, DepthProtocol, predicted_labels

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
