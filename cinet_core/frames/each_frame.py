"""Predicts on the frames of a source, one after the other; one bad frame among many does not end it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cinet_core.data.frame_sources import Frame, FrameSource
from cinet_core.geometry import Intrinsics
from cinet_core.inference.prediction import Prediction
from cinet_core.inference.predictor import Predictor
from cinet_core.progress import Progress

__all__ = ["FrameCamera", "FrameCount", "each_frame"]


@dataclass(frozen=True)
class FrameCamera:
    """The camera of the frames, where something else is to be taken than what the source says.

    Attributes:
        focal: fx, fy, cx, cy in pixels of the image as it is seen upright.
        fov: horizontal field of view in degrees; it counts before `focal`.
    """

    focal: Sequence[float] | None = None
    fov: float | None = None

    def of(self, frame: Frame) -> Intrinsics | None:
        """Of a frame's image; None where neither this nor the source knows it.

        Raises:
            ValueError: the field of view is not between 0 and 180 degrees, or a focal length is not above 0.
        """
        height, width = frame.image.shape[:2]
        if self.fov is not None:
            return Intrinsics.from_fov(width, height, self.fov)
        if self.focal is not None:
            fx, fy, cx, cy = self.focal
            return Intrinsics(fx, fy, cx, cy, width, height)
        return frame.intrinsics


@dataclass(frozen=True)
class FrameCount:
    """What became of the frames of a source.

    Attributes:
        done: frames that were predicted on and used.
        failed: frames that could not be read, predicted or used.
    """

    done: int
    failed: int


def each_frame(
    source: FrameSource,
    predictor: Predictor,
    use: Callable[[int, Frame, Prediction], None],
    *,
    camera: FrameCamera,
    unknown_camera: str,
    every: int = 1,
    limit: int | None = None,
    progress: Progress,
) -> FrameCount:
    """Predict on the frames of a source and use what was predicted.

    Args:
        source: of the frames.
        predictor: of the network.
        use: called with the number of the frame among those taken, the frame, and the prediction, in which what the
            frame's mask leaves out is invalid; a ValueError or OSError that it raises counts as a failure of the frame.
        camera: in place of what the source says.
        unknown_camera: what to warn of, once, where the camera of a frame is not known.
        every: take every N-th frame, from the first.
        limit: stop after so many; None = at the end of the source.
        progress: is told of the frames, of what is wrong with the camera, and of each failure that the source does not
            log itself.

    Raises:
        ValueError: `every` or `limit` is below 1.
    """
    if every < 1 or (limit is not None and limit < 1):
        raise ValueError(f"every is {every} and limit {limit}: both must be at least 1")
    said: set[str] = set()
    done = failed = 0
    progress.begin(source.name, _count(source, every, limit))
    for number, frame in enumerate(_taken(source, every, limit)):
        try:
            intrinsics = camera.of(frame)
            warning = unknown_camera if intrinsics is None else predictor.focal_warning(intrinsics)
            if warning and warning not in said:
                said.add(warning)
                progress.warn(warning)
            use(number, frame, predictor(frame.image, intrinsics).within(frame.valid))
        except (ValueError, OSError) as error:
            progress.broken(f"{frame.name}: {error}")
            failed += 1
        else:
            done += 1
        progress.advance(number + 1)
    return FrameCount(done, failed + len(source.failures))


def _taken(source: FrameSource, every: int, limit: int | None) -> Iterator[Frame]:
    return itertools.islice(source, 0, None if limit is None else every * (limit - 1) + 1, every)


def _count(source: FrameSource, every: int, limit: int | None) -> int | None:
    """How many frames will be taken; None where the source does not know how many it has."""
    total = math.ceil(len(source) / every) if len(source) else None
    if limit is None:
        return total
    return limit if total is None else min(total, limit)
