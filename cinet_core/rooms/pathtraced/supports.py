"""Boards of a model that things can be put on, found in its mesh: shelves that a catalogue sells empty."""

from __future__ import annotations

import functools

import numpy as np

from cinet_core.rooms.pathtraced.catalogue import Model
from cinet_core.rooms.raycast.primitives import Vector

LEVEL = 0.98
"""Cosine of the slope, at least."""

SHARE = 0.35
"""Of the model's plan that a board covers, at least."""

THICKNESS = 0.05
"""Metres: levels closer than this are one board."""


class ModelError(Exception):
    """A model's file is damaged; the message says which."""


@functools.lru_cache(maxsize=64)
def board_heights(model: Model) -> tuple[float, ...]:
    """Metres above its foot at which a model has boards that face up, from low to high; its top is among them.

    Raises:
        ModelError: the file is damaged or holds no faces.
    """
    try:
        triangles = _triangles(model)
    except (ValueError, IndexError) as error:
        remedy = "delete the folder of models and run `cinet data render --setup`"
        raise ModelError(f"{model.path} is damaged ({error}): {remedy}") from error
    low, high = triangles.min((0, 1)), triangles.max((0, 1))
    scale = np.array([model.size[0], model.size[1], model.size[2]]) / np.maximum(high - low, 1e-9)
    corners = (triangles - low) * scale
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1) / 2
    # either side may be the outer one in these files: a board is as good as its underside, a thickness below
    level = np.abs(normal[:, 2]) > LEVEL * 2 * np.maximum(area, 1e-12)
    height, area = corners[level, :, 2].mean(1), area[level]
    boards: list[float] = []
    for place in np.sort(height)[::-1]:
        near = (height <= place + 1e-6) & (height > place - THICKNESS)
        if area[near].sum() > SHARE * model.size[0] * model.size[1] and all(
            abs(place - board) > THICKNESS for board in boards
        ):
            boards.append(float(place))
    return tuple(sorted(boards))


def _triangles(model: Model) -> Vector:
    """(T, 3, 3) corners in the catalogue's frame: x right, y to the front, z up."""
    vertices, faces = [], []
    for line in model.path.read_text("latin-1").splitlines():
        if line.startswith("v "):
            vertices.append([float(value) for value in line.split()[1:4]])
        elif line.startswith("f "):
            corners = [int(entry.partition("/")[0]) for entry in line.split()[1:]]
            corners = [number - 1 if number > 0 else len(vertices) + number for number in corners]
            faces += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
    if not faces:
        raise ValueError("it holds no faces")
    turned = np.array(vertices) @ np.array(model.turn).T
    frame = np.stack([-turned[:, 0], turned[:, 2], turned[:, 1]], axis=1)
    return frame[np.array(faces)]
