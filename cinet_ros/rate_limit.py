"""A limit on how often something happens, which may change at any time."""

from __future__ import annotations

# Events that a quiet moment saves up: one to come at once, one for the jitter of a camera at just the allowed rate.
BURST = 2.0


class RateLimit:
    """Limits events to a rate with a token bucket, which meets the mean rate exactly.

    Waiting for a fixed time since the last event would instead halve the rate of a camera whose frames come a
    millisecond early now and then.
    """

    def __init__(self) -> None:
        self._credit = BURST
        self._last: float | None = None

    def allows(self, rate: float, now: float) -> bool:
        """Return whether an event may happen now. If so it is counted.

        Args:
            rate: Hz that may not be exceeded; 0 for no limit.
            now: steady clock, seconds; does not go back.
        """
        if self._last is not None:
            self._credit = min(BURST, self._credit + (now - self._last) * rate)
        self._last = now
        if rate <= 0:
            self._credit = BURST
            return True
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True
