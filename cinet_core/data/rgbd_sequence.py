"""A recorded RGB-D sequence in the layout of 7-Scenes and 3DMatch: frames in order, each with the camera's pose.

=========================  ================================================================================
``camera-intrinsics.txt``  K, three by three: of the *depth* camera
``NAME.color.jpg``         the colour image (or any other kind of image file)
``NAME.depth.png``         16-bit PNG in mm, of the same size; 0 and 65535 mean "unknown"
``NAME.pose.txt``          four by four: the depth camera's coordinates to the world's, metres; may be missing
=========================  ================================================================================

The sensor's depth and colour come from two cameras. Unless the depth was registered to the colour when it was
recorded, a pixel of one is not the same pixel of the other: tell what the colour camera is, and the depth is warped
into it when it is read.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cinet_core.data.depth_registration import register_depth
from cinet_core.data.exif import Orientation, orientation_of
from cinet_core.data.folder import DEPTH_RANGE
from cinet_core.data.frame_files import Calibration, FrameFiles, SourceError, list_frames
from cinet_core.data.image_files import OrientedImage, read_depth, read_image
from cinet_core.data.polygons import PolygonLabels, read_polygons
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.scene_dataset import DatasetMeta, Part, Split
from cinet_core.data.unread_files import unread_files
from cinet_core.geometry import Intrinsics, rigidity_error
from cinet_core.label_sets import NYU40, LabelSet

__all__ = ["CAMERA_FILE", "RgbdSequence"]

CAMERA_FILE = "camera-intrinsics.txt"
SPLITS: tuple[Split, ...] = ("test", "all")
MAX_RIGID_ERROR = 1e-3
"""How far R R^T of a pose may be from the identity: files hold rounded numbers."""


class RgbdSequence(PosedDataset):
    """All frames of a sequence, to test on: one walk through one room is nothing to divide or to learn from.

    Args:
        root: the folder.
        split: "test" or "all", which are the same.
        color_focal: focal length of the colour camera in pixels; the depth is then warped into that camera, whose
            principal point is taken to be the depth camera's. None: the depth is registered to the colour already,
            and K is the colour camera's too.
        baseline: where the colour camera stands, metres along the depth camera's x: positive to its right, so that
            depth moves to the left when it is warped (`register_depth`). A Kinect has about 0.025.
        polygons: a file of labels drawn by hand (`read_polygons`), for some of the frames; the others have none.
        label_set: to map these labels to; None keeps them.

    Raises:
        SourceError: the folder is no such sequence, or the polygons cannot be read or are of other frames.
        ValueError: the split does not exist, or the colour camera is none.
    """

    def __init__(
        self,
        root: Path | str,
        split: Split = "test",
        *,
        color_focal: float | None = None,
        baseline: float = 0.0,
        polygons: str | None = None,
        label_set: LabelSet | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"a recorded sequence has no split {split!r}: choose one of {', '.join(SPLITS)}")
        _check_camera(color_focal, baseline)
        self._root = Path(root).expanduser()
        if not self._root.is_dir():
            raise SourceError(self._root, "there is no such folder", "give the folder that holds the frames")
        self._frames = list_frames(self._root)
        self._calibration = _calibration(self._root, self._frames[0])
        self.remarks = tuple(self._unread())
        self._color_focal, self._baseline = color_focal, baseline
        names = {frame.name for frame in self._frames}
        self._polygons = None if polygons is None else _polygons(Path(polygons).expanduser(), names, self._root)
        own = NYU40 if self._polygons is None else self._polygons.label_set
        meta = DatasetMeta(self._root.resolve().name, own, DEPTH_RANGE, splits=SPLITS)
        super().__init__(meta, split, range(len(self._frames)), label_set)

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera stood that the sample shows: (4, 4), its coordinates to the world's, metres.

        Returns:
            The pose of the colour camera where the depth is warped into it, else of the depth camera; None where there
            is no file, or where it holds NaN or infinity, which means that tracking was lost. Where EXIF turns the
            image, it is that of a camera which is held upright.

        Raises:
            SourceError: the file holds no rigid motion, or EXIF mirrors the image.
        """
        member = self._members[index]
        path = self._pose_path(member)
        if not path.is_file():
            return None
        pose = _read_pose(path)
        if not np.isfinite(pose).all():
            return None
        fault = rigidity_error(pose, MAX_RIGID_ERROR)
        if fault is not None:
            raise SourceError(path, f"it is {fault}", "R must be a rotation and the last row 0 0 0 1")
        pose[:3, 3] += self._baseline * pose[:3, 0]
        try:
            return self._orientation(member).turned_pose(pose)
        except ValueError as error:
            place, remedy = self._place(member, "image"), "save the images without their EXIF orientation"
            raise SourceError(place, str(error), remedy) from error

    def problems(self, index: int) -> list[SourceError]:
        """As for any data set, and what is wrong with the pose."""
        found = super().problems(index)
        try:
            self.pose(index)
        except SourceError as error:
            found.append(error)
        return found

    def _unread(self) -> list[str]:
        read = {frame.depth for frame in self._frames if frame.depth is not None}
        images = [frame.image for frame in self._frames]
        expected = ("NAME.depth.png", "a file of polygons, option polygons, or by kind folder from NAME.label.png")
        return unread_files(self._root, (), images, read, expected)

    def _name(self, member: int) -> str:
        return self._frames[member].name

    def _place(self, member: int, part: Part) -> str:
        frame = self._frames[member]
        if part == "labels":
            return f"polygons of {frame.name}"
        return str(frame.image if part == "image" else frame.depth)

    def _image(self, member: int) -> OrientedImage:
        return read_image(self._frames[member].image)

    def _orientation(self, member: int) -> Orientation:
        return orientation_of(self._frames[member].image)

    def _depth(self, member: int) -> npt.NDArray[np.float32] | None:
        path = self._frames[member].depth
        if path is None:
            return None
        depth = read_depth(path)
        if self._color_focal is None:
            return depth
        height, width = depth.shape
        camera = self._calibration.at(width, height)
        return register_depth(depth, camera, self._color_camera(width, height), self._baseline)

    def _own_labels(self, member: int) -> npt.NDArray[np.uint8] | None:
        return None if self._polygons is None else self._polygons.labels(self._frames[member].name)

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics:
        return self._color_camera(width, height)

    def _color_camera(self, width: int, height: int) -> Intrinsics:
        camera = self._calibration.at(width, height)
        if self._color_focal is None:
            return camera
        return dataclasses.replace(camera, fx=self._color_focal, fy=self._color_focal)

    def _pose_path(self, member: int) -> Path:
        return self._root / f"{self._frames[member].name}.pose.txt"


