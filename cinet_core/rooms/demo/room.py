"""A camera moving through a furnished room: exact images, depths and labels from analytic ray casting.

Everything in the room is an axis-aligned rectangle. Each one is intersected only with the rays of its
projected bounding rectangle, and what is nearest is textured and lit afterwards, so that a frame costs some
tens of milliseconds in NumPy. Needs no file and no network: for demonstrations, tests and plumbing, not for
training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.rooms.demo.layout import PAINTS, ROOM_SIZE, WOODS, Box, Color, Texture, furnished_room
from cinet_core.rooms.vocabulary import LABEL

NEAR = 0.05
"""Metres: what is nearer to the camera plane is not drawn."""

LAMP = np.array([ROOM_SIZE[0] / 2 + 0.5, ROOM_SIZE[1] / 2 - 0.4, ROOM_SIZE[2] - 0.15], dtype=np.float32)
TEXTURE_SIZE = 128
TEXELS_PER_METRE = 100.0


@dataclass(frozen=True)
class SyntheticFrame:
    """One view of the room.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32, metres along z; every pixel sees something.
        labels: (H, W) uint8, NYU40 ids.
        camera_to_world: (4, 4) float64; camera x right, y down, z forward; world z up.
    """

    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    camera_to_world: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """A rectangle in the plane ``axis = position``, seen from the side that its normal points to."""

    axis: int
    position: float
    low: tuple[float, float]  # along the two other axes, in their order
    high: tuple[float, float]
    outward: int  # sign of the normal along the axis
    label: int
    color: Color
    texture: Texture

    @property
    def others(self) -> tuple[int, int]:
        """The two axes along which the rectangle extends."""
        first, second = (axis for axis in range(3) if axis != self.axis)
        return first, second

    def corners(self) -> npt.NDArray[np.float64]:
        """(4, 3) world coordinates, in order around the rectangle."""
        corners = np.full((4, 3), self.position)
        first, second = self.others
        corners[:, first] = (self.low[0], self.high[0], self.high[0], self.low[0])
        corners[:, second] = (self.low[1], self.low[1], self.high[1], self.high[1])
        return corners


class SyntheticRoom:
    """The scene and its camera.

    Args:
        seed: chooses colours and arrangement; equal seeds give equal frames.
        width: of the images, in pixels.
        height: of the images, in pixels.
        horizontal_fov_deg: field of view of the camera, in degrees.
        intrinsics: a camera of one's own in place of the last three.
    """

    def __init__(
        self,
        seed: int = 0,
        width: int = 640,
        height: int = 480,
        horizontal_fov_deg: float = 62.0,
        intrinsics: Intrinsics | None = None,
    ) -> None:
        """Furnish the room; see the class."""
        self.intrinsics = intrinsics or Intrinsics.from_fov(width, height, horizontal_fov_deg)
        rng = np.random.default_rng(seed)
        self._faces = [*_shell(rng), *(face for item in furnished_room(rng) for face in _faces_of(item))]
        self._textures = _textures(rng)
        self._materials = _Materials(self._faces)
        self._corners = np.stack([face.corners() for face in self._faces])

    def render(self, index: int, frames: int = 48) -> SyntheticFrame:
        """View number ``index`` of a closed loop of ``frames`` views; the index may be any integer.

        Raises:
            ValueError: ``frames`` is below 1.
        """
        if frames < 1:
            raise ValueError(f"frames is {frames}: the loop needs at least 1")
        camera_to_world = camera_pose(2.0 * math.pi * (index % frames) / frames)
        rays = self._rays(camera_to_world[:3, :3])
        depth, seen = self._cast(camera_to_world, rays)
        origin = camera_to_world[:3, 3].astype(np.float32)
        points = origin[:, None, None] + depth * rays
        return SyntheticFrame(
            image=self._shade(points, seen),
            depth=depth,
            labels=self._materials.label[seen],
            camera_to_world=camera_to_world,
        )

    def _rays(self, rotation: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """(3, H, W) world directions whose length along the camera's z is 1, so that ray length is depth."""
        k = self.intrinsics
        x = ((np.arange(k.width) - k.cx) / k.fx).astype(np.float32)
        y = ((np.arange(k.height) - k.cy) / k.fy).astype(np.float32)
        r = rotation.astype(np.float32)
        return r[:, 0, None, None] * x[None, None, :] + (r[:, 1, None] * y[None, :] + r[:, 2, None])[:, :, None]

    def _cast(
        self, camera_to_world: npt.NDArray[np.float64], rays: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """Depth (H, W) and the index (H, W) of the face that each ray meets first."""
        rotation, origin = camera_to_world[:3, :3], camera_to_world[:3, 3]
        depth = np.full(rays.shape[1:], np.inf, dtype=np.float32)
        seen = np.zeros(rays.shape[1:], dtype=np.intp)
        corners = (self._corners - origin) @ rotation
        in_front = [(face.position - origin[face.axis]) * face.outward < 0 for face in self._faces]
        for number in np.flatnonzero(in_front):
            face = self._faces[number]
            window = _window(corners[number], self.intrinsics)
            if window is None:
                continue
            first, second = face.others
            with np.errstate(divide="ignore", invalid="ignore"):
                t = np.float32(face.position - origin[face.axis]) / rays[face.axis][window]
                a = t * rays[first][window]
                b = t * rays[second][window]
            hit = (t > NEAR) & (t < depth[window])
            hit &= (a >= face.low[0] - origin[first]) & (a <= face.high[0] - origin[first])
            hit &= (b >= face.low[1] - origin[second]) & (b <= face.high[1] - origin[second])
            np.copyto(depth[window], t, where=hit)
            np.copyto(seen[window], number, where=hit)
        return depth, seen

    def _shade(self, points: npt.NDArray[np.float32], seen: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
        """(H, W, 3) RGB: texture times base colour times the light of a lamp below the ceiling."""
        materials = self._materials
        axis = materials.axis[seen]
        u = np.where(axis == 0, points[1], points[0])
        v = np.where(axis == 2, points[1], points[2])
        texel = materials.texture[seen]
        texel += ((v * TEXELS_PER_METRE).astype(np.int32) % TEXTURE_SIZE) * TEXTURE_SIZE
        texel += (u * TEXELS_PER_METRE).astype(np.int32) % TEXTURE_SIZE

        squared = np.zeros_like(u)
        along_normal = np.empty_like(u)
        for i in range(3):
            to_lamp = LAMP[i] - points[i]
            np.copyto(along_normal, to_lamp, where=axis == i)
            squared += to_lamp * to_lamp
        light = 0.45 + 0.75 * np.abs(along_normal) / (np.sqrt(squared) * (1.0 + 0.08 * squared))
        light *= self._textures.take(texel)
        np.maximum(light, materials.glow[seen], out=light)
        image = np.empty((*seen.shape, 3), dtype=np.uint8)
        for channel in range(3):
            image[..., channel] = np.minimum(materials.color[channel].take(seen) * light, 255.0)
        return image


class _Materials:
    """Per-face tables, indexed by the image of face numbers."""

    def __init__(self, faces: list[Face]) -> None:
        self.axis = np.array([face.axis for face in faces], dtype=np.uint8)
        self.label = np.array([face.label for face in faces], dtype=np.uint8)
        self.color = np.array([face.color for face in faces], dtype=np.float32).T.copy()
        first_texel = {texture: place * TEXTURE_SIZE**2 for place, texture in enumerate(_TEXTURES)}
        self.texture = np.array([first_texel[face.texture] for face in faces], dtype=np.int32)
        shining = {LABEL.window: 0.95, LABEL.lamp: 0.9}
        self.glow = np.array([shining.get(face.label, 0.0) for face in faces], dtype=np.float32)


_TEXTURES: tuple[Texture, ...] = ("plain", "fabric", "wood", "planks", "checks", "glass")


def camera_pose(angle: float) -> npt.NDArray[np.float64]:
    """(4, 4) camera-to-world pose at an angle (radians) of the loop: around the table, looking across it."""
    x = ROOM_SIZE[0] / 2 + 1.35 * math.cos(angle)
    y = ROOM_SIZE[1] / 2 + 1.15 * math.sin(angle)
    position = np.array([x, y, 1.5 + 0.12 * math.sin(2 * angle)])
    heading = angle + math.pi + 0.25 * math.sin(angle)
    pitch = math.radians(-14.0 + 4.0 * math.cos(3 * angle))
    forward = np.array([math.cos(heading) * math.cos(pitch), math.sin(heading) * math.cos(pitch), math.sin(pitch)])
    right = np.array([math.sin(heading), -math.cos(heading), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def _shell(rng: np.random.Generator) -> list[Face]:
    """Walls, floor and ceiling, seen from inside."""
    paint, wood = PAINTS[int(rng.integers(len(PAINTS)))], WOODS[int(rng.integers(len(WOODS)))]
    faces = _faces_of(Box("wall", (0.0, 0.0, 0.0), ROOM_SIZE, paint))
    surfaces: dict[tuple[int, int], tuple[int, Color, Texture]] = {
        (2, -1): (LABEL.floor, wood, "planks"),
        (2, 1): (LABEL.ceiling, (236, 236, 232), "plain"),
    }
    shell = []
    for face in faces:
        label, color, texture = surfaces.get((face.axis, face.outward), (face.label, face.color, face.texture))
        shell.append(Face(face.axis, face.position, face.low, face.high, -face.outward, label, color, texture))
    return shell


def _faces_of(item: Box) -> list[Face]:
    """The six faces of a box, seen from outside."""
    label = getattr(LABEL, item.label.replace(" ", "_"))
    faces = []
    for axis in range(3):
        first, second = (other for other in range(3) if other != axis)
        low, high = (item.low[first], item.low[second]), (item.high[first], item.high[second])
        for position, outward in ((item.low[axis], -1), (item.high[axis], 1)):
            faces.append(Face(axis, position, low, high, outward, label, item.color, item.texture))
    return faces


def _window(corners: npt.NDArray[np.float64], intrinsics: Intrinsics) -> tuple[slice, slice] | None:
    """Rows and columns that a polygon (N, 3), in camera coordinates, can cover; None if it is out of view."""
    polygon = corners if corners[:, 2].min() >= NEAR else _clipped(corners)
    if len(polygon) == 0:
        return None
    x, y, z = polygon.T
    u, v = intrinsics.fx * x / z + intrinsics.cx, intrinsics.fy * y / z + intrinsics.cy
    left, right = max(0, math.floor(u.min())), min(intrinsics.width, math.ceil(u.max()) + 1)
    top, bottom = max(0, math.floor(v.min())), min(intrinsics.height, math.ceil(v.max()) + 1)
    return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def _clipped(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The part of a polygon (N, 3), in camera coordinates, that lies beyond the near plane."""
    kept = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    return np.array(kept)


def _textures(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(6, S, S) brightness factors around 1, one map a texture, each of them periodic."""
    size = TEXTURE_SIZE
    row, column = np.mgrid[0:size, 0:size]
    coarse = np.kron(rng.normal(size=(size // 16, size // 16)), np.ones((16, 16)))
    for shift in (8, 4, 2):  # blur by wrapping around, so that the map stays periodic
        for axis in (0, 1):
            coarse = (np.roll(coarse, shift, axis) + coarse + np.roll(coarse, -shift, axis)) / 3
    fine = rng.normal(size=(size, size))
    along = np.repeat(rng.normal(size=(size, 1)), size, axis=1)  # streaks along u
    plank = rng.normal(size=size // 16)[row // 16]
    maps: dict[Texture, npt.NDArray[np.floating]] = {
        "plain": 1.0 + 0.03 * coarse + 0.01 * fine,
        "fabric": 0.95 + 0.04 * coarse + 0.05 * fine,
        "wood": 0.97 + 0.05 * along + 0.08 * coarse + 0.02 * fine,
        "planks": np.where(row % 16 == 0, 0.6, 0.97 + 0.05 * plank + 0.03 * along + 0.05 * coarse),
        "checks": np.where((row // 16 + column // 16) % 2 == 0, 1.1, 0.75) + 0.03 * fine,
        "glass": 1.0 + 0.08 * coarse,
    }
    return np.stack([maps[texture] for texture in _TEXTURES]).astype(np.float32)
