"""By which time the messages of several topics are paired: their stamps, or when they were recorded.

Stamps are the better time, as long as a driver sets them, and all by one clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["TopicTimes", "common_clock", "unusable"]


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

    def mended(self) -> tuple[array[int], int]:
        """The stamps, where those that are 0 or occur twice are set to when the message was recorded, less the delay.

        A camera's first frames may come before its clock is set, and a bag may hold a stretch of time twice (a player
        that loops was recorded): such stamps would pair a message with another one's partner. The delay between stamp
        and recording is the median of the others'.

        Returns:
            Stamps of all messages, and how many were set. The topic must be one that `unusable` finds no fault with.
        """
        stamps = np.array(self.stamps, dtype=np.int64)
        _, places, counts = np.unique(stamps, return_inverse=True, return_counts=True)
        bad = (stamps == 0) | (counts[places.reshape(-1)] > 1)
        if bad.any():
            recorded = np.asarray(self.recorded)
            delays = np.sort(recorded[~bad] - stamps[~bad])
            stamps[bad] = recorded[bad] - delays[len(delays) // 2]
        return array("q", stamps.tobytes()), int(bad.sum())


def common_clock(topics: Mapping[str, TopicTimes], tolerance: int) -> str:
    """Why the messages cannot be paired by their stamps, but by the time of recording; "" where they can.

    Args:
        topics: the first is paired with each of the others.
        tolerance: largest difference of a pair.
    """
    for topic, times in topics.items():
        if problem := unusable(times.stamps):
            return f"the header stamps of {topic} {problem}"
    stamps = {topic: times.mended()[0] for topic, times in topics.items()}
    first, *others = topics
    for other in others:
        recorded = topics[first].recorded, topics[other].recorded
        if not _meet(stamps[first], stamps[other], tolerance) and _meet(*recorded, tolerance):
            return f"the header stamps of {first} and {other} are of two clocks"
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
    if 1 < len(stamps) >= 2 * different:
        return f"are only {different} different ones in {len(stamps)} messages"
    return ""


def _meet(one: Sequence[int], other: Sequence[int], tolerance: int) -> bool:
    """Whether any time of the one is that of the other, within the tolerance; so where either is empty."""
    if not one or not other:
        return True
    times = np.sort(np.array(other, dtype=np.int64))
    wanted = np.array(one, dtype=np.int64)
    after = np.searchsorted(times, wanted).clip(max=len(times) - 1)
    before = (after - 1).clip(min=0)
    gaps = np.minimum(np.abs(times[after] - wanted), np.abs(times[before] - wanted))
    return bool((gaps <= tolerance).any())
