"""Extracts a data set for training from a bag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cinet_core.bags.extract import ExtractedFolder, extract
from cinet_core.bags.motion import MotionSettings
from cinet_core.bags.reader import BagReader
from cinet_core.bags.rgbd import TOLERANCE, RgbdBag
from cinet_core.progress import SILENT, Progress

__all__ = ["Extraction", "extract_bag"]

_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Extraction:
    """The result of an extraction.

    Attributes:
        folder: of the data set.
        written: frames that were written now.
        existing: frames that earlier attempts wrote.
        image_topic: of the images.
        depth_topic, labels_topic: None where there is none.
        unpaired: images that have no depth within the tolerance.
        notes: what to know of the choice of topics, and of the pairing; warnings begin with "WARNING".
        faults: what is wrong with the bag.
        refused: frames that were left out, by reason.
        examples: of each reason the first error's text.
    """

    folder: Path
    written: int
    existing: int
    image_topic: str
    depth_topic: str | None
    labels_topic: str | None
    unpaired: int
    notes: tuple[str, ...]
    faults: tuple[str, ...]
    refused: Mapping[str, int]
    examples: Mapping[str, str]

    @property
    def frames(self) -> int:
        """The number of frames of this bag in the folder."""
        return self.written + self.existing

    @property
    def complete(self) -> bool:
        """Whether the bag is undamaged and no frame was skipped."""
        return not (self.faults or self.refused)


def extract_bag(
    bag: str | Path,
    folder: str | Path,
    *,
    image_topic: str = "",
    depth_topic: str = "",
    labels_topic: str = "",
    camera_info_topic: str = "",
    need_depth: bool = True,
    allow_unregistered: bool = False,
    tolerance: float = TOLERANCE,
    every: int = 1,
    rectified: str = "auto",
    room_seconds: float = 60.0,
    name: str = "",
    motion: MotionSettings | None = MotionSettings(),  # noqa: B008  (it is frozen)
    progress: Progress = SILENT,
) -> Extraction:
    """Extract colour, depth and labels of a bag to a folder of frames for `cinet train`. Needs no ROS.

    Several bags may go into one folder. Called again after it was interrupted, it goes on where it was.

    Args:
        bag: its folder, a .db3 or a .mcap.
        folder: of the data set.
        image_topic: empty: the colour camera that has depth.
        depth_topic: empty: a sensor's, registered to the images.
        labels_topic: empty: semantic/image_raw where it is there.
        camera_info_topic: empty: beside the images.
        need_depth: pass over images that have no depth.
        allow_unregistered: take depth of another camera than the images' as it is.
        tolerance: seconds that the stamps of a pair may differ by.
        every: take every N-th image.
        rectified: whether the images arrive rectified, "true", "false" or "auto": by the topic's name.
        room_seconds: so much of a bag is a room, by which training divides the frames; 0: all of it.
        name: of the bag in the frames' names; empty: the bag's own.
        motion: where odometry and scans are that go with the frames (`cinet_core.data.recording`); None: they stay
            behind.
        progress: receives the progress over the frames.

    Raises:
        BagError: the bag cannot be read, a topic is not there, or the folder holds something else.
        ValueError: a name that makes no file name, or a number below its least.
        OSError: a file cannot be written.
    """
    if name and not _NAME.fullmatch(name):
        raise ValueError(f"name is {name!r}: letters, digits, '_', '-' and '.' make a file name")
    if every < 1 or not tolerance >= 0 or not room_seconds >= 0:
        raise ValueError(
            f"every is {every}, tolerance {tolerance} s and room_seconds {room_seconds} s: they must be at least 1, 0 "
            "and 0"
        )
    bag, folder = Path(bag), Path(folder)
    with BagReader(bag) as reader:
        frames = RgbdBag(
            reader,
            image_topic=image_topic,
            depth_topic=depth_topic,
            labels_topic=labels_topic,
            camera_info_topic=camera_info_topic,
            need_depth=need_depth,
            allow_unregistered=allow_unregistered,
            tolerance=tolerance,
            every=every,
            rectified=rectified,
        )
        stem = name or re.sub(r"[^\w.-]", "_", bag.resolve().stem)
        written_to = ExtractedFolder(folder)
        progress.begin("frames", len(frames))
        done = extract(frames, written_to, stem, room_seconds, progress.advance, motion)
        refused, examples, faults = dict(frames.refused), dict(frames.examples), list(reader.faults)
        if not done.written + done.existing:
            faults.append(f"{folder}: not one frame could be written")
        if done.uncalibrated:
            refused["no_intrinsics"] = refused.get("no_intrinsics", 0) + done.uncalibrated
            examples.setdefault("no_intrinsics", "the camera is unknown: name its camera_info topic, or calibrate it")
        return Extraction(
            folder=folder,
            written=done.written,
            existing=done.existing,
            image_topic=frames.image.topic,
            depth_topic=frames.depth.topic if frames.depth else None,
            labels_topic=frames.labels.topic if frames.labels else None,
            unpaired=frames.unpaired if frames.depth else 0,
            notes=(
                *reader.notes,
                *frames.notes,
                *done.notes,
                *(f"WARNING: {text}" for text in done.plausibility.warnings()),
            ),
            faults=tuple(faults),
            refused=refused,
            examples=examples,
        )
