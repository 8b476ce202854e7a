"""Poses of the frames of an offline source, where it has them: a recorded RGB-D sequence, and the synthetic room."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_sources import SYNTHETIC, SYNTHETIC_FRAMES
from cinet_core.data.rgbd_sequence import CAMERA_FILE, RgbdSequence
from cinet_core.viewer.recording import WorldUp

__all__ = ["Pose", "SourcePoses", "source_poses"]

Pose = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SourcePoses:
    """Where the camera stood.

    Attributes:
        of: gives the (4, 4) camera-to-world pose of the frame of a name, in metres; None where tracking was lost.
            Raises SourceError where the frame's file holds no pose.
        world_up: axis of that world that points up.
    """

    of: Callable[[str], Pose | None]
    world_up: WorldUp


def source_poses(source: str) -> SourcePoses | None:
    """The poses of a source as `open_source` takes it; None where it has none.

    Raises:
        SourceError: the folder's calibration cannot be read.
    """
    if source == SYNTHETIC:
        return SourcePoses(_synthetic_pose, "z")
    folder = Path(source).expanduser()
    if not (folder / CAMERA_FILE).is_file():
        return None
    sequence = RgbdSequence(folder)
    places = {sequence.name(index): index for index in range(len(sequence))}
    return SourcePoses(lambda name: sequence.pose(places[name]), "-y")


def _synthetic_pose(name: str) -> Pose:
    """By the number at the end of the name, as SyntheticSource has it."""
    from cinet_core.rooms.demo.room import camera_pose  # not for who reads a sequence

    number = int(name.rpartition("_")[2])
    return camera_pose(2.0 * math.pi * number / SYNTHETIC_FRAMES)
