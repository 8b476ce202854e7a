"""Sources of frames behind one interface: an image, a folder, a video file, or the synthetic room."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.data.bag_paths import METADATA
from cinet_core.data.frame_files import IMAGE_SUFFIXES, FrameFiles, SourceError, list_frames, refuse_bag, scaled_to
from cinet_core.data.image_files import read_depth, read_image
from cinet_core.geometry import Intrinsics

__all__ = [
    "SYNTHETIC",
    "SYNTHETIC_FRAMES",
    "FilesSource",
    "Frame",
    "FrameSource",
    "SourceError",
    "SyntheticSource",
    "VideoSource",
    "open_source",
]

SYNTHETIC = "synthetic"
"""The name that open_source takes for the built-in scene; a folder of that name is "./synthetic"."""

SYNTHETIC_FRAMES = 240
SYNTHETIC_RATE = 15.0
TRUNCATED = 0.9
"""A video that ends before this part of the frames that its header claims is damaged; headers are a little off."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source with its stamp, its camera and optional depth.

    Attributes:
        name: unique in its source; fit for a file name.
        image: (H, W, 3) uint8 RGB, rectified by its calibration and turned upright by its EXIF, and what belongs to it
            with it.
        stamp: seconds since the source's first frame; None where the source has no clock.
        intrinsics: of the image, at its size; None where unknown.
        depth: (H, W) float32 metres along z from a sensor or renderer, NaN where unknown; None where there is none.
        depth_intrinsics: of the depth image, which another camera may have taken: unproject it with these.
        valid: (H, W) bool, False where rectification left no source; None where all of the image is valid.
    """

    name: str
    image: npt.NDArray[np.uint8]
    stamp: float | None = None
    intrinsics: Intrinsics | None = None
    depth: npt.NDArray[np.float32] | None = None
    depth_intrinsics: Intrinsics | None = None
    valid: npt.NDArray[np.bool_] | None = None


class FrameSource(Protocol):
    """A sequence of frames that can be iterated repeatedly.

    A frame that cannot be read is logged, noted in ``failures`` and passed over: one bad file among many does not end
    a run. A new iteration starts with no failures.

    Attributes:
        name: of the source, for captions and messages.
        rate: frames a second, None where the source has no clock.
        failures: what the latest iteration could not read.
    """

    name: str
    rate: float | None
    failures: list[SourceError]

    def __len__(self) -> int:
        """Number of frames; for a video what its header claims, which may be wrong."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """The frames, from the first."""
        ...


def open_source(path_or_name: str, intrinsics: Intrinsics | None = None, depth: bool = True) -> FrameSource:
    """Open the source of frames at a path.

    Args:
        path_or_name: an image file, a folder (frame_files.py lists the layouts), a video file, or "synthetic".
        intrinsics: of the colour camera, in place of what the source says; scaled where the image has another size of
            the same aspect, and turned with an image that its EXIF turns, unless their size is the upright one's. A
            depth image keeps the source's own.
        depth: False leaves depth images unread: the frames carry none.

    Raises:
        SourceError: there is no such source, it holds nothing to read, or it is a video of another aspect than
            `intrinsics`.
    """
    if path_or_name == SYNTHETIC:
        return SyntheticSource(intrinsics, depth=depth)
    path = Path(path_or_name).expanduser()
    if not path.exists():
        raise SourceError(
            path_or_name, "there is no such file or folder", 'give an image, a folder, a video or "synthetic"'
        )
    if path.is_file() or (path / METADATA).is_file():  # a folder may hold images beside bags
        refuse_bag(path)
    if path.is_dir():
        frames = list_frames(path)
        if not depth:
            frames = [replace(frame, depth=None) for frame in frames]
        return FilesSource(path.resolve().name, frames, intrinsics)
    if path.stat().st_size == 0:
        raise SourceError(path, "the file is empty", "replace the file")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return FilesSource(path.stem, [FrameFiles(path.stem, path)], intrinsics)
    return VideoSource(path, intrinsics)


class FilesSource:
    """Images in files: a folder's or a single one."""

    rate: float | None = None

    def __init__(self, name: str, files: list[FrameFiles], intrinsics: Intrinsics | None = None) -> None:
        """Keep the list; nothing is read before the iteration."""
        self.name = name
        self.failures: list[SourceError] = []
        self._files = files
        self._intrinsics = intrinsics

    def __len__(self) -> int:
        """Number of images."""
        return len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        """The images in natural order."""
        self.failures = []
        for files in self._files:
            try:
                frame = self._read(files)
            except SourceError as error:
                _log.warning("skipped: %s", error)
                self.failures.append(error)
                continue
            yield frame

    def _read(self, files: FrameFiles) -> Frame:
        image = read_image(files.image)
        intrinsics = depth = depth_intrinsics = None
        given, calibration = self._intrinsics, files.calibration
        if given is not None:
            intrinsics = image.camera(lambda width, height: scaled_to(given, width, height, files.image))
        elif calibration is not None:
            image = image.rectified(calibration)
            intrinsics = image.camera(calibration.at)
        if files.depth is not None:
            depth = image.orientation.upright(read_depth(files.depth), *image.size)
            if files.depth_calibration is not None:
                height, width = depth.shape
                depth_intrinsics = image.orientation.upright_camera(files.depth_calibration.at, width, height)
        return Frame(files.name, image.rgb, None, intrinsics, depth, depth_intrinsics, image.valid)


