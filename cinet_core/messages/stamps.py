"""What is odd about the header stamps of a camera's images."""

from __future__ import annotations

__all__ = ["BACKWARD", "DUPLICATE", "ZERO", "StampWatch"]

ZERO, DUPLICATE, BACKWARD = "zero", "duplicate", "backward"


class StampWatch:
    """Looks at one stamp after another.

    >>> watch = StampWatch()
    >>> [watch.odd(stamp) for stamp in (5, 5, 3, 0, 9)]
    [None, 'duplicate', 'backward', 'zero', None]
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def odd(self, stamp: int) -> str | None:
        """What is odd about a stamp, beside the one before it: `ZERO`, `DUPLICATE` or `BACKWARD`; None: nothing.

        Args:
            stamp: nanoseconds; 0 is no time at all.
        """
        last, self._last = self._last, stamp
        if stamp == 0:
            return ZERO
        if last is None or stamp > last:
            return None
        return DUPLICATE if stamp == last else BACKWARD
