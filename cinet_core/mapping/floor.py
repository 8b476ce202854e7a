"""Estimates the floor of a map: its plane if the up direction is unknown, else its height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.mapping.map_points import MapPoints

__all__ = ["FLOOR_TOLERANCE", "FloorPlane", "class_table", "fit_floor", "floor_height", "unit_vector", "upright_axes"]

FLOOR_TOLERANCE = 0.15
"""Metres: points called floor that are farther from its plane are something else, or badly placed."""

MIN_FLOOR_POINTS = 50
"""A quarter of a square decimetre at 1 cm: fewer are a mistake of the network, not a floor."""

PLANE_TOLERANCE = 0.03
"""Metres from a plane within which a point counts for it."""

SAMPLES = 256
"""Triples that are tried: with half of the points in the plane, all miss it with a probability of 1e-15."""

SCORED = 4096
"""Points that a candidate plane is scored on."""


@dataclass(frozen=True)
class FloorPlane:
    """The plane ``up . x = height``.

    Attributes:
        up: (3,) float64 unit vector, away from the floor.
        height: metres.
        support: share of the points of the floor's classes that are within `PLANE_TOLERANCE` of it.
    """

    up: npt.NDArray[np.float64]
    height: float
    support: float


def fit_floor(points: MapPoints, label_set: LabelSet, seed: int = 0) -> FloorPlane:
    """Fit a plane to the points of class floor by RANSAC (Fischler and Bolles 1981), refined by least squares.

    Up is the side on which most of the other points are.

    Args:
        points: of the map.
        label_set: label set of the points.
        seed: of the samples; equal seeds give equal planes.

    Raises:
        ValueError: fewer than `MIN_FLOOR_POINTS` points are floor, they lie on a line, or nothing stands on the floor,
            so that up and down cannot be told apart.
    """
    is_floor = class_table(label_set, "floor")[points.labels]
    floor = _enough(points.xyz[is_floor].astype(np.float64))
    rng = np.random.default_rng(seed)
    normal, height = _best_plane(floor, rng)
    near = np.abs(floor @ normal - height) <= PLANE_TOLERANCE
    centre = floor[near].mean(axis=0)
    normal = np.linalg.svd(floor[near] - centre, full_matrices=False)[2][2]
    height = float(normal @ centre)
    others = points.xyz[~is_floor].astype(np.float64) @ normal - height
    above, below = int((others > FLOOR_TOLERANCE).sum()), int((others < -FLOOR_TOLERANCE).sum())
    if above == below:
        raise ValueError(f"{above} points are above the floor's plane and as many below: up cannot be told from down")
    sign = 1.0 if above > below else -1.0
    support = float((np.abs(floor @ normal - height) <= PLANE_TOLERANCE).mean())
    return FloorPlane(sign * normal, sign * height, support)


def floor_height(points: MapPoints, label_set: LabelSet, up: npt.NDArray[np.float64]) -> float:
    """Return the median position of the floor points along a unit vector, in metres.

    Raises:
        ValueError: fewer than `MIN_FLOOR_POINTS` points are floor.
    """
    floor = _enough(points.xyz[class_table(label_set, "floor")[points.labels]].astype(np.float64))
    return float(np.median(floor @ up))


def class_table(label_set: LabelSet, *names: str) -> npt.NDArray[np.bool_]:
    """Return a (256,) table of whether a label belongs to one of these groups of the grouping "structure".

    Raises:
        ValueError: the label set has no such grouping, or it has no such group.
    """
    if "structure" not in label_set.groupings:
        raise ValueError(
            f'label set {label_set.name!r} has no grouping "structure", which says what is floor, ceiling and '
            "furniture: give it one"
        )
    grouping = label_set.groupings["structure"]
    missing = [name for name in names if name not in grouping.names]
    if missing:
        raise ValueError(f'the grouping "structure" has no group {missing[0]!r}: it has {", ".join(grouping.names)}')
    chosen = [grouping.names.index(name) for name in names]
    return np.isin(grouping.lookup, chosen)


def unit_vector(vector: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a (3,) vector scaled to length 1. Raises ValueError if its length is 0."""
    value = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(value))
    if value.shape != (3,) or not 1e-6 < length < np.inf:
        raise ValueError(f"{np.asarray(vector).tolist()} is no direction: three finite numbers, not all 0, are needed")
    return value / length


def upright_axes(up: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (3, 3) whose columns are x, y and up, a (3,) unit vector; x as near to the map's own as up lets it be."""
    along = np.array([1.0, 0.0, 0.0]) if abs(up[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = along - (along @ up) * up
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(up, x), up], axis=1)


def _enough(floor: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if len(floor) < MIN_FLOOR_POINTS:
        raise ValueError(
            f"{len(floor)} points of the map are floor, at least {MIN_FLOOR_POINTS} are needed: let the camera see the "
            "floor, or tell where it is"
        )
    return floor


def _best_plane(floor: npt.NDArray[np.float64], rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], float]:
    """Normal and offset of the candidate that most points are near to."""
    corners = floor[rng.integers(len(floor), size=(SAMPLES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    proper = lengths > 1e-9
    if not proper.any():
        raise ValueError(f"the {len(floor)} floor points lie on a line: let the camera see more of the floor")
    normals = normals[proper] / lengths[proper, None]
    offsets = np.einsum("ij,ij->i", normals, corners[proper, 0])
    scored = floor if len(floor) <= SCORED else floor[rng.choice(len(floor), SCORED, replace=False)]
    near = (np.abs(scored @ normals.T - offsets) <= PLANE_TOLERANCE).sum(axis=0)
    best = int(near.argmax())
    return normals[best], float(offsets[best])
