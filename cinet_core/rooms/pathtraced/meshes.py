"""Meshes of the shapes that a room's pieces have, in NumPy: what Blender gets to see of them.

Every mesh has two sets of texture coordinates: ``metres`` along the surface, upright where it is upright, continuous
over pieces that share a rotation, and ``face``, 0 to 1 over the side of a piece that an image is printed on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.rooms.pathtraced.plan import Piece

Array = npt.NDArray[np.float64]

CHAMFER = 0.004
"""Metres that a box's edges are cut by: real edges catch light."""

ROUND = 28
"""Sides of a round piece."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices and faces.

    Attributes:
        vertices: (V, 3) metres.
        faces: vertex numbers, counter-clockwise seen from outside; 3 or 4 a face.
        smooth: shade faces as one curved surface.
    """

    vertices: Array
    faces: list[tuple[int, ...]]
    smooth: bool


def mesh_of(piece: Piece) -> Mesh:
    """A piece's mesh in its own frame, centre at the origin.

    Raises:
        ValueError: there is no such shape.
    """
    if piece.shape not in _SHAPES:
        raise ValueError(f"a piece of shape {piece.shape!r}: shapes are {', '.join(_SHAPES)}")
    return _SHAPES[piece.shape](np.array(piece.half), piece.size)


def coordinates(mesh: Mesh, half: Array, shift: Array) -> tuple[Array, Array]:
    """Texture coordinates (L, 2) of the corners of all faces, one face after the other: metres, and places on the face.

    Every face is projected along the main axis of its normal.

    Args:
        mesh: of a piece.
        half: (3,) half extents of the piece.
        shift: (3,) the piece's centre along its own axes.
    """
    sides = np.array([len(face) for face in mesh.faces])
    loops = np.concatenate([np.array(face) for face in mesh.faces])
    points, first = mesh.vertices[loops], np.concatenate([[0], np.cumsum(sides)[:-1]])
    normal = np.cross(points[first + 1] - points[first], points[first + 2] - points[first])
    axis = np.repeat(np.abs(normal).argmax(1), sides)
    positive = np.repeat(normal[np.arange(len(sides)), np.abs(normal).argmax(1)] > 0, sides)
    x, y, z = (points + shift).T
    flat = axis == 2
    metres = np.stack([np.where(axis == 0, y, x), np.where(flat, y, z)], axis=1)
    u, v, w = (points / (2 * np.maximum(half, 1e-6)) + 0.5).T
    # read from outside, with z up: +y has -x on its right, -y has +x; +x has +y, -x has -y
    along = np.where(axis == 0, np.where(positive, v, 1 - v), np.where(positive & ~flat, 1 - u, u))
    return metres, np.stack([along, np.where(flat, v, w)], axis=1)


def _box(half: Array, chamfer: float) -> Mesh:
    """Box with cut edges and corners: 24 vertices, one for each corner and axis."""
    cut = np.minimum(chamfer or CHAMFER, half.min() * 0.4)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    inner = np.tile((half - cut)[None, None], (8, 3, 1))
    for axis in range(3):
        inner[:, axis, axis] = half[axis]
    vertices = (inner * signs[:, None]).reshape(-1, 3)

    def number(corner: Sequence[int], axis: int) -> int:
        x, y, z = corner
        return 3 * (4 * (x > 0) + 2 * (y > 0) + (z > 0)) + axis

    faces: list[tuple[int, ...]] = []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        for s in (-1, 1):
            ring = []
            for t, u in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = [0, 0, 0]
                corner[axis], corner[b], corner[c] = s, t, u
                ring.append(number(corner, axis))
            faces.append(tuple(ring))
        for t in (-1, 1):
            for u in (-1, 1):
                ends = []
                for s in (-1, 1):
                    corner = [0, 0, 0]
                    corner[axis], corner[b], corner[c] = s, t, u
                    ends.append((number(corner, b), number(corner, c)))
                faces.append((ends[0][0], ends[1][0], ends[1][1], ends[0][1]))
    for x in (-1, 1):
        for y in (-1, 1):
            for z in (-1, 1):
                faces.append((number((x, y, z), 0), number((x, y, z), 1), number((x, y, z), 2)))
    return Mesh(vertices, [_outward(vertices, face) for face in faces], smooth=False)


def _outward(vertices: Array, face: tuple[int, ...]) -> tuple[int, ...]:
    """The face of a convex solid around the origin, turned so that it is counter-clockwise from outside."""
    a, b, c = vertices[list(face[:3])]
    facing = float(np.cross(b - a, c - a) @ vertices[list(face)].mean(0))
    return face if facing > 0 else face[::-1]