class VideoSource:
    """A video file, decoded by OpenCV."""

    def __init__(self, path: Path, intrinsics: Intrinsics | None = None) -> None:
        """Look at the header and the first frame.

        Raises:
            SourceError: OpenCV cannot open the file or finds no frame in it, or `intrinsics` are for another aspect.
        """
        self.name = path.stem
        self.failures: list[SourceError] = []
        self._path = path
        capture = self._open()
        try:
            rate = float(capture.get(cv2.CAP_PROP_FPS))
            self.rate: float | None = rate if 0.0 < rate < 1000.0 else None
            self._count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
            found, first = capture.read()
            if not found:
                raise self._unreadable("it holds no frame that can be decoded")
            height, width = first.shape[:2]
            self._intrinsics = None if intrinsics is None else scaled_to(intrinsics, width, height, path)
        finally:
            capture.release()

    def __len__(self) -> int:
        """Number of frames that the header claims; 0 where it claims none."""
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        """The frames, as fast as they can be decoded."""
        self.failures = []
        capture = self._open()
        try:
            number = 0
            while True:
                found, bgr = capture.read()
                if not found:
                    break
                image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                stamp = number / self.rate if self.rate else None
                yield Frame(f"{self.name}_{number:06d}", image, stamp, self._intrinsics)
                number += 1
        finally:
            capture.release()
        if number < TRUNCATED * self._count:
            error = self._unreadable(f"it broke off after {number} of {self._count} frames")
            _log.warning("%s", error)
            self.failures.append(error)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise self._unreadable("it is neither an image nor a video that OpenCV can open")
        return capture

    def _unreadable(self, reason: str) -> SourceError:
        return SourceError(self._path, reason, "convert it to MP4 (H.264), or to a folder of images")


class SyntheticSource:
    """The synthetic room, once around.

    Args:
        intrinsics: choose the image size and the lens; None: the room's own camera.
        seed: of the room.
        depth: with exact depth.
        frames: views in one round.
        rate: frames a second; None: without a clock.
    """

    name = SYNTHETIC

    def __init__(
        self,
        intrinsics: Intrinsics | None = None,
        seed: int = 0,
        depth: bool = True,
        frames: int = SYNTHETIC_FRAMES,
        rate: float | None = SYNTHETIC_RATE,
    ) -> None:
        from cinet_core.rooms.demo.room import SyntheticRoom  # not for who reads files

        self.rate = rate
        self.failures: list[SourceError] = []
        self._depth, self._frames = depth, frames
        self._room = SyntheticRoom(seed, intrinsics=intrinsics)

    def __len__(self) -> int:
        """Views in one round."""
        return self._frames

    def __iter__(self) -> Iterator[Frame]:
        """The views of one round; the one after the last is the first again."""
        for index in range(self._frames):
            view = self._room.render(index, self._frames)
            k = self._room.intrinsics
            depth = (view.depth, k) if self._depth else (None, None)
            stamp = index / self.rate if self.rate else None
            yield Frame(f"{SYNTHETIC}_{index:06d}", view.image, stamp, k, *depth)
