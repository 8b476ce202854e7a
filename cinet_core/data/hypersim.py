"""Hypersim (Roberts et al., ICCV 2021) as it is downloaded, one folder a scene.

====================================================================  ========================================
``SCENE/images/scene_CAM_final_preview/frame.N.tonemap.jpg``          the colour image
``SCENE/images/scene_CAM_geometry_hdf5/frame.N.depth_meters.hdf5``    distance along the ray, metres
``SCENE/images/scene_CAM_geometry_hdf5/frame.N.semantic.hdf5``        NYU40 ids, -1 = none; may be missing
``SCENE/_detail/CAM/camera_keyframe_{positions,orientations}.hdf5``   poses, with ``metadata_scene.csv``; may be missing
``metadata_camera_parameters.csv``                                    K of each scene; from the code's repository
``metadata_images_split_scene_v1.csv``                                the published split; from the code's repository
====================================================================  ========================================

Depth is the distance to the camera's centre; it is served along the optical axis, as everywhere else here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_files import SourceError
from cinet_core.data.image_files import OrientedImage, read_image
from cinet_core.data.matlab_file import open_hdf5
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.scans import OfficialPart, existing_folder, scan_members
from cinet_core.data.scene_dataset import DatasetMeta, Part, Split
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, UNLABELLED, LabelSet

__all__ = ["CAMERAS_FILE", "META", "SPLIT_FILE", "Hypersim", "pinhole"]

META = DatasetMeta("hypersim", NYU40, (0.1, 100.0))
CAMERAS_FILE = "metadata_camera_parameters.csv"
SPLIT_FILE = "metadata_images_split_scene_v1.csv"
_SCENE = re.compile(r"(ai_\d{3})_\d{3}")
_FOLDER = re.compile(r"scene_(cam_\d{2})_final_preview")
_IMAGE = re.compile(r"frame\.(\d{4})\.tonemap\.jpg")
_REMEDY = "give a folder with scenes as Hypersim's download has them"
_PARTS: Mapping[str, OfficialPart] = {"train": "train", "val": "validation", "test": "test"}
_TILT = 1e-6
_UPWARDS = np.diag([1.0, -1.0, -1.0])
"""From the computer graphics' camera (y up, z backward) to ours (y down, z forward), and back."""

_DEFAULT_UV = np.array([[np.tan(np.pi / 6), 0.0, 0.0], [0.0, 0.75 * np.tan(np.pi / 6), 0.0], [0.0, 0.0, -1.0]])
"""Of a camera with a horizontal field of view of 60 degrees at 4:3, which most scenes have."""


@dataclass(frozen=True)
class _HypersimFrame:
    scene: Path
    camera: str
    number: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.scene.name, self.camera, self.number

    @property
    def image(self) -> Path:
        folder = self.scene / "images" / f"scene_{self.camera}_final_preview"
        return folder / f"frame.{self.number:04d}.tonemap.jpg"

    def geometry(self, kind: str) -> Path:
        folder = self.scene / "images" / f"scene_{self.camera}_geometry_hdf5"
        return folder / f"frame.{self.number:04d}.{kind}.hdf5"


