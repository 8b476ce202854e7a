"""Meshes of a room's pieces."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from cinet_core.rooms.pathtraced.meshes import Mesh, coordinates, mesh_of
from cinet_core.rooms.pathtraced.plan import Piece

SHAPES = ("box", "ellipsoid", "cylinder", "cushion", "folds")
HALF = (0.4, 0.2, 0.3)


def piece(shape: str) -> Piece:
    return Piece(shape, (0.0, 0.0, 0.0), HALF, 1, 0)


def volume(mesh: Mesh) -> float:
    """Of a closed mesh; negative if its faces look inwards."""
    total = 0.0
    for face in mesh.faces:
        a = mesh.vertices[face[0]]
        for left, right in pairwise(face[1:]):
            total += float(a @ np.cross(mesh.vertices[left], mesh.vertices[right])) / 6
    return total


@pytest.mark.parametrize("shape", SHAPES)
def test_closed_and_facing_outwards(shape: str) -> None:
    mesh = mesh_of(piece(shape))
    edges = Counter((face[i], face[(i + 1) % len(face)]) for face in mesh.faces for i in range(len(face)))
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    assert 0 < volume(mesh) <= 8 * np.prod(HALF) + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_fills_its_half_extents(shape: str) -> None:
    reach = np.abs(mesh_of(piece(shape)).vertices).max(axis=0)
    assert (reach <= np.array(HALF) + 1e-9).all()
    assert reach[0] == pytest.approx(HALF[0], rel=0.02)
    assert reach[2] == pytest.approx(HALF[2], rel=0.02)


def test_box_is_a_box_but_for_its_edges() -> None:
    assert volume(mesh_of(piece("box"))) == pytest.approx(8 * np.prod(HALF), rel=0.002)


def test_thin_box_keeps_its_thickness() -> None:
    sheet = Piece("box", (0, 0, 0), (0.1, 0.14, 0.0008), 26, 0)
    assert np.abs(mesh_of(sheet).vertices).max(axis=0)[2] == pytest.approx(0.0008)


def test_unknown_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"torus.*box"):
        mesh_of(piece("torus"))


@pytest.mark.parametrize(
    ("normal", "right", "up"),
    [
        ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
        ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
        ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    ],
)
def test_print_is_upright_and_not_mirrored(normal: tuple, right: tuple, up: tuple) -> None:
    # who looks at a face against its normal, with "up" above, has "right" on the right: up x normal
    assert tuple(np.cross(up, normal)) == right
    mesh = mesh_of(piece("box"))
    _, places = coordinates(mesh, np.array(HALF), np.zeros(3))
    loops = np.concatenate([np.array(face) for face in mesh.faces])
    face_of = np.repeat(np.arange(len(mesh.faces)), [len(face) for face in mesh.faces])
    for number, face in enumerate(mesh.faces):
        a, b, c = mesh.vertices[list(face[:3])]
        facing = np.cross(b - a, c - a)
        if len(face) == 4 and facing @ normal > 0.99 * np.linalg.norm(facing):
            points, uv = mesh.vertices[loops[face_of == number]], places[face_of == number]
            assert np.corrcoef(points @ right, uv[:, 0])[0, 1] == pytest.approx(1.0)
            assert np.corrcoef(points @ up, uv[:, 1])[0, 1] == pytest.approx(1.0)
            assert uv.min() > -1e-9
            assert uv.max() < 1 + 1e-9
            return
    pytest.fail("no such face")


def test_pattern_runs_on_from_piece_to_piece() -> None:
    """Two wall pieces side by side: where they touch, their texture coordinates in metres agree."""
    seam = []
    for center in (-0.4, 0.4):
        mesh = mesh_of(piece("box"))
        metres, _ = coordinates(mesh, np.array(HALF), np.array([center, 0.0, 0.0]))
        loops = np.concatenate([np.array(face) for face in mesh.faces])
        front = [bool(np.isclose(mesh.vertices[list(face), 1], HALF[1]).all()) for face in mesh.faces]
        chosen = np.repeat(front, [len(face) for face in mesh.faces])
        assert chosen.sum() == 4
        assert np.allclose(metres[chosen], mesh.vertices[loops][chosen][:, [0, 2]] + [center, 0.0])
        seam.append(metres[chosen][:, 0])
    assert seam[0].max() == pytest.approx(seam[1].min(), abs=0.01)
