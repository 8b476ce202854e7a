"""Turns a bag into a folder of frames for training: colour, depth and labels, in the layout of ``frames.jsonl``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write_bytes, remove_unfinished
from cinet_core.bags.errors import BagError
from cinet_core.bags.motion import MotionSettings, RecordedMotion
from cinet_core.bags.rgbd import RgbdBag, RgbdFrame
from cinet_core.bags.topics import COMPRESSED_IMAGE
from cinet_core.data.depth_plausibility import DepthPlausibility
from cinet_core.data.recorded_anchors import ANCHORS_SUFFIX, RecordedAnchors, encode_anchors
from cinet_core.depth_image import depth_millimetres
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.messages.compressed import swaps_red_and_blue

if TYPE_CHECKING:
    from cinet_core.geometry import Intrinsics

__all__ = ["ExtractedFolder", "ExtractionCounts", "encoded", "extract"]

FRAMES = "frames.jsonl"
CLASSES = "classes.txt"
QUALITY = 95
"""Of the JPEG files; of images that come as JPEG and are not rectified the file is kept as it is."""

_JPEG_MAGIC = b"\xff\xd8\xff"


@dataclass
class ExtractionCounts:
    """The number of frames of an extraction.

    Attributes:
        written: frames written by this attempt.
        existing: frames that earlier attempts wrote.
        uncalibrated: frames left out because their camera is unknown.
        plausibility: of the depth of the frames that were written.
        notes: what was taken of the robot's motion.
    """

    written: int = 0
    existing: int = 0
    uncalibrated: int = 0
    plausibility: DepthPlausibility = field(default_factory=DepthPlausibility)
    notes: list[str] = field(default_factory=list)


class ExtractedFolder:
    """A growing folder of frames. A frame is complete once it has its line in ``frames.jsonl``.

    Args:
        root: the folder; several bags may go into one.

    Raises:
        BagError: it holds a data set of another layout, or lines that are none.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: set[str] = set()
        if root.exists() and not root.is_dir():
            raise BagError(f"{root} is a file: give a folder")
        lines = self._lines()
        for number, line in enumerate(lines, start=1):
            try:
                self.names.add(str(json.loads(line)["frame"]))
            except (ValueError, KeyError, TypeError) as error:
                raise BagError(
                    f"{root / FRAMES}, line {number}: {error!r}; remove the file, or give a new folder"
                ) from error
        root.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        name: str,
        jpeg: bytes,
        depth: npt.NDArray[np.uint16] | None,
        labels: npt.NDArray[np.uint8] | None,
        camera: Intrinsics,
        measured: RecordedAnchors | None = None,
        keys: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a frame.

        Args:
            name: of the frame.
            jpeg: the colour image's file.
            depth: (H, W) millimetres, 0 where unknown.
            labels: (H, W), 0 where there is none, 1 the first class.
            camera: of the images.
            measured: what the robot measured at this frame.
            keys: further ones of its line, as JSON types.
        """
        atomic_write_bytes(self.root / f"{name}.jpg", jpeg)
        for plane, kind in ((depth, "depth"), (labels, "label")):
            if plane is not None:
                atomic_write_bytes(self.root / f"{name}_{kind}.png", encoded(plane, ".png"))
        if measured is not None:
            atomic_write_bytes(self.root / f"{name}{ANCHORS_SUFFIX}", encode_anchors(measured))
        line = {"frame": name, "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy, **(keys or {})}
        with (self.root / FRAMES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.names.add(name)

    def set_classes(self, classes: tuple[str, ...]) -> None:
        """Name the classes of the labels.

        Raises:
            BagError: the folder has labels of other classes.
        """
        path, text = self.root / CLASSES, "\n".join(classes) + "\n"
        known = path.read_text(encoding="utf-8") if path.is_file() else "\n".join(NYU40.classes) + "\n"
        if text != known and self.names:
            raise BagError(f"{self.root} has labels of other classes than this bag: give another folder")
        if text != known:
            atomic_write_bytes(path, text.encode())

    def _lines(self) -> list[str]:
        path = self.root / FRAMES
        if not path.is_file():
            if self.root.is_dir() and any(entry.suffix in (".jpg", ".png") for entry in self.root.iterdir()):
                # without a line for it, an image is what a killed attempt left: the next one writes it again
                others = [entry for entry in self.root.iterdir() if not re.search(r"_\d{6}(_\w+)?\.\w+$", entry.name)]
                if others:
                    raise BagError(f"{self.root} holds other images ({others[0].name}): give a new folder")
            return []
        text = path.read_text(encoding="utf-8")
        whole, _, torn = text.rpartition("\n")
        if torn:  # killed within a line
            remove_unfinished(path)
            atomic_write_bytes(path, f"{whole}\n".encode() if whole else b"")
        return whole.splitlines()


def extract(
    bag: RgbdBag,
    folder: ExtractedFolder,
    stem: str,
    room_seconds: float,
    progress: Callable[[int], None],
    motion: MotionSettings | None = None,
) -> ExtractionCounts:
    """Write the frames of a bag that are not yet in the folder.

    A frame is called ``<stem>-<room>_<number>``: what comes before the underscore is its room, by which training
    divides the frames.

    Args:
        bag: the frames.
        folder: of the data set.
        stem: name of the bag.
        room_seconds: a room is this much of the bag; 0: all of it is one room.
        progress: called with the number of frames that are there.
        motion: where odometry and scans are; None: neither is taken.

    Raises:
        BagError: the labels are of other classes than the folder's.
        OSError: a file cannot be written.
    """
    if bag.labels is not None:
        classes = _classes(bag)
        if classes is not None:
            folder.set_classes(classes)
    first = bag.stamp(bag.indices[0])
    names = {}
    for index in bag.indices:
        room = 0 if room_seconds <= 0 else max(0, int((bag.stamp(index) - first) * 1e-9 / room_seconds))
        names[index] = f"{stem}-{room:04d}_{index:06d}"
    done = {index for index, name in names.items() if name in folder.names}
    report = ExtractionCounts(existing=len(done))
    known = None if motion is None else _motion_of(bag, motion)
    report.notes += [] if known is None else known.notes
    progress(len(done))
    for frame in bag.frames(done):
        camera = frame.prepared.intrinsics
        if camera is None:
            report.uncalibrated += 1
            continue
        depth = None
        if frame.depth is not None:
            depth = depth_millimetres(frame.depth)
            report.plausibility.add(names[frame.index], frame.depth)
        labels = None if frame.labels is None else frame.labels + np.uint8(1)  # 255, none, becomes 0
        measured = None if known is None else known.anchors(frame.stamp)
        keys = _keys(known, frame.stamp, stem)
        folder.add(names[frame.index], _jpeg(frame, bag.image.msgtype), depth, labels, camera, measured, keys)
        report.written += 1
        progress(len(done) + report.written)
    return report


def _motion_of(bag: RgbdBag, settings: MotionSettings) -> RecordedMotion:
    first = bag.first_message(bag.image.topic)
    frame = "" if first is None else first.header.frame_id
    return RecordedMotion(bag.reader, settings, frame, [bag.stamp(index) for index in bag.indices])


def _keys(motion: RecordedMotion | None, stamp: int, stem: str) -> dict[str, Any]:
    """Of a frame's line (`cinet_core.data.recording`)."""
    pose = None if motion is None else motion.pose(stamp)
    keys: dict[str, Any] = {"seconds": stamp * 1e-9}
    return keys if pose is None else {**keys, "pose": pose.tolist(), "world": stem}