class Hypersim(PosedDataset):
    """A split of a folder of scenes, or of one scene; frames whose camera is no pinhole with square axes are left out.

    Args:
        root: the folder that holds ``ai_001_001`` and so on, or one of these.
        split: as published where the list lies in the folder, which also excludes faulty frames; else by volumes.
        label_set: to map NYU40 to; None keeps it.
        validation_fraction, test_fraction, seed: see `scan_members`; only without the published list.

    Raises:
        SourceError: the folder holds no scene, or a list cannot be read.
        ValueError: the split is empty.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "train",
        *,
        label_set: LabelSet | None = None,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        self._root = existing_folder(root, _REMEDY)
        self._matrices = _read_cameras(self._root)
        frames = [frame for scene in _scenes(self._root) for frame in _frames(scene)]
        tilted = {frame.scene.name for frame in frames if not _is_pinhole(self._matrix(frame.scene.name))}
        self._frames = [frame for frame in frames if frame.scene.name not in tilted]
        if not self._frames:
            raise SourceError(self._root, "its scenes hold no frame of a pinhole camera", _REMEDY)
        self.remarks = tuple(_remarks(self._root, self._matrices, tilted))
        published = _read_split(self._root)
        members = scan_members(
            split,
            [frame.scene.name[:6] for frame in self._frames],
            [published.get(frame.key) for frame in self._frames],
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            seed=seed,
        )
        super().__init__(META, split, members, label_set)

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera stood: (4, 4) float64, its coordinates to the scene's, metres; None where files lack.

        Raises:
            SourceError: a file of the poses is damaged.
        """
        frame = self._frames[self._members[index]]
        folder, units = frame.scene / "_detail" / frame.camera, frame.scene / "_detail" / "metadata_scene.csv"
        places, turns = (folder / f"camera_keyframe_{name}.hdf5" for name in ("positions", "orientations"))
        if not (places.is_file() and turns.is_file() and units.is_file()):
            return None
        numbers = folder / "camera_keyframe_frame_indices.hdf5"
        row = frame.number
        if numbers.is_file():
            found = np.flatnonzero(_dataset(numbers) == frame.number)
            if found.size == 0:
                return None
            row = int(found[0])
        positions, orientations = _dataset(places), _dataset(turns)
        if row >= min(len(positions), len(orientations)):
            return None
        pose = np.eye(4)
        pose[:3, :3] = orientations[row] @ _UPWARDS
        pose[:3, 3] = positions[row] * _metres_per_unit(units)
        return pose

    def _matrix(self, scene: str) -> npt.NDArray[np.float64]:
        return self._matrices.get(scene, _DEFAULT_UV)

    def world(self, index: int) -> str:
        """Of each scene."""
        return self._frames[self._members[index]].scene.resolve().name

    def _name(self, member: int) -> str:
        scene, camera, number = self._frames[member].key
        return f"{scene}_{camera}_{number:04d}"

    def _place(self, member: int, part: Part) -> str:
        frame = self._frames[member]
        if part == "image":
            return str(frame.image)
        return str(frame.geometry("depth_meters" if part == "depth" else "semantic"))

    def _image(self, member: int) -> OrientedImage:
        return read_image(self._frames[member].image)

    def _depth(self, member: int) -> npt.NDArray[np.float32]:
        frame = self._frames[member]
        distance = _dataset(frame.geometry("depth_meters"))
        if distance.ndim != 2:
            raise SourceError(frame.geometry("depth_meters"), f"its shape is {distance.shape}, not (H, W)", _REMEDY)
        height, width = distance.shape
        camera = pinhole(self._matrix(frame.scene.name), width, height)
        x = (np.arange(width) - camera.cx) / camera.fx
        y = (np.arange(height) - camera.cy) / camera.fy
        return (distance / np.sqrt(1.0 + x[None, :] ** 2 + y[:, None] ** 2)).astype(np.float32)

    def _own_labels(self, member: int) -> npt.NDArray[np.uint8] | None:
        path = self._frames[member].geometry("semantic")
        if not path.is_file():
            return None
        stored = _dataset(path)
        known = (stored >= 1) & (stored <= len(NYU40.classes))
        return np.where(known, stored - 1, UNLABELLED).astype(np.uint8)

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics:
        return pinhole(self._matrix(self._frames[member].scene.name), width, height)


def pinhole(from_uv: npt.NDArray[np.float64], width: int, height: int) -> Intrinsics:
    """Intrinsics of a camera of Hypersim for an image of a size.

    Args:
        from_uv: (3, 3) M_cam_from_uv: leads from (u, v, 1), with u from -1 (left) to 1 and v from -1 (bottom) to 1 over
            the image, to the ray in a camera with y up and z backward.
        width, height: of the image in pixels, whose centres have whole coordinates.

    Raises:
        ValueError: it is the matrix of a tilted camera.
    """
    if not _is_pinhole(from_uv):
        raise ValueError("M_cam_from_uv has a tilt or a shear: no intrinsics describe it")
    (scale_x, _, shift_x), (_, scale_y, shift_y), (_, _, depth) = from_uv / -from_uv[2, 2]
    assert depth == -1.0
    fx, fy = width / (2.0 * scale_x), height / (2.0 * scale_y)
    return Intrinsics(
        fx=float(fx),
        fy=float(fy),
        cx=float((width - 1) / 2.0 - shift_x * fx),
        cy=float((height - 1) / 2.0 + shift_y * fy),
        width=width,
        height=height,
    )


