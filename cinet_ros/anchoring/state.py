"""What the correction of a camera's frames says of itself: set by the worker, read by diagnostics and statistics."""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass, field

from cinet_core.correction.corrector import CorrectedFrame

__all__ = ["CorrectionState"]


@dataclass
class CorrectionState:
    """What diagnostics and statistics say of the correction of a camera. Thread-safe.

    Attributes:
        reasons: how often something was missing, by reason.
    """

    reasons: Counter[str] = field(default_factory=Counter)
    _latest: CorrectedFrame | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, reason: str) -> None:
        """Count what was missing for a frame."""
        with self._lock:
            self.reasons[reason] += 1

    def set(self, frame: CorrectedFrame | None) -> None:
        """Set what was done to the latest frame."""
        with self._lock:
            self._latest = frame

    def latest(self) -> CorrectedFrame | None:
        """What was done to the latest frame; None where nothing is to be done."""
        with self._lock:
            return self._latest

    def values(self) -> dict[str, str]:
        """Rows for /diagnostics."""
        with self._lock:
            latest, reasons = self._latest, dict(self.reasons)
        rows: dict[str, str] = {}
        if latest is not None and latest.report is not None:
            report = latest.report
            rows = {
                "depth correction": report.level,
                "depth factor": f"{report.scale:.3f}",
                "depth factor, sigma": f"{report.sigma:.3f}",
                "anchors used": ", ".join(report.sources) or "none",
                "age of the last anchor [s]": "none yet" if math.isinf(report.age) else f"{report.age:.1f}",
                "image anchored [%]": f"{100 * report.anchored:.0f}",
            }
            if report.reason is not None:
                rows["depth correction, why no more"] = report.reason
        if latest is not None and not math.isnan(latest.agreement):
            rows["points that agree with the last frame [%]"] = f"{100 * latest.agreement:.0f}"
        return rows | {f"anchor: {reason}": str(count) for reason, count in sorted(reasons.items())}