def _ellipsoid(half: Array, _: float) -> Mesh:
    return _globe(half, lambda x: x)


def _cushion(half: Array, _: float) -> Mesh:
    """Pillow: nearly rectangular, thick in the middle, thin at the seam around it."""

    def squared(unit: Array) -> Array:
        flat = unit[:, :2]
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        longest = np.abs(flat).max(axis=1, keepdims=True)
        stretch = np.divide(length, longest, out=np.ones_like(length), where=longest > 1e-9)
        plan = flat * (0.35 + 0.65 * stretch)
        corner = np.abs(plan).min(axis=1, keepdims=True)
        height = unit[:, 2:] * (1.0 - 0.35 * corner)
        return np.concatenate([plan, height], axis=1)

    return _globe(half, squared)


def _globe(half: Array, shape: Callable[[Array], Array]) -> Mesh:
    rings, sides = ROUND // 2, ROUND
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    turn = np.arange(sides) * 2 * np.pi / sides
    sphere = np.stack(
        [
            np.outer(np.sin(polar), np.cos(turn)),
            np.outer(np.sin(polar), np.sin(turn)),
            np.outer(np.cos(polar), np.ones(sides)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    unit = np.concatenate([sphere, [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]])
    top, bottom = len(sphere), len(sphere) + 1
    faces: list[tuple[int, ...]] = []
    for side in range(sides):
        after = (side + 1) % sides
        faces.append((top, side, after))
        last = (rings - 2) * sides
        faces.append((bottom, last + after, last + side))
        for ring in range(rings - 2):
            a, b = ring * sides, (ring + 1) * sides
            faces.append((a + side, b + side, b + after, a + after))
    return Mesh(shape(unit) * half, faces, smooth=True)


def _cylinder(half: Array, _: float) -> Mesh:
    turn = np.arange(ROUND) * 2 * np.pi / ROUND
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    low = np.concatenate([ring, np.full((ROUND, 1), -1.0)], axis=1)
    high = np.concatenate([ring, np.full((ROUND, 1), 1.0)], axis=1)
    faces: list[tuple[int, ...]] = [
        (side, (side + 1) % ROUND, ROUND + (side + 1) % ROUND, ROUND + side) for side in range(ROUND)
    ]
    faces += [tuple(range(ROUND, 2 * ROUND)), tuple(reversed(range(ROUND)))]
    return Mesh(np.concatenate([low, high]) * half, faces, smooth=False)


def _folds(half: Array, wave: float) -> Mesh:
    """Cloth that hangs in folds along x, closed; its folds open a little towards the floor."""
    columns = max(8, int(half[0] * 2 / (wave or 0.1) * 10))
    x = np.linspace(-half[0], half[0], columns + 1)
    phase = x / (wave or 0.1) * 2 * np.pi + 0.9 * np.sin(x * 9.0)
    depth = half[1] * (0.62 * np.sin(phase) + 0.18 * np.sin(2.3 * phase + 1.0))
    rows, thin = np.linspace(1.0, -1.0, 5), half[1] * 0.18
    sheets = []
    for side in (thin, -thin):
        for row in rows:
            y = np.clip(depth * (1.0 - 0.15 * row), -half[1] + thin, half[1] - thin) + side
            sheets.append(np.stack([x, y, np.full_like(x, row * half[2])], axis=1))
    vertices, width = np.concatenate(sheets), columns + 1
    back = len(rows) * width
    faces: list[tuple[int, ...]] = []
    for row in range(len(rows) - 1):
        for column in range(columns):
            a, b = row * width + column, (row + 1) * width + column
            faces.append((a, a + 1, b + 1, b))
            faces.append((back + a, back + b, back + b + 1, back + a + 1))
    last = (len(rows) - 1) * width
    for column in range(columns):
        faces.append((column, back + column, back + column + 1, column + 1))
        faces.append((last + column, last + column + 1, back + last + column + 1, back + last + column))
    for row in range(len(rows) - 1):
        a, b = row * width, (row + 1) * width
        faces.append((a, b, back + b, back + a))
        faces.append((a + columns, back + a + columns, back + b + columns, b + columns))
    return Mesh(vertices, faces, smooth=True)


_SHAPES: dict[str, Callable[[Array, float], Mesh]] = {
    "box": _box,
    "ellipsoid": _ellipsoid,
    "cylinder": _cylinder,
    "cushion": _cushion,
    "folds": _folds,
}