def _is_pinhole(from_uv: npt.NDArray[np.float64]) -> bool:
    mixed = from_uv[[0, 1, 2, 2], [1, 0, 0, 1]]
    return bool(np.abs(mixed).max() <= _TILT and from_uv[2, 2] < 0 < min(from_uv[0, 0], from_uv[1, 1]))


def _scenes(root: Path) -> list[Path]:
    folders = [root.resolve()] if _SCENE.fullmatch(root.resolve().name) else sorted(root.iterdir())
    scenes = [folder for folder in folders if _SCENE.fullmatch(folder.name) and (folder / "images").is_dir()]
    if not scenes:
        raise SourceError(root, "it holds no folder ai_001_001 with a folder images", _REMEDY)
    return scenes


def _frames(scene: Path) -> list[_HypersimFrame]:
    frames = []
    for folder in sorted((scene / "images").iterdir()):
        camera = _FOLDER.fullmatch(folder.name)
        if camera is not None:
            numbers = sorted(int(found[1]) for path in folder.iterdir() if (found := _IMAGE.fullmatch(path.name)))
            frames += [_HypersimFrame(scene, camera[1], number) for number in numbers]
    return frames


def _list_at(root: Path, name: str) -> Path | None:
    """A list of the code's repository, beside the scenes."""
    return next((folder / name for folder in (root, root.parent) if (folder / name).is_file()), None)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(path, f"it cannot be read ({error})", "take it from Hypersim's repository anew") from error


def _read_cameras(root: Path) -> dict[str, npt.NDArray[np.float64]]:
    path = _list_at(root, CAMERAS_FILE)
    if path is None:
        return {}
    names = [f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3)]
    try:
        return {row["scene_name"]: np.array([float(row[name]) for name in names]).reshape(3, 3) for row in _rows(path)}
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(path, f"it lacks scene_name or M_cam_from_uv_00 .. 22 ({error!r})", _REMEDY) from error


def _read_split(root: Path) -> dict[tuple[str, str, int], OfficialPart]:
    """The published part of each frame that is not excluded; empty where the list is not there."""
    path = _list_at(root, SPLIT_FILE)
    if path is None:
        return {}
    try:
        return {
            (row["scene_name"], row["camera_name"], int(row["frame_id"])): _PARTS[row["split_partition_name"]]
            for row in _rows(path)
            if row["included_in_public_release"] == "True" and row["split_partition_name"] in _PARTS
        }
    except (KeyError, ValueError) as error:
        raise SourceError(path, f"it is not the published list ({error!r})", _REMEDY) from error


def _remarks(root: Path, cameras: Mapping[str, object], tilted: set[str]) -> list[str]:
    remarks = []
    if not cameras:
        remarks.append(
            f"{root} has no {CAMERAS_FILE} (in Hypersim's repository): every camera is taken to see 60 degrees"
        )
    if tilted:
        remarks.append(f"{len(tilted)} scenes are left out, their cameras are tilted: {', '.join(sorted(tilted)[:3])}")
    return remarks


def _dataset(path: Path) -> npt.NDArray:
    with open_hdf5(path, "download it anew") as file:
        return np.asarray(file["dataset"])


def _metres_per_unit(path: Path) -> float:
    for row in _rows(path):
        if row.get("parameter_name", "").strip() == "meters_per_asset_unit":
            try:
                return float(row["parameter_value"])
            except (KeyError, TypeError, ValueError):
                break
    raise SourceError(path, "it does not give meters_per_asset_unit", "download it anew")
