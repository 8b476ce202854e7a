"""What is wrong now, each with its remedy: logged once when it starts, shown in /diagnostics while it lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

# A condition that nobody reports anew for this long is over.
LASTS = 5.0

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Condition:
    """Something that is not as it should be."""

    level: bytes
    text: str
    reported: float  # steady clock, seconds
    lasting: bool


class Conditions:
    """Current conditions by key; safe from any thread."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._conditions: dict[str, Condition] = {}
        self._lock = threading.Lock()

    def report(self, key: str, level: bytes, text: str, *, lasting: bool = False) -> None:
        """Say that a condition holds now; ``lasting`` ones hold until cleared, others for `LASTS` seconds."""
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
        """Say that a condition is over."""
        with self._lock:
            self._conditions.pop(key, None)

    def clear_all(self) -> None:
        """Forget everything, for a fresh start."""
        with self._lock:
            self._conditions.clear()

    def current(self) -> list[Condition]:
        """Conditions that hold, worst first."""
        now = time.monotonic()
        with self._lock:
            holding = [item for item in self._conditions.values() if not self._is_over(item, now)]
        return sorted(holding, key=lambda item: item.level, reverse=True)

    @staticmethod
    def _is_over(condition: Condition, now: float) -> bool:
        return not condition.lasting and now - condition.reported > LASTS


def status(name: str, hardware: str, fine: str, conditions: Conditions, values: Mapping[str, Any]) -> DiagnosticStatus:
    """One row of /diagnostics: the worst level, all texts, and the figures.

    Args:
        name: as robot_monitor shows it, "node: part".
        hardware: camera topic or device.
        fine: message where nothing is wrong.
        conditions: of this part.
        values: figures, shown as text.
    """
    current = conditions.current()
    return DiagnosticStatus(
        level=current[0].level if current else OK,
        name=name,
        message="; ".join(item.text for item in current) or fine,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
