"""Points of images, tracked from one to the next: pyramidal Lucas-Kanade with a forward-backward check.

Kept are a few earlier images (keyframes) in which enough has moved, and the current one. A track is a row of the same
point's pixels in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["TrackWindow", "TrackedFrame"]

MAX_TRACKS = 500
MIN_DISTANCE = 10
"""Pixels between corners where they are found."""

QUALITY = 0.001
"""Of a corner, as a part of the best one's."""

ROUND_TRIP = 0.5
"""Pixels that a point tracked there and back may be off."""

KEYFRAME_FLOW = 8.0
"""Pixels, median, that tracks move between two keyframes."""

MAX_WIDTH = 640
"""Larger images are tracked at this width: pixels are those of the image all the same."""

WINDOW = (15, 15)
LEVELS = 3
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03)


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """An image of the window.

    Attributes:
        seconds: when it was taken.
        context: what the owner keeps with it, such as a pose.
        numbers: (N,) of the tracks that it shows, rising.
        pixels: (N, 2) float32, of the full image.
        certainty: (N, 2, 2) by which differences of pixels are to be multiplied: 1 across an edge, less along it.
    """

    seconds: float
    context: Any
    numbers: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.float32]
    certainty: npt.NDArray[np.float64]


@dataclass
class TrackWindow:
    """Tracks through the last images of a camera.

    Attributes:
        length: how many keyframes are kept beside the current image.
        max_seconds: keyframes older than this are dropped.
        keyframes: from old to new.
        current: the newest image; None before the first.
    """

    length: int = 7
    max_seconds: float = 3.0
    keyframes: list[TrackedFrame] = field(default_factory=list)
    current: TrackedFrame | None = None
    _grey: npt.NDArray[np.uint8] | None = None
    _scale: float = 1.0
    _next: int = 0

    def clear(self) -> None:
        """Forget all images."""
        self.keyframes.clear()
        self.current, self._grey = None, None

    def add(
        self,
        image: npt.NDArray[np.uint8],
        seconds: float,
        context: Any = None,
        excluded: npt.NDArray[np.bool_] | None = None,
    ) -> TrackedFrame:
        """Track into an image.

        Args:
            image: (H, W) uint8 grey, or (H, W, 3) RGB.
            seconds: when it was taken; one earlier than the image before starts anew.
            context: to be kept with it.
            excluded: (h, w) bool of any resolution: no point is taken there.
        """
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        scale = min(1.0, MAX_WIDTH / grey.shape[1])
        if scale < 1.0:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        before = self.current
        if before is not None and (seconds < before.seconds or self._grey is None or self._grey.shape != grey.shape):
            self.clear()
            before = None
        tensor = _structure(grey)
        numbers, points = np.zeros(0, np.int64), np.zeros((0, 2), np.float32)
        if before is not None and self._grey is not None and len(before.numbers):
            start = ((before.pixels + 0.5) * self._scale - 0.5).astype(np.float32)
            points, good = _followed(self._grey, grey, start)
            numbers, points = before.numbers[good], points[good]
        mask = _free(grey.shape, excluded)
        if mask is not None and len(points):
            column, row = np.rint(points).astype(np.intp).T
            kept = mask[row, column] > 0
            numbers, points = numbers[kept], points[kept]
        if len(points) < 0.8 * MAX_TRACKS:
            new = _corners(grey, points, mask)
            numbers = np.concatenate([numbers, np.arange(self._next, self._next + len(new))])
            self._next += len(new)
            points = np.concatenate([points, new])
        self._grey, self._scale = grey, scale
        place = np.minimum((points / 2).astype(np.intp), (tensor.shape[1] - 1, tensor.shape[0] - 1))
        certainty = _certainty(tensor[place[:, 1], place[:, 0]])
        pixels = ((points + 0.5) / scale - 0.5).astype(np.float32)
        frame = TrackedFrame(seconds, context, numbers, pixels, certainty)
        self._keep(before, frame)
        self.current = frame
        return frame

    def observations(
        self, minimum: int = 2
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], list[Any]]:
        """Tracks of the current image in the keyframes.

        Args:
            minimum: keyframes that a track must be seen in.

        Returns:
            (N, 2) pixels in the current image; (F, N, 2) pixels in the keyframes, NaN where not seen; (N, 2, 2)
            `TrackedFrame.certainty`; the contexts of the F keyframes.
        """
        assert self.current is not None, "add an image first"
        current = self.current
        seen = np.full((len(self.keyframes), len(current.numbers), 2), np.nan)
        for one, frame in zip(seen, self.keyframes, strict=True):
            _, here, there = np.intersect1d(current.numbers, frame.numbers, assume_unique=True, return_indices=True)
            one[here] = frame.pixels[there]
        enough = np.isfinite(seen[..., 0]).sum(axis=0) >= minimum
        contexts = [frame.context for frame in self.keyframes]
        return current.pixels[enough].astype(np.float64), seen[:, enough], current.certainty[enough], contexts

    def _keep(self, before: TrackedFrame | None, now: TrackedFrame) -> None:
        """The image before becomes a keyframe where enough has moved since the last one."""
        self.keyframes = [frame for frame in self.keyframes if now.seconds - frame.seconds <= self.max_seconds]
        if before is None:
            return
        if not self.keyframes or _flow(self.keyframes[-1], before) >= KEYFRAME_FLOW:
            self.keyframes.append(before)
            del self.keyframes[: -self.length]


