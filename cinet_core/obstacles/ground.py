"""The floor of a frame: one plane near the robot, and the ramps that join it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.obstacles.class_groups import ClassGroups
from cinet_core.obstacles.pixel_grid import PixelGrid, row_and_column
from cinet_core.obstacles.settings import ObstacleSettings

__all__ = ["FloorPatch", "Ground", "fit_ground"]

STRIDE = 4
"""Every fourth pixel each way of the grid is fitted to: 4,800 of 320x240, of which the floor is a part."""

FITTED = 400
"""Points that planes are fitted to at most."""

SAMPLES = 48
"""Triples that are tried: with half of the points in the plane, all miss it with a probability of 0.2 %."""

MIN_POINTS = 25
"""A plane through fewer says nothing."""

PATCHES = 3
"""A floor, a ramp and a landing."""

MIN_LENGTH = 0.4
"""Metres that a ramp has at least, along its slope: a box is no ramp."""

MIN_SHARE = 0.6
"""Of the floor beyond the first plane within a ramp's own outline, how much must lie on the ramp."""

FIT_NOISE = 2.0
"""Standard deviations of depth within which points are near a plane."""

FIT_REACH = 1.5
"""Times max_range, up to where the floor is looked at."""

JOINT = 0.3
"""Metres within which two floors must meet, and that a ramp reaches beyond its points."""


_DRAWN = np.random.default_rng(0).random((SAMPLES, 3))
"""Which points the triples are of, as shares of all; fixed, so that equal frames have equal floors."""