def _check_camera(color_focal: float | None, baseline: float) -> None:
    if color_focal is not None and not 0.0 < color_focal < math.inf:
        raise ValueError(f"color_focal is {color_focal}: it must be above 0 pixels, or None for registered depth")
    if not math.isfinite(baseline):
        raise ValueError(f"baseline is {baseline}: it must be a length in metres, for example 0.025")
    if color_focal is None and baseline != 0.0:
        raise ValueError(f"baseline is {baseline} m, but without color_focal no depth is warped: give both, or neither")


def _calibration(root: Path, frame: FrameFiles) -> Calibration:
    """K of the depth camera, by any frame: all have the same in this layout. SourceError where it is another layout."""
    calibration = frame.depth_calibration
    if calibration is None or calibration.path.name != CAMERA_FILE:
        reason, remedy = f"it is not read by {CAMERA_FILE}", "give a sequence as 7-Scenes has it, or another kind"
        raise SourceError(root, reason, remedy)
    return calibration


def _polygons(path: Path, names: set[str], root: Path) -> PolygonLabels:
    polygons = read_polygons(path)
    if not names.intersection(polygons.frames):
        first = f", the first is {polygons.frames[0]!r}" if polygons.frames else ""
        reason = f"none of its {len(polygons.frames)} frames is in {root}{first}"
        raise SourceError(path, reason, "give the polygons of this sequence")
    return polygons


def _read_pose(path: Path) -> npt.NDArray[np.float64]:
    try:
        pose = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise SourceError(path, str(error), "a pose is a 4x4 matrix of numbers") from error
    if pose.shape != (4, 4):
        raise SourceError(path, f"it holds {pose.shape[0]}x{pose.shape[1]} numbers", "a pose is a 4x4 matrix")
    return pose
