"""Writes frames into a folder of the layout of ``frames.jsonl``, one after the other; a killed run can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write_bytes, remove_unfinished
from cinet_core.data.exif import orientation_of
from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import FrameFiles, SourceError
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.recording import ANCHORS_SUFFIX, RecordedAnchors, encode_anchors
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.data.trust import TRUST_SUFFIX, TrustedFrame, encode_trust
from cinet_core.depth_image import depth_millimetres
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, LabelSet

__all__ = ["FolderWriter", "encoded_png", "file_name", "frame_name", "jpeg_of"]

FRAMES, CLASSES = "frames.jsonl", "classes.txt"
QUALITY = 95
"""Of JPEG files that have to be encoded."""

_SUFFIXES = (".jpg", "_depth.png", "_label.png", TRUST_SUFFIX, ANCHORS_SUFFIX)
_JPEG_MAGIC = b"\xff\xd8\xff"


class FolderWriter:
    """A growing folder of frames; a frame is complete once it has its line. One process writes it at a time.

    Args:
        root: the folder; it is made where it is missing.

    Attributes:
        names: of the frames that are complete.

    Raises:
        SourceError: what lies there is no such folder, or holds lines that are none.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if root.exists() and not root.is_dir():
            raise SourceError(root, "it is a file", "give a folder")
        root.mkdir(parents=True, exist_ok=True)
        self.names = set(self._read_names())

    def add(
        self,
        name: str,
        jpeg: bytes,
        camera: Intrinsics | None,
        *,
        depth: npt.NDArray[np.floating] | None = None,
        labels: npt.NDArray[np.uint8] | None = None,
        trusted: TrustedFrame | None = None,
        measured: RecordedAnchors | None = None,
        keys: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a frame.

        Args:
            name: of the frame; a file name.
            jpeg: the colour image's file.
            camera: of the image.
            depth: (H, W) metres, 0 or NaN where unknown.
            labels: (H, W) uint8 class ids, 255 where there is none.
            trusted: how far the two are trusted; None: they are the truth.
            measured: what the robot measured.
            keys: further ones of its line, as JSON types.

        Raises:
            ValueError: the camera is unknown, which this layout has no line for, or a key is no JSON.
            OSError: a file cannot be written.
        """
        if camera is None:
            raise ValueError(f"{name}: the camera is unknown: calibrate it, or give its intrinsics")
        atomic_write_bytes(self.root / f"{name}.jpg", jpeg)
        if depth is not None:
            atomic_write_bytes(
                self.root / f"{name}_depth.png", encoded_png(depth_millimetres(depth.astype(np.float32)))
            )
        if labels is not None:  # 255, none, becomes 0
            atomic_write_bytes(self.root / f"{name}_label.png", encoded_png(labels + np.uint8(1)))
        if trusted is not None:
            atomic_write_bytes(self.root / f"{name}{TRUST_SUFFIX}", encode_trust(trusted))
        if measured is not None:
            atomic_write_bytes(self.root / f"{name}{ANCHORS_SUFFIX}", encode_anchors(measured))
        line = {"frame": name, "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy, **(keys or {})}
        self._append(line)

    def link(self, name: str, frame: FrameFiles) -> None:
        """Take over a frame of another folder of this layout: hard links where the disk allows it, else copies.

        Args:
            name: that it gets.
            frame: its files.

        Raises:
            ValueError: it is of another layout.
            OSError: a file cannot be written.
        """
        if frame.line is None:
            raise ValueError(f"{frame.image} is of no folder with {FRAMES}: add what it holds")
        for suffix in _SUFFIXES:
            path = frame.image.with_name(f"{frame.name}{suffix}")
            if path.is_file():
                _linked(path, self.root / f"{name}{suffix}")
        self._append({**frame.line, "frame": name})

    def set_classes(self, label_set: LabelSet) -> None:
        """Name the classes of the labels; NYU40 needs no file.

        Raises:
            SourceError: the folder has labels of other classes.
        """
        path, text = self.root / CLASSES, "\n".join(label_set.classes) + "\n"
        known = path.read_text(encoding="utf-8") if path.is_file() else "\n".join(NYU40.classes) + "\n"
        if text != known and self.names:
            raise SourceError(path, "the folder has labels of other classes", "give another folder")
        if text != known:
            atomic_write_bytes(path, text.encode())

    def _append(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, allow_nan=False)
        with (self.root / FRAMES).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        self.names.add(str(line["frame"]))

    def _read_names(self) -> list[str]:
        path = self.root / FRAMES
        if not path.is_file():
            if any(entry.suffix in (".jpg", ".png") for entry in self.root.iterdir()) and not self._unfinished():
                raise SourceError(self.root, "it holds other images", "give a new folder")
            return []
        text = path.read_text(encoding="utf-8")
        whole, _, torn = text.rpartition("\n")
        if torn:  # killed within a line
            remove_unfinished(path)
            atomic_write_bytes(path, f"{whole}\n".encode() if whole else b"")
        names = []
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                names.append(str(json.loads(line)["frame"]))
            except (ValueError, KeyError, TypeError) as error:
                reason = f"line {number}: {error!r}"
                raise SourceError(path, reason, "remove the file, or give a new folder") from error
        return names

    def _unfinished(self) -> bool:
        """The images are of a first frame whose line a killed run did not write: all have the name of one."""
        stems = {entry.stem for entry in self.root.iterdir() if entry.suffix == ".jpg"}
        return len(stems) == 1


def jpeg_of(dataset: SceneDataset, index: int, sample: Sample) -> bytes:
    """The image of a sample as a JPEG file: the very file where it is one and lies as it is served."""
    if isinstance(dataset, FolderDataset):
        frame = dataset.frame(index)
        lens = None if frame.calibration is None else frame.calibration.lens
        if frame.image.suffix.lower() in (".jpg", ".jpeg") and lens is None:
            content = frame.image.read_bytes()
            if content.startswith(_JPEG_MAGIC) and not orientation_of(frame.image).turns:
                return content
    rgb = sample.image.permute(1, 2, 0).numpy()
    well, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not well:
        raise OSError(f"OpenCV could not encode an image of {rgb.shape}")
    return encoded.tobytes()


def file_name(name: str) -> str:
    """A sample's name as that of a file: other characters than letters, digits, dot, minus and underscore are ``-``."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name).lstrip(".") or "frame"


def _linked(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another disk, or one without links
        atomic_write_bytes(target, source.read_bytes())


def frame_name(dataset: SceneDataset, index: int) -> str:
    """Name of a sample as a frame of a folder: what comes before its last underscore is its room, or its world.

    Frames of a folder keep their names. Those of another data set with poses get their world's name before their own:
    training must not see one view of a room and be judged by the next.
    """
    name = file_name(dataset.name(index))
    if isinstance(dataset, FolderDataset) or not isinstance(dataset, PosedDataset):
        return name
    world = file_name(dataset.world(index))
    own = name.removeprefix(world).lstrip("-._").replace("_", "-")
    return f"{world}_{own or index}"


def encoded_png(image: npt.NDArray[np.generic]) -> bytes:
    """A PNG file of an image, which is BGR if it has colours."""
    well, content = cv2.imencode(".png", image)
    if not well:
        raise OSError(f"OpenCV could not encode an image of {image.shape} {image.dtype}")
    return content.tobytes()
