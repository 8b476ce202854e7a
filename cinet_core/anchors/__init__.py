"""Anchors: what a robot knows about depth beside the image, and how predicted depth is corrected by it.

An anchor measures depth at some places of an image (`AnchorMeasurement`); a `FieldEstimator` holds the smooth field
that corrects predicted depth, and carries it from view to view. Pure functions and NumPy; neither ROS nor PyTorch.
"""

from __future__ import annotations

from cinet_core.anchors.corrected import CorrectedDepth, CorrectionReport
from cinet_core.anchors.exclusion import movers_mask, movers_table
from cinet_core.anchors.field import FieldEstimator
from cinet_core.anchors.floor import measure_floor
from cinet_core.anchors.measurement import SOURCES, AnchorGap, AnchorMeasurement, AnchorSource, nothing
from cinet_core.anchors.motion import MotionAnchor
from cinet_core.anchors.odometry import OdometryAnchor, OdometrySettings
from cinet_core.anchors.scan import measure_scan
from cinet_core.anchors.settings import FieldSettings
from cinet_core.anchors.sparse_depth import measure_cloud, measure_depth_image

__all__ = [
    "SOURCES",
    "AnchorGap",
    "AnchorMeasurement",
    "AnchorSource",
    "CorrectedDepth",
    "CorrectionReport",
    "FieldEstimator",
    "FieldSettings",
    "MotionAnchor",
    "OdometryAnchor",
    "OdometrySettings",
    "measure_cloud",
    "measure_depth_image",
    "measure_floor",
    "measure_scan",
    "movers_mask",
    "movers_table",
    "nothing",
]
