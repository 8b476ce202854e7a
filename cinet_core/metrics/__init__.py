"""Metrics of depth, labels, normals, boundaries and attention, and the protocols that say which pixels count.

Each keeps one tensor of sums (`SummedMetric`), so that a set can be scored in parts, by several processes, and without
any training library or network. `cinet_core.evaluation` scores checkpoints with them.
"""

from cinet_core.metrics.attention import AttentionMetrics
from cinet_core.metrics.boundaries import BoundaryMetrics
from cinet_core.metrics.depth import DEPTH_METRICS, FURTHER_DEPTH_METRICS, DepthMetrics, depth_errors
from cinet_core.metrics.depth_range import RANGE_EDGES, RangeBin, RangeMetrics
from cinet_core.metrics.edge_points import EdgePointMetrics
from cinet_core.metrics.flicker import IMAGE_CHANGES, FlickerMetrics, ImageChange, ScaleSteps
from cinet_core.metrics.normals import NormalMetrics
from cinet_core.metrics.planarity import PlanarityMetrics
from cinet_core.metrics.protocols import EIGEN, FULL, PAPER, PROTOCOLS, DepthProtocol, predicted_labels
from cinet_core.metrics.segmentation import SegmentationMetrics
from cinet_core.metrics.slope import DepthSlope
from cinet_core.metrics.smooth_field import SmoothErrorMetrics, smooth_field
from cinet_core.metrics.summed import SummedMetric
from cinet_core.metrics.uncertainty import UncertaintyMetrics

__all__ = [
    "DEPTH_METRICS",
    "EIGEN",
    "FULL",
    "FURTHER_DEPTH_METRICS",
    "IMAGE_CHANGES",
    "PAPER",
    "PROTOCOLS",
    "RANGE_EDGES",
    "AttentionMetrics",
    "BoundaryMetrics",
    "DepthMetrics",
    "DepthProtocol",
    "DepthSlope",
    "EdgePointMetrics",
    "FlickerMetrics",
    "ImageChange",
    "NormalMetrics",
    "PlanarityMetrics",
    "RangeBin",
    "RangeMetrics",
    "ScaleSteps",
    "SegmentationMetrics",
    "SmoothErrorMetrics",
    "SummedMetric",
    "UncertaintyMetrics",
    "depth_errors",
    "predicted_labels",
    "smooth_field",
]
