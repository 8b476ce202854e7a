"""How good predictions are: metrics, and the protocols that say which pixels count. Needs no training library."""

from cinet_core.evaluation.metrics import DEPTH_METRICS, DepthMetrics, SegmentationMetrics, depth_errors
from cinet_core.evaluation.protocols import EIGEN, PAPER, PROTOCOLS, DepthProtocol, predicted_labels

__all__ = [
    "DEPTH_METRICS",
    "EIGEN",
    "PAPER",
    "PROTOCOLS",
    "DepthMetrics",
    "DepthProtocol",
    "SegmentationMetrics",
    "depth_errors",
    "predicted_labels",
]
