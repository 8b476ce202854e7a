"""Chooses among frames: what cannot be used is left out, and of the rest those that cover it (k-center, greedily).

The greedy k-center (Gonzalez 1985; as core-set, Sener and Savarese 2018) takes at each step the frame that is farthest
from all that were taken: no frame is then more than twice as far from a chosen one as the best choice has it. Distances
are of appearance, place and depth together, and longer where the network is uncertain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from cinet_core.selection.features import FrameFeatures
from cinet_core.selection.settings import SelectionSettings

__all__ = ["Verdict", "choose", "relative_sharpness"]

Verdict = Literal["chosen", "blurred", "dark", "bright", "clipped", "duplicate", "covered"]
"""Why a frame is taken or not: "covered" frames differ enough, but more were not asked for."""

Array = npt.NDArray[np.float64]

MAX_PLACE = 2.0
"""Metres, or half radians, beyond which places are equally far apart."""


def choose(frames: Sequence[FrameFeatures], count: int, settings: SelectionSettings) -> list[Verdict]:
    """Say of each frame whether it is taken.

    Args:
        frames: in the order of their recordings.
        count: how many to take at most.
        settings: see there.

    Raises:
        ValueError: the count is below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}: at least 1 frame must be chosen")
    verdicts = _usable(frames, settings)
    left = [number for number, verdict in enumerate(verdicts) if verdict == "covered"]
    if not left:
        return verdicts
    taken, distance = _centres([frames[number] for number in left], count, settings)
    for place, number in enumerate(left):
        if place in taken:
            verdicts[number] = "chosen"
        elif distance[place] < settings.least_distance:
            verdicts[number] = "duplicate"
    return verdicts


def relative_sharpness(frames: Sequence[FrameFeatures], around: int) -> Array:
    """(N,) sharpness by its median over the frames around, of the same world."""
    values = np.array([frame.sharpness for frame in frames])
    found = np.empty(len(frames))
    for number, frame in enumerate(frames):
        first, last = max(0, number - around), number + around + 1
        near = [value for value, other in zip(values[first:last], frames[first:last], strict=True)
                if other.world == frame.world]  # fmt: skip
        found[number] = values[number] / max(float(np.median(near)), 1e-9)
    return found


def _usable(frames: Sequence[FrameFeatures], settings: SelectionSettings) -> list[Verdict]:
    verdicts: list[Verdict] = []
    low, high = settings.luminance
    for frame, sharp in zip(frames, relative_sharpness(frames, settings.around), strict=True):
        if frame.luminance < low:
            verdicts.append("dark")
        elif frame.luminance > high:
            verdicts.append("bright")
        elif frame.clipped > settings.most_clipped:
            verdicts.append("clipped")
        elif sharp < settings.least_sharpness:
            verdicts.append("blurred")
        else:
            verdicts.append("covered")
    return verdicts


def _centres(frames: Sequence[FrameFeatures], count: int, settings: SelectionSettings) -> tuple[set[int], Array]:
    """Which frames are taken, and how far each is from the nearest of them, uncertainty left aside."""
    embeddings = np.stack([frame.embedding for frame in frames]).astype(np.float64)
    depths = np.log(np.maximum([frame.median_depth for frame in frames], 0.05))
    ranks = np.argsort(np.argsort([frame.uncertainty for frame in frames], kind="stable"), kind="stable")
    factor = 1 + settings.uncertainty * ranks / max(len(frames) - 1, 1)
    distance = np.full(len(frames), np.inf)
    taken: set[int] = set()
    following = int(np.argmax(factor))
    while len(taken) < count:
        taken.add(following)
        distance = np.minimum(distance, _distances(frames, following, embeddings, depths, settings))
        wanted = np.where(distance < settings.least_distance, -1.0, distance * factor)
        following = int(np.argmax(wanted))
        if wanted[following] < 0 or following in taken:
            break
    return taken, distance


def _distances(
    frames: Sequence[FrameFeatures], number: int, embeddings: Array, depths: Array, settings: SelectionSettings
) -> Array:
    """(N,) of one frame to all."""
    appearance = settings.appearance * np.linalg.norm(embeddings - embeddings[number], axis=1)
    depth = settings.depth * (depths - depths[number])
    place = settings.place * _apart(frames, number)
    return np.sqrt(appearance**2 + depth**2 + place**2)


def _apart(frames: Sequence[FrameFeatures], number: int) -> Array:
    """(N,) metres and half radians of one camera from all, at most `MAX_PLACE`; 0 where a pose is not known."""
    own = frames[number]
    found = np.zeros(len(frames))
    if own.pose is None:
        return found
    known = [place for place, frame in enumerate(frames) if frame.pose is not None]
    poses = np.stack([pose for frame in frames if (pose := frame.pose) is not None])
    shift = np.linalg.norm(poses[:, :3, 3] - own.pose[:3, 3], axis=1)
    turn = 2 * np.arccos(np.clip(poses[:, :3, 2] @ own.pose[:3, 2], -1, 1))
    same = np.array([frames[place].world == own.world for place in known])
    found[known] = np.where(same, np.minimum(np.hypot(shift, turn), MAX_PLACE), MAX_PLACE)
    return found