def _flow(first: TrackedFrame, second: TrackedFrame) -> float:
    """Median pixels that the tracks moved; infinite where they share too few."""
    _, here, there = np.intersect1d(first.numbers, second.numbers, assume_unique=True, return_indices=True)
    if len(here) < 10:
        return np.inf
    return float(np.median(np.linalg.norm(first.pixels[here] - second.pixels[there], axis=1)))


def _followed(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], start: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    options: dict[str, Any] = {"winSize": WINDOW, "maxLevel": LEVELS, "criteria": _CRITERIA, "minEigThreshold": 1e-5}
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, start[:, None], None, **options)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(
        second, first, there, start[:, None].copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **options
    )
    there, back = there.reshape(-1, 2), back.reshape(-1, 2)
    inside = ((there >= 0) & (there <= (first.shape[1] - 1, first.shape[0] - 1))).all(axis=1)
    near = np.linalg.norm(back - start, axis=1) < ROUND_TRIP
    return there, (found.ravel() > 0) & (found_back.ravel() > 0) & inside & near


def _free(shape: tuple[int, ...], excluded: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.uint8] | None:
    """255 where points may be."""
    if excluded is None:
        return None
    free = np.where(excluded, 0, 255).astype(np.uint8)
    return cv2.resize(free, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)


def _structure(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(h, w, 3) structure tensor xx, xy, yy of the image at half its size, over windows of 7 pixels."""
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    across = cv2.Sobel(half, cv2.CV_32F, 1, 0, ksize=3)
    down = cv2.Sobel(half, cv2.CV_32F, 0, 1, ksize=3)
    products = np.dstack([across * across, across * down, down * down])
    return cv2.boxFilter(products, -1, (7, 7))


def _eigenvalues(tensor: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The smaller and the larger one of tensors (..., 3)."""
    mean = 0.5 * (tensor[..., 0] + tensor[..., 2])
    half = np.sqrt((0.5 * (tensor[..., 0] - tensor[..., 2])) ** 2 + tensor[..., 1] ** 2)
    return np.maximum(mean - half, 0.0), mean + half


def _certainty(tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(N, 2, 2) square roots of tensors (N, 3), the larger eigenvalue 1: how well each direction is tracked."""
    smaller, larger = (value.astype(np.float64) for value in _eigenvalues(tensor))
    matrix = tensor[:, [0, 1, 1, 2]].reshape(-1, 2, 2).astype(np.float64)
    # Of a symmetric 2x2 matrix A: sqrt(A) = (A + sqrt(det A) I) / sqrt(trace A + 2 sqrt(det A)).
    root = np.sqrt(smaller * larger)
    matrix[:, [0, 1], [0, 1]] += root[:, None]
    return matrix / np.maximum(np.sqrt(larger) * np.sqrt(smaller + larger + 2 * root), 1e-12)[:, None, None]


def _corners(
    grey: npt.NDArray[np.uint8], points: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8] | None
) -> npt.NDArray[np.float32]:
    """New corners away from the points there are."""
    free = np.full(grey.shape, 255, np.uint8) if mask is None else mask.copy()
    for x, y in np.rint(points).astype(int).tolist():
        cv2.circle(free, (x, y), MIN_DISTANCE, 0, -1)
    found = cv2.goodFeaturesToTrack(grey, MAX_TRACKS - len(points), QUALITY, MIN_DISTANCE, mask=free)
    if found is None or not len(found):
        return np.zeros((0, 2), np.float32)
    cv2.cornerSubPix(grey, found, (3, 3), (-1, -1), _CRITERIA)
    return found.reshape(-1, 2).astype(np.float32)
