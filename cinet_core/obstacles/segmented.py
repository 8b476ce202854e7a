"""Every pixel of the grid as what it is to a robot: floor, obstacle, passed under, below the floor, or none of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.obstacles.class_groups import ClassGroups
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.glass import settle_glass
from cinet_core.obstacles.ground import Ground, fit_ground
from cinet_core.obstacles.pixel_grid import PixelGrid, pixel_grid
from cinet_core.obstacles.settings import ObstacleSettings

__all__ = ["ABOVE", "BELOW", "FLYING", "GROUND", "STANDING", "UNKNOWN", "SegmentedFrame", "segment"]

UNKNOWN, GROUND, STANDING, ABOVE, BELOW, FLYING = map(np.uint8, range(6))
"""No depth, or none that tells it from floor; floor; an obstacle; passed under; lower than a cliff's edge; no surface
but what lies between two."""


@dataclass(frozen=True, eq=False)
class SegmentedFrame:
    """One frame, pixel by pixel.

    Attributes:
        grid: the pixels, after what the settings do with glass.
        ground: the floor.
        heights: (h, w) float32 metres above the floor beneath; without meaning where depth is unknown.
        kinds: (h, w) uint8, one of `UNKNOWN`, `GROUND`, `STANDING`, `ABOVE`, `BELOW`, `FLYING`. Range is not yet
            limited.
        groups: tables of the label set's classes.
        settings: with which this was made.
    """

    grid: PixelGrid
    ground: Ground
    heights: npt.NDArray[np.float32]
    kinds: npt.NDArray[np.uint8]
    groups: ClassGroups
    settings: ObstacleSettings

    def pixels(self, kind: np.uint8) -> npt.NDArray[np.intp]:
        """Return (N,) indices of the pixels of a kind into the raveled grid."""
        return np.flatnonzero(self.kinds == kind)


def segment(frame: DepthFrame, label_set: LabelSet, settings: ObstacleSettings | None = None) -> SegmentedFrame:
    """Tell floor from obstacles, by label and by geometry.

    A pixel is an obstacle where it rises more than ``min_height`` above the floor, or more than ``floor_tolerance``
    if it is labelled as floor, each plus twice what depth is uncertain by (a share of the camera's height, since an
    error along a ray moves a point on the floor by that share of it), against the floor that is fitted to the same
    depth: what scale is uncertain by moves both. So a carpet of another class is floor, since it
    is flat, and a box that is labelled as floor is an obstacle, since it is not. What is above ``max_height``, or
    labelled as ceiling above half of it, is passed under. What is not labelled as floor and would be an obstacle (or
    lie below the floor) but for its own uncertainty is unknown: neither an obstacle nor floor.

    Flying pixels are told by their neighbours alone, in time linear in the pixels: between a nearer and a farther one
    there is no surface, and a speckle has hardly any neighbour at its own depth.

    Args:
        frame: depth, labels and pose.
        label_set: of the labels.
        settings: None for the defaults.

    Raises:
        ValueError: the settings name a class that no label set has.
    """
    settings = settings or ObstacleSettings()
    groups = ClassGroups.of(label_set, settings)
    grid = settle_glass(pixel_grid(frame, settings), groups, settings)
    ground = fit_ground(grid, groups, settings)
    heights = ground.heights(grid)
    return SegmentedFrame(grid, ground, heights, _kinds(grid, ground, heights, groups, settings), groups, settings)


def _kinds(
    grid: PixelGrid,
    ground: Ground,
    heights: npt.NDArray[np.float32],
    groups: ClassGroups,
    settings: ObstacleSettings,
) -> npt.NDArray[np.uint8]:
    camera_height = _camera_height(grid, ground)
    usual = np.float32(2.0 * settings.depth_noise * camera_height)
    noise: npt.NDArray[np.float32] | np.float32 = usual
    noise_below = noise
    if grid.uncertainty is not None:
        # A point on the floor whose ln depth is off by e lies (1 - exp(e)) of the camera's height above it: less than
        # the camera however far off its depth is, and any distance below.
        off = np.exp(np.float32(-2.0) * _beside_the_floor(grid, grid.uncertainty, ground, heights, settings))
        noise, noise_below = (np.float32(camera_height) * share for share in (1.0 - off, 1.0 / off - 1.0))
    clear = heights - noise
    standing = clear > np.float32(settings.min_height)
    if settings.floor_tolerance > settings.min_height:
        standing &= ~groups.pick(groups.floor, grid.labels) | (clear > np.float32(settings.floor_tolerance))
    is_ceiling = groups.pick(groups.ceiling, grid.labels)
    above = heights > np.float32(settings.max_height)
    above |= is_ceiling & (heights > np.float32(0.5 * settings.max_height))
    below = heights + noise_below < np.float32(-settings.cliff_drop)
    kinds = np.full(heights.shape, GROUND, dtype=np.uint8)
    if grid.uncertainty is not None:
        # What may stand there or not is neither marked nor cleared: free is what is seen to be floor.
        doubtful = (heights > settings.min_height + usual) | (heights < -settings.cliff_drop - usual)
        np.copyto(kinds, UNKNOWN, where=doubtful & ~groups.pick(groups.floor, grid.labels))
    np.copyto(kinds, STANDING, where=standing)
    np.copyto(kinds, ABOVE, where=above)
    np.copyto(kinds, BELOW, where=below)
    if settings.edge_jump > 0:
        # Floor seen at a grazing angle is as steep as an edge, and is told by its plane.
        np.copyto(kinds, FLYING, where=_flying(grid, settings) & (kinds != GROUND))
    np.copyto(kinds, UNKNOWN, where=~grid.known)
    return kinds


def _camera_height(grid: PixelGrid, ground: Ground) -> float:
    """Metres of the camera above the nearest floor."""
    return abs(float(ground.patches[0].heights(grid.origin.astype(np.float64))))


def _beside_the_floor(
    grid: PixelGrid,
    uncertainty: npt.NDArray[np.float32],
    ground: Ground,
    heights: npt.NDArray[np.float32],
    settings: ObstacleSettings,
) -> npt.NDArray[np.float32]:
    """(h, w) how uncertain a depth is against that of the floor, as a share of it.

    The floor is fitted to the same depth, so that what all of it is off by, mostly its scale, is off the heights. What
    is left is how the floor scatters about its planes, and by how much a pixel is less certain than the floor.
    """
    with np.errstate(invalid="ignore"):  # where neither is finite; what is unknown is not looked at
        share = np.divide(uncertainty, grid.depth)
    # NaN counts as the default: a network that does not say is not certain.
    share = np.minimum(np.where(share >= 0, share, np.float32(settings.depth_noise)), np.float32(1.0))
    if ground.source == "pose":
        return share
    every, camera_height = np.s_[::4, ::4], _camera_height(grid, ground)
    limit = np.float32(settings.floor_tolerance + 2.0 * settings.depth_noise * camera_height)
    floor = share[every][grid.known[every] & (np.abs(heights[every]) <= limit)]
    if len(floor) == 0:
        return share
    common = np.float32(np.median(floor))
    own = min(float(common), ground.scatter / max(camera_height, 1e-3))
    return np.sqrt(np.maximum(share * share - common * common, np.float32(0.0)) + np.float32(own * own))


def _flying(grid: PixelGrid, settings: ObstacleSettings) -> npt.NDArray[np.bool_]:
    """(h, w) bool: between a nearer and a farther neighbour, or with too few neighbours of its own depth."""
    jump = np.float32(1.0 + settings.edge_jump)
    square = np.ones((3, 3), np.uint8)
    # Unknown neighbours are neither nearer nor farther: infinite for the one, 0 for the other.
    nearest = cv2.erode(grid.depth, square, borderType=cv2.BORDER_REPLICATE)
    farthest = cv2.dilate(grid.finite_depth, square, borderType=cv2.BORDER_REPLICATE)
    nearest *= jump
    flying = (grid.finite_depth > nearest) & (farthest > grid.finite_depth * jump)
    if settings.min_neighbours > 0:
        flying |= _companions(grid.finite_depth, settings.edge_jump) < settings.min_neighbours
    return flying


def _companions(depth: npt.NDArray[np.float32], jump: float) -> npt.NDArray[np.uint8]:
    """(h, w) how many of the eight neighbours have the same depth but for a jump. Beyond the border there are none."""
    count = np.zeros(depth.shape, dtype=np.uint8)
    limit = depth * np.float32(jump)
    everything, but_last, but_first = slice(None), slice(None, -1), slice(1, None)
    pairs = (
        ((everything, but_last), (everything, but_first)),
        ((but_last, everything), (but_first, everything)),
        ((but_last, but_last), (but_first, but_first)),
        ((but_last, but_first), (but_first, but_last)),
    )
    for one, other in pairs:
        same = (cv2.absdiff(depth[one], depth[other]) <= limit[one]).view(np.uint8)
        count[one] += same
        count[other] += same
    return count
