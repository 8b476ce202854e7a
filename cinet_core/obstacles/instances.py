"""Objects of a frame: pixels of one class that are connected in 3D, each with a box around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.obstacles.pixel_grid import PixelGrid
from cinet_core.obstacles.segmented import ABOVE, STANDING, SegmentedFrame

__all__ = ["ObjectInstance", "connected_things", "find_instances", "upright_box"]

MAX_PARTS = 64
"""The largest are looked at; a frame with more shows no furniture, but mistaken labels."""

FITTED = 200
"""Points that the yaw of a box is fitted to at most."""

YAWS = np.radians(np.arange(0.0, 90.0, 2.0))
"""That are tried; a box has four that are the same."""

CLOSEST = 0.02
"""Metres: nearer points are on a side."""


@dataclass(frozen=True, eq=False)
class ObjectInstance:
    """A thing, with an upright box around it.

    Attributes:
        label: class id.
        name: of the class.
        centre: (3,) float64 metres, the middle of the box.
        size: (3,) float64 metres: length along the yaw, width to its left, height.
        yaw: radians from x towards y to the box's length, from -pi/2 to pi/2: a box has no front.
        confidence: 0 to 1, mean of the pixels' confidence in the label; 1 where the frame had none.
        pixels: how many.
        dynamic: whether the class moves by itself.
    """

    label: int
    name: str
    centre: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    yaw: float
    confidence: float
    pixels: int
    dynamic: bool


def find_instances(segmented: SegmentedFrame, label_set: LabelSet) -> list[ObjectInstance]:
    """Return the instances of the object classes within ``max_range``, in the base frame, largest first.

    Two neighbouring pixels belong together if they have one class and depths within ``object_jump`` of each other.
    The box is upright, and its sides are where the pixels are; parts that are hidden are not in it.
    """
    grid, settings = segmented.grid, segmented.settings
    wanted = segmented.groups.pick(segmented.groups.objects, grid.labels)
    wanted = wanted & ((segmented.kinds == STANDING) | (segmented.kinds == ABOVE))
    things = connected_things(
        grid, wanted, settings.object_jump, settings.object_gap, settings.object_min_pixels, settings.max_range
    )
    found = []
    for pixels in things:
        points = grid.points(pixels)
        label = int(grid.labels.ravel()[pixels[0]])
        sure = grid.confidence_of(pixels)
        confidence = 1.0 if sure is None else float(sure.mean()) / 255.0
        centre, size, yaw = upright_box(points)
        if size.max() >= settings.object_min_size:
            dynamic = bool(segmented.groups.dynamic[label])
            name = label_set.classes[label]
            found.append(ObjectInstance(label, name, centre, size, yaw, confidence, len(pixels), dynamic))
    return sorted(found, key=lambda instance: -instance.pixels)


def connected_things(
    grid: PixelGrid,
    wanted: npt.NDArray[np.bool_],
    jump: float,
    gap: float,
    min_pixels: int,
    max_range: float = math.inf,
) -> list[npt.NDArray[np.intp]]:
    """Return the pixels of each thing, as indices into the raveled grid: parts, which others may divide, are joined.

    Args:
        grid: of a frame.
        wanted: (h, w) bool: the pixels of the classes looked for, where depth is known.
        jump: share of depth by which neighbours of one thing may differ.
        gap: metres between parts of one class, axis by axis, up to which they are one thing.
        min_pixels: smaller things are left out.
        max_range: metres from the origin of the grid's frame, on the floor, within which some of a part must be.
    """
    numbers = _connected(grid.depth, grid.labels, wanted, jump).ravel()
    counts = np.bincount(numbers)
    counts[0] = 0
    largest = np.argsort(-counts, kind="stable")[:MAX_PARTS]
    least = max(1, min_pixels // 4)
    parts, boxes, labels = [], [], []
    for number in largest[counts[largest] >= least].tolist():
        pixels = np.flatnonzero(numbers == number)
        points = grid.points(pixels)
        if float(np.hypot(points[:, 0], points[:, 1]).min()) <= max_range:
            parts.append(pixels)
            boxes.append((points.min(axis=0), points.max(axis=0)))
            labels.append(int(grid.labels.ravel()[pixels[0]]))
    joined = _joined(boxes, labels, gap)
    things = [np.concatenate([parts[i] for i in members]) for members in joined]
    return [pixels for pixels in things if len(pixels) >= min_pixels]


def _joined(
    boxes: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]], labels: list[int], gap: float
) -> list[list[int]]:
    """Groups of boxes of one label that are no farther from one another than the gap."""
    groups: list[list[int]] = []
    for index, (low, high) in enumerate(boxes):
        near = [
            group
            for group in groups
            if labels[group[0]] == labels[index]
            and any(np.maximum(0, np.maximum(low - boxes[i][1], boxes[i][0] - high)).max() <= gap for i in group)
        ]
        groups = [group for group in groups if not any(group is other for other in near)]
        groups.append([index, *(i for group in near for i in group)])
    return groups


def _connected(
    depth: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8], wanted: npt.NDArray[np.bool_], jump: float
) -> npt.NDArray[np.int32]:
    """(h, w) number of the component of each pixel, 0 for none.

    OpenCV connects whatever is not 0. So pixels are spread out to every second row and column, and what is between
    two is set where they belong together.
    """
    height, width = depth.shape
    spread = np.zeros((2 * height - 1, 2 * width - 1), dtype=np.uint8)
    spread[::2, ::2] = wanted
    limit = np.float32(1.0 + jump)
    with np.errstate(invalid="ignore"):
        for first, second, between in (
            (np.s_[:, :-1], np.s_[:, 1:], np.s_[::2, 1::2]),
            (np.s_[:-1], np.s_[1:], np.s_[1::2, ::2]),
        ):
            a, b = depth[first], depth[second]
            together = (labels[first] == labels[second]) & wanted[first] & wanted[second]
            spread[between] = together & (a <= limit * b) & (b <= limit * a)
    return cv2.connectedComponents(spread, connectivity=4)[1][::2, ::2]


def upright_box(
    points: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Return centre, size and yaw, as `ObjectInstance` has them, of the upright box whose sides points are nearest to.

    A camera sees two sides of a box, and about the L of their outline all boxes along an edge of its hull have one
    area. So the yaw is the one of greatest closeness (Zhang et al., "Efficient L-Shape Fitting for Vehicle Detection
    Using Laser Scanners", 2017): the sum of 1 / distance to the nearest side.
    """
    step = -(-len(points) // FITTED)
    xy = points[::step, :2].astype(np.float64)
    along = xy @ np.stack([np.cos(YAWS), np.sin(YAWS)])
    across = xy @ np.stack([-np.sin(YAWS), np.cos(YAWS)])
    to_side = np.minimum(_to_ends(along), _to_ends(across))
    yaw = float(YAWS[int((1.0 / np.maximum(to_side, CLOSEST)).sum(axis=0).argmax())])
    turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    own = points[:, :2].astype(np.float64) @ turn
    low, high = own.min(axis=0), own.max(axis=0)
    length, width = (high - low).tolist()
    if width > length:
        length, width, yaw = width, length, yaw + math.pi / 2
    yaw = (yaw + math.pi / 2) % math.pi - math.pi / 2
    bottom, top = float(points[:, 2].min()), float(points[:, 2].max())
    return np.array([*(turn @ ((low + high) / 2)), (bottom + top) / 2]), np.array([length, width, top - bottom]), yaw


def _to_ends(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How far each of (N, K) is from the nearer of its column's ends."""
    return np.minimum(places - places.min(axis=0), places.max(axis=0) - places)
