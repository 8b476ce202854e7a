"""What cinet_ros/PerceptionStats says of the correction of a frame."""

from __future__ import annotations

import math
from typing import Any

from cinet_core.correction.corrector import CorrectedFrame

__all__ = ["correction_statistics"]


def correction_statistics(frame: CorrectedFrame | None) -> dict[str, Any]:
    """Return the fields of PerceptionStats, by name.

    Args:
        frame: what was done; None where nothing was.
    """
    if frame is None:
        return {"correction": "none", **_NO_ANCHOR, "agreement": math.nan}
    if frame.report is None:
        return {"correction": "none", **_NO_ANCHOR, "agreement": frame.agreement}
    report = frame.report
    return {
        "correction": report.level,
        "depth_factor": report.scale,
        "depth_factor_sigma": report.sigma,
        "anchors": list(report.sources),
        "anchor_age": report.age,
        "anchored": report.anchored,
        "correction_reason": report.reason or "",
        "agreement": float(frame.agreement),
    }


_NO_ANCHOR = {
    "depth_factor": math.nan,
    "depth_factor_sigma": math.nan,
    "anchors": [],
    "anchor_age": math.nan,
    "anchored": 0.0,
    "correction_reason": "",
}
