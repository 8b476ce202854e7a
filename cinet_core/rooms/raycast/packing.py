"""Scenes and cameras of one batch as tensors, padded to the largest scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cinet_core.rooms.raycast.camera import PosedCamera
from cinet_core.rooms.raycast.primitives import MAX_LIGHTS, Material, Scene

_CORNERS = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])

PADDING_OFFSET = 5.0
"""Unit solids at this offset with direction 0 are never met: what fills up lists of solids."""


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """B scenes of up to P solids and L lights each, float32; a solid's global number is ``scene * P + solid``.

    Attributes:
        kind: (B, P) int64, -1 where a scene has fewer solids.
        to_unit: (B, P, 3, 3) world to unit frame of the solid: ``to_unit @ (x - center)``.
        center: (B, P, 3) metres.
        half: (B, P, 3) metres.
        casts_shadow: (B, P) bool.
        label: (B * P,) uint8.
        surfaces: (S, B * P), one row a quantity; rows as in SURFACE_ROWS.
        light_position: (B, L, 3) metres.
        light_color: (B, L, 3) linear RGB; 0 for lights a scene lacks.
        light_radius: (B, L) metres.
        light_normal: (B, L, 3).
        ambient: (B, 3) linear RGB.
        size: (B, 3) metres.
    """

    kind: Tensor
    to_unit: Tensor
    center: Tensor
    half: Tensor
    casts_shadow: Tensor
    label: Tensor
    surfaces: Tensor
    light_position: Tensor
    light_color: Tensor
    light_radius: Tensor
    light_normal: Tensor
    ambient: Tensor
    size: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Scenes and solids."""
        return self.kind.shape[0], self.kind.shape[1]

    def corners(self) -> Tensor:
        """(B, P, 8, 3) world positions of the corners of each solid's box."""
        rotation = self.to_unit * self.half[..., None]  # rows are the solid's axes
        return self.center[:, :, None] + (_CORNERS.to(self.half) * self.half[:, :, None]) @ rotation


SURFACE_ROWS = {"to_unit": 9, "center": 3, "half": 3, "kind": 1, "color": 3, "accent": 3, "look": 6}
"""Rows of ``SceneBatch.surfaces``, in order; look: pattern, period, gloss, glow, variant."""


def pack_scenes(scenes: Sequence[Scene], device: torch.device | str = "cpu") -> SceneBatch:
    """Tensors of some scenes on a device."""
    most = max(len(scene.primitives) for scene in scenes)
    count = len(scenes)
    kind = np.full((count, most), -1, dtype=np.int64)
    rotation = np.tile(np.eye(3), (count, most, 1, 1))
    center, half = np.zeros((count, most, 3)), np.ones((count, most, 3))
    shadow, label = np.zeros((count, most), dtype=bool), np.full((count, most), 255, dtype=np.uint8)
    material = np.zeros((count, most, 12))
    lights = np.zeros((count, MAX_LIGHTS, 10))
    for b, scene in enumerate(scenes):
        n = len(scene.primitives)
        kind[b, :n] = [solid.kind for solid in scene.primitives]
        rotation[b, :n], center[b, :n], half[b, :n] = scene.frames
        shadow[b, :n] = [solid.casts_shadow for solid in scene.primitives]
        label[b, :n] = [solid.label for solid in scene.primitives]
        material[b, :n] = [_material_row(solid.material) for solid in scene.primitives]
        for number, light in enumerate(scene.lights):
            lights[b, number] = (*light.position, *light.color, light.radius, *light.normal)
    to_unit = rotation.swapaxes(2, 3) / half[..., None]
    rows = np.concatenate([to_unit.reshape(count, most, 9), center, half, kind[..., None], material], axis=2)

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)

    return SceneBatch(
        kind=torch.from_numpy(kind).to(device),
        to_unit=tensor(to_unit),
        center=tensor(center),
        half=tensor(half),
        casts_shadow=torch.from_numpy(shadow).to(device),
        label=torch.from_numpy(label.reshape(-1)).to(device),
        surfaces=tensor(rows.reshape(count * most, -1).T),
        light_position=tensor(lights[..., 0:3]),
        light_color=tensor(lights[..., 3:6]),
        light_radius=tensor(lights[..., 6]),
        light_normal=tensor(lights[..., 7:10]),
        ambient=tensor(np.array([scene.ambient for scene in scenes])),
        size=tensor(np.array([scene.size for scene in scenes])),
    )


def _material_row(material: Material) -> tuple[float, ...]:
    linear = [channel**2.2 for channel in (*material.color, *material.accent)]
    return (*linear, material.pattern, material.period, material.gloss, material.glow, *material.variant)


@dataclass(frozen=True, eq=False)
class CameraBatch:
    """B cameras of one image size, float32.

    Attributes:
        rotation: (B, 3, 3) camera to world; columns are right, down, forward.
        position: (B, 3) metres.
        intrinsics: (B, 4) fx, fy, cx, cy in pixels.
        height: of the images, in pixels.
        width: of the images, in pixels.
    """

    rotation: Tensor
    position: Tensor
    intrinsics: Tensor
    height: int
    width: int


def pack_cameras(cameras: Sequence[PosedCamera], device: torch.device | str = "cpu") -> CameraBatch:
    """Tensors of some cameras on a device.

    Raises:
        ValueError: the cameras' images differ in size.
    """
    sizes = {(camera.intrinsics.height, camera.intrinsics.width) for camera in cameras}
    if len(sizes) != 1:
        raise ValueError(f"a batch is rendered at one size, the cameras have {sorted(sizes)}: group them by size")
    height, width = sizes.pop()
    poses = torch.from_numpy(np.stack([camera.camera_to_world for camera in cameras]).astype(np.float32)).to(device)
    k = [(c.intrinsics.fx, c.intrinsics.fy, c.intrinsics.cx, c.intrinsics.cy) for c in cameras]
    return CameraBatch(
        poses[:, :3, :3].contiguous(), poses[:, :3, 3].contiguous(), torch.tensor(k, device=device), height, width
    )