@dataclass(frozen=True, eq=False)
class FloorPatch:
    """A part of the floor: ``z = slope_x x + slope_y y + height`` in the base frame.

    Attributes:
        slope_x, slope_y: rise in a metre along x and y.
        height: metres at the base's origin.
        uphill: (2,) unit vector along which the patch departs from the first; its outline is along and across it.
        along: metres along it, from and to; unlimited for the first patch.
        across: metres to the left of it, from and to.
    """

    slope_x: float
    slope_y: float
    height: float
    uphill: tuple[float, float] = (1.0, 0.0)
    along: tuple[float, float] = (-math.inf, math.inf)
    across: tuple[float, float] = (-math.inf, math.inf)

    @property
    def upwards(self) -> npt.NDArray[np.float64]:
        """(3,) direction whose coordinate, less `height`, is the height above the plane, measured along z."""
        return np.array([-self.slope_x, -self.slope_y, 1.0])

    @property
    def tilt(self) -> float:
        """Slope in degrees."""
        return math.degrees(math.atan(math.hypot(self.slope_x, self.slope_y)))

    def heights(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return (N,) metres above the plane of (N, 3) points."""
        return points @ self.upwards - self.height


@dataclass(frozen=True, eq=False)
class Ground:
    """The floor of a frame.

    Attributes:
        patches: the nearest floor first, then what joins it.
        source: "labels", where pixels labelled as floor were fitted; "geometry", where what lies low was; "pose",
            where neither was enough, and the floor is taken to be where the pose says.
        support: share of the fitted points within the tolerance of a patch; 0 for "pose".
        scatter: metres, robust standard deviation of the fitted points about the nearest patch (1.48 times the median
            of their distances); infinite for "pose".
    """

    patches: tuple[FloorPatch, ...]
    source: str
    support: float
    scatter: float = math.inf

    def heights(self, grid: PixelGrid) -> npt.NDArray[np.float32]:
        """Return (h, w) metres above the patch that is beneath a pixel; anything at pixels of unknown depth."""
        first, *others = self.patches
        heights = grid.coordinates(first.upwards, more=-first.height)
        for patch in others:
            u, v = patch.uphill
            s, t = grid.coordinates(np.array([u, v, 0.0])), grid.coordinates(np.array([-v, u, 0.0]))
            beneath = (s >= patch.along[0]) & (s <= patch.along[1])
            beneath &= (t >= patch.across[0]) & (t <= patch.across[1])
            np.copyto(heights, grid.coordinates(patch.upwards, more=-patch.height), where=beneath)
        return heights

    def heights_of(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return (N,) metres above the patch that is beneath each of (N, 3) points."""
        heights = self.patches[0].heights(points)
        for patch in self.patches[1:]:
            u, v = patch.uphill
            s, t = points @ np.array([u, v, 0.0]), points @ np.array([-v, u, 0.0])
            beneath = (s >= patch.along[0]) & (s <= patch.along[1]) & (t >= patch.across[0]) & (t <= patch.across[1])
            heights = np.where(beneath, patch.heights(points), heights)
        return heights


def fit_ground(grid: PixelGrid, groups: ClassGroups, settings: ObstacleSettings) -> Ground:
    """Fit the floor to what is labelled as floor; to what lies low where too little is; else take the pose's.

    Planes are found by RANSAC (Fischler and Bolles 1981) with fixed samples, and refined by least squares. The first
    is the one of most points, tilted by at most ``max_tilt``. What it leaves may be ramps, of at most ``max_ramp``:
    they must be long, meet the floor that they leave, and have the floor within their outline on them.
    """
    labels = np.ascontiguousarray(grid.labels[::STRIDE, ::STRIDE])
    tolerance = 0.5 * settings.min_height + FIT_NOISE * settings.depth_noise * float(abs(grid.origin[2]))
    floor = _low_points(grid, groups.pick(groups.floor, labels), settings)
    source = "labels"
    plane = _best_plane(floor, settings.max_tilt, tolerance, _margin(grid))
    if plane is None:
        source = "geometry"
        no_floor = groups.ceiling | groups.dynamic | groups.glass
        floor = _low_points(grid, ~groups.pick(no_floor, labels), settings)
        plane = _lowest_plane(floor, settings.max_tilt, tolerance, _margin(grid))
    if plane is None:
        return Ground((FloorPatch(0.0, 0.0, 0.0),), "pose", 0.0)
    patches = [plane]
    off = np.abs(plane.heights(floor))
    rest = floor[off > tolerance]
    while source == "labels" and len(patches) < PATCHES:
        ramp = _joining(rest, patches, settings, tolerance)
        if ramp is None:
            break
        patches.append(ramp)
        rest = rest[np.abs(ramp.heights(rest)) > tolerance]
        off = np.minimum(off, np.abs(ramp.heights(floor)))
    middle = len(off) // 2
    scatter = 1.4826 * float(np.partition(off, middle)[middle])  # the median, which NumPy takes five times as long for
    return Ground(tuple(patches), source, 1.0 - len(rest) / len(floor), scatter)


def _low_points(grid: PixelGrid, wanted: npt.NDArray[np.bool_], settings: ObstacleSettings) -> npt.NDArray[np.float64]:
    """At most `FITTED` points, in even steps, that floor may be at; of every few pixels, where they are wanted."""
    depth = grid.depth[::STRIDE, ::STRIDE]
    pixels = np.flatnonzero(wanted & (depth < np.inf))
    pixels = pixels[:: -(-len(pixels) // (4 * FITTED)) or 1]
    row, column = row_and_column(pixels, depth.shape[1])
    optical = np.empty((len(pixels), 3), dtype=np.float32)
    optical[:, 0], optical[:, 1], optical[:, 2] = grid.columns[::STRIDE][column], grid.rows[::STRIDE][row], 1.0
    optical *= depth[row, column][:, None]
    points = optical @ grid.rotation.T + grid.origin
    reach = np.hypot(points[:, 0], points[:, 1])
    slope = np.float32(math.tan(math.radians(max(settings.max_tilt, settings.max_ramp))))
    low = (np.abs(points[:, 2]) <= slope * reach + np.float32(_margin(grid))) & (
        reach <= FIT_REACH * settings.max_range
    )
    return _spread(np.flatnonzero(low), points)


def _margin(grid: PixelGrid) -> float:
    """Metres that the floor may be off the base's origin: depth that is off as a whole lifts it by as much of the
    camera's height.
    """
    return 0.1 + 0.2 * abs(float(grid.origin[2]))


def _spread(chosen: npt.NDArray[np.intp], points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """At most `FITTED` of the chosen points, in even steps."""
    if len(chosen) > FITTED:
        chosen = chosen[np.linspace(0, len(chosen) - 1, FITTED).astype(np.intp)]
    return points[chosen].astype(np.float64)


def _candidates(points: npt.NDArray[np.float64], max_tilt: float) -> npt.NDArray[np.float64]:
    """(K, 3) slope_x, slope_y, height of planes through three points each, not steeper than the limit."""
    triples = points[(_DRAWN * len(points)).astype(np.intp)]
    one, two = triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0]
    across = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    proper = np.abs(across) > 1e-3  # of triangles of some size, seen from above
    one, two, across = one[proper], two[proper], across[proper]
    slope_x = (one[:, 2] * two[:, 1] - two[:, 2] * one[:, 1]) / across
    slope_y = (one[:, 0] * two[:, 2] - two[:, 0] * one[:, 2]) / across
    gentle = np.hypot(slope_x, slope_y) <= math.tan(math.radians(max_tilt))
    corner = triples[proper, 0]
    height = corner[:, 2] - slope_x * corner[:, 0] - slope_y * corner[:, 1]
    return np.stack([slope_x, slope_y, height], axis=1)[gentle]


def _refined(
    points: npt.NDArray[np.float64],
    plane: npt.NDArray[np.float64],
    max_tilt: float,
    tolerance: float,
    max_height: float,
) -> FloorPatch | None:
    """The plane of least squares through what is near a candidate; None where it is too steep or high, or too few are.

    The second time what is nearer: points of a ramp that begins there would tilt it.
    """
    slope_x, slope_y, height = plane.tolist()
    for width in (tolerance, 0.5 * tolerance):
        near = points[np.abs(points @ np.array([slope_x, slope_y, -1.0]) + height) <= width]
        if len(near) < MIN_POINTS:
            return None
        middle = near.mean(axis=0)
        near -= middle
        # Two equations, solved by hand: numpy.linalg takes longer to begin than all of this.
        (xx, xy, xz), (_, yy, yz), _ = (near.T @ near).tolist()
        spread = xx * yy - xy * xy
        if spread < 1e-9 * len(near) ** 2:  # on a line
            return None
        slope_x, slope_y = (xz * yy - yz * xy) / spread, (yz * xx - xz * xy) / spread
        x, y, z = middle.tolist()
        height = z - slope_x * x - slope_y * y
    patch = FloorPatch(slope_x, slope_y, height)
    return patch if patch.tilt <= max_tilt + 1.0 and abs(patch.height) <= max_height else None


def _best_plane(
    points: npt.NDArray[np.float64], max_tilt: float, tolerance: float, max_height: float = math.inf
) -> FloorPatch | None:
    """The plane that the points are nearest to."""
    if len(points) < MIN_POINTS:
        return None
    planes = _candidates(points, max_tilt)
    planes = planes[np.abs(planes[:, 2]) <= max_height]
    if len(planes) == 0:
        return None
    off = points @ np.vstack([planes[:, :2].T, np.full(len(planes), -1.0)]) + planes[:, 2]
    # By squares up to the tolerance (Torr and Zisserman 2000): by counts, a plane between floor and ramp would win.
    best = int(np.minimum(off * off, tolerance * tolerance).sum(axis=0).argmin())
    return _refined(points, planes[best], max_tilt, tolerance, max_height)


def _lowest_plane(
    points: npt.NDArray[np.float64], max_tilt: float, tolerance: float, max_height: float
) -> FloorPatch | None:
    """The plane that many points are near to and hardly any is below: nothing says what is floor but that it is
    lowest.
    """
    if len(points) < MIN_POINTS:
        return None
    planes = np.vstack([np.zeros(3), _candidates(points, max_tilt)])
    planes = planes[np.abs(planes[:, 2]) <= max_height]
    above = points[:, 2:] - points[:, :2] @ planes[:, :2].T - planes[:, 2]
    near = (np.abs(above) <= tolerance).sum(axis=0)
    below = (above < -2.0 * tolerance).sum(axis=0)
    best = int((near - 3 * below).argmax())
    if near[best] < max(MIN_POINTS, 0.1 * len(points)) or below[best] > 0.1 * near[best]:
        return None
    return _refined(points, planes[best], max_tilt, tolerance, max_height)


def _joining(
    points: npt.NDArray[np.float64], patches: list[FloorPatch], settings: ObstacleSettings, tolerance: float
) -> FloorPatch | None:
    """A further floor in what the others leave, if it joins one of them."""
    plane = _best_plane(points, settings.max_ramp, tolerance)
    if plane is None:
        return None
    own = points[np.abs(plane.heights(points)) <= tolerance]
    for other in patches:
        joined = _outlined(plane, other, own, points, settings, tolerance)
        if joined is not None:
            return joined
    return None


def _outlined(
    plane: FloorPatch,
    other: FloorPatch,
    own: npt.NDArray[np.float64],
    points: npt.NDArray[np.float64],
    settings: ObstacleSettings,
    tolerance: float,
) -> FloorPatch | None:
    """The plane with its outline, if it is a ramp that begins at another patch."""
    departs = np.array([plane.slope_x - other.slope_x, plane.slope_y - other.slope_y])
    steepness = float(np.hypot(*departs))
    if steepness < 1e-3:  # parallel: a step, not a ramp
        return None
    u, v = (departs / steepness).tolist()
    s, t = own[:, 0] * u + own[:, 1] * v, own[:, 1] * u - own[:, 0] * v
    joint = (other.height - plane.height) / steepness
    first, last = np.quantile(s, (0.02, 0.98)).tolist()
    if last - first < MIN_LENGTH:
        return None
    # Points close to the joint are near both planes, and count for the other.
    reach = JOINT + tolerance / steepness
    # What was looked at ends there, not the ramp.
    beyond = math.inf if np.hypot(own[:, 0], own[:, 1]).max() > FIT_REACH * settings.max_range - JOINT else JOINT
    if first >= joint - reach and first <= joint + reach:
        along = (joint, last + beyond)
    elif last <= joint + reach and last >= joint - reach:
        along = (first - beyond, joint)
    else:
        return None
    across = (float(t.min()) - JOINT, float(t.max()) + JOINT)
    s, t = points[:, 0] * u + points[:, 1] * v, points[:, 1] * u - points[:, 0] * v
    inside = (s >= along[0]) & (s <= along[1]) & (t >= across[0]) & (t <= across[1])
    if np.count_nonzero(np.abs(plane.heights(points[inside])) <= tolerance) < MIN_SHARE * np.count_nonzero(inside):
        return None
    return FloorPatch(plane.slope_x, plane.slope_y, plane.height, (u, v), along, across)
