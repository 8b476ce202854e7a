"""By which time the messages of several topics are paired: their stamps, or when they were recorded.

Stamps are the better time, as long as a driver sets them, and all by one clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class TopicTimes:
    """Times of the messages of a topic, in the order of the bag, nanoseconds.

    Attributes:
        stamps: of the headers.
        recorded: when they were recorded.
    """

    stamps: array[int] = field(default_factory=lambda: array("q"))
    recorded: array[int] = field(default_factory=lambda: array("q"))

    def add(self, stamp: int, recorded: int) -> None:
        """Take a message."""
        self.stamps.append(stamp)
        self.recorded.append(recorded)


def common_clock(topics: Mapping[str, TopicTimes], tolerance: int) -> str:
    """Why the messages cannot be paired by their stamps, but by the time of recording; "" where they can.

    Args:
        topics: the first is paired with each of the others.
        tolerance: largest difference of a pair.
    """
    for topic, times in topics.items():
        if problem := unusable(times.stamps):
            return f"the header stamps of {topic} {problem}"
    (first, image), *others = topics.items()
    for topic, times in others:
        if _apart(image.stamps, times.stamps, tolerance) and not _apart(image.recorded, times.recorded, tolerance):
            return f"the header stamps of {first} and {topic} are of two clocks"
    return ""


def unusable(stamps: Sequence[int]) -> str:
    """What is wrong with the stamps of a topic; "" where nothing is."""
    zeros = sum(stamp == 0 for stamp in stamps)
    if zeros and zeros == len(stamps):
        return "are all 0"
    if 2 * zeros > len(stamps):
        return f"are 0 in {zeros} of {len(stamps)} messages"
    different = len(set(stamps))
    if different == 1 < len(stamps):
        return "are all the same"
    if 2 * different < len(stamps):
        return f"are only {different} different ones in {len(stamps)} messages"
    return ""


def _apart(one: Sequence[int], other: Sequence[int], tolerance: int) -> bool:
    """Whether two spans of time do not even touch."""
    if not one or not other:
        return False
    return min(one) - max(other) > tolerance or min(other) - max(one) > tolerance
