"""Conditions that are wrong, with their remedies. Each is logged once and shown in /diagnostics while it lasts."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

# A condition that nobody reports anew for this long is over.
LASTS = 5.0

# Of how many of the latest frames latencies are told.
LATENCY_FRAMES = 100

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Condition:
    """A condition that is reported in /diagnostics."""

    level: bytes
    text: str
    reported: float  # steady clock, seconds
    lasting: bool


class Conditions:
    """The current conditions by key. Thread-safe."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._conditions: dict[str, Condition] = {}
        self._lock = threading.Lock()

    def report(self, key: str, level: bytes, text: str, *, lasting: bool = False) -> None:
        """Report a condition. A ``lasting`` one holds until it is cleared, others for `LASTS` seconds."""
        now = time.monotonic()
        with self._lock:
            known = self._conditions.get(key)
            is_news = known is None or self._is_over(known, now) or known.level != level
            self._conditions[key] = Condition(level, text, now, lasting)
        # Two statements: rclpy refuses a second severity from the same line.
        if is_news and level == ERROR:
            self._logger.error(text)
        elif is_news:
            self._logger.warning(text)

    def clear(self, key: str) -> None:
        """Clear a condition."""
        with self._lock:
            self._conditions.pop(key, None)

    def clear_all(self) -> None:
        """Clear all conditions."""
        with self._lock:
            self._conditions.clear()

    def current(self) -> list[Condition]:
        """Return the current conditions, the worst first."""
        now = time.monotonic()
        with self._lock:
            holding = [item for item in self._conditions.values() if not self._is_over(item, now)]
        return sorted(holding, key=lambda item: item.level, reverse=True)

    @staticmethod
    def _is_over(condition: Condition, now: float) -> bool:
        return not condition.lasting and now - condition.reported > LASTS


class Latencies:
    """Latencies of the latest frames, and the time of the last publication. Thread-safe."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, float]] = deque(maxlen=LATENCY_FRAMES)
        self._lock = threading.Lock()
        self.last_published: float | None = None  # steady clock, seconds

    def add(self, stamp_latency: float, receive_latency: float) -> None:
        """Record a frame that was published now.

        Args:
            stamp_latency: seconds since its stamp, NaN where the clocks differ.
            receive_latency: seconds since its arrival.
        """
        with self._lock:
            self._frames.append((stamp_latency, receive_latency))
            self.last_published = time.monotonic()

    def values(self) -> dict[str, str]:
        """Return median and maximum of both latencies in seconds, or nothing before the first frame."""
        with self._lock:
            frames = list(self._frames)
        known = {
            "latency": [stamp for stamp, _ in frames if not math.isnan(stamp)],
            "receive latency": [receive for _, receive in frames],
        }
        return {
            f"{name}, {kind} [s]": f"{summary(seconds):.3f}"
            for name, seconds in known.items()
            if seconds
            for kind, summary in (("median", statistics.median), ("maximum", max))
        }


def status(name: str, hardware: str, fine: str, conditions: Conditions, values: Mapping[str, Any]) -> DiagnosticStatus:
    """Create a status for /diagnostics with the worst level, all messages and the values.

    Args:
        name: as robot_monitor shows it, "node: part".
        hardware: camera topic or device.
        fine: message where nothing is wrong.
        conditions: of this part.
        values: shown as text.
    """
    current = conditions.current()
    return DiagnosticStatus(
        level=current[0].level if current else OK,
        name=name,
        message="; ".join(item.text for item in current) or fine,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