def encoded(image: npt.NDArray[np.generic], suffix: str) -> bytes:
    """Encode an image, which is BGR if it has colours, as a file.

    Raises:
        OSError: OpenCV cannot write it.
    """
    well, content = cv2.imencode(suffix, image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if suffix == ".jpg" else [])
    if not well:
        raise OSError(f"OpenCV could not encode an image of {image.shape} {image.dtype} as {suffix}")
    return content.tobytes()


def _jpeg(frame: RgbdFrame, msgtype: str) -> bytes:
    camera = frame.prepared.camera
    if msgtype == COMPRESSED_IMAGE and (camera is None or not camera.distorted):
        data, kind = bytes(frame.prepared.message.data), frame.prepared.message.format
        # Readers of folders turn images upright by their EXIF, decoders of messages do not; Bayer is no colour; and
        # what only the message's format says of its colours, no file does.
        as_it_is = "bayer" not in kind and not swaps_red_and_blue(kind)
        if data.startswith(_JPEG_MAGIC) and b"Exif\x00" not in data[:64] and as_it_is:
            return data
    return encoded(cv2.cvtColor(frame.prepared.image, cv2.COLOR_RGB2BGR), ".jpg")


def _classes(bag: RgbdBag) -> tuple[str, ...] | None:
    """Names of the classes by the message beside the labels; None where there is none."""
    assert bag.labels is not None
    message = bag.first_message(bag.labels.topic.removesuffix("/compressed").rsplit("/", 1)[0] + "/classes")
    if message is None:
        return None
    by_id = {item.id: item.name for item in message.classes}
    last = max(by_id, default=-1)
    if last >= UNLABELLED - 1:
        raise BagError(f"{bag.labels.topic} has {last + 1} classes: {UNLABELLED - 1} fit in a folder's label images")
    return tuple(by_id.get(number, f"class {number}") for number in range(last + 1))
