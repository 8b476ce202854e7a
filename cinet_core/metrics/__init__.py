"""Metrics of depth, labels, normals, boundaries and attention, and the protocols that say which pixels count.

Each keeps one tensor of sums (`SummedMetric`), so that a set can be scored in parts, by several processes, and without
any training library or network. `cinet_core.evaluation` scores checkpoints with them.
"""

from cinet_core.metrics.attention import AttentionMetrics
from cinet_core.metrics.boundaries import BoundaryMetrics
from cinet_core.metrics.depth import DEPTH_METRICS, FURTHER_DEPTH_METRICS, DepthMetrics, depth_errors
from cinet_core.metrics.normals import NormalMetrics
from cinet_core.metrics.protocols import EIGEN, FULL, PAPER, PROTOCOLS, DepthProtocol, predicted_labels
from cinet_core.metrics.segmentation import SegmentationMetrics
from cinet_core.metrics.slope import DepthSlope
from cinet_core.metrics.summed import SummedMetric
from cinet_core.metrics.uncertainty import UncertaintyMetrics

__all__ = [
    "DEPTH_METRICS",
    "EIGEN",
    "FULL",
    "FURTHER_DEPTH_METRICS",
    "PAPER",
    "PROTOCOLS",
    "AttentionMetrics",
    "BoundaryMetrics",
    "DepthMetrics",
    "DepthProtocol",
    "DepthSlope",
    "NormalMetrics",
    "SegmentationMetrics",
    "SummedMetric",
    "UncertaintyMetrics",
    "depth_errors",
    "predicted_labels",
]
