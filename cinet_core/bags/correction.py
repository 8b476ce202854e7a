"""Corrects the frames of a bag: by the odometry that it holds, or by its images alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.bags.errors import BagError
from cinet_core.bags.frames import read_message
from cinet_core.bags.reader import BagReader
from cinet_core.correction.corrector import CorrectedFrame
from cinet_core.correction.sequence import SequenceCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.label_sets import LabelSet
from cinet_core.messages.corrected import take_over
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.preparation import PreparedImage
from cinet_core.messages.result import Result
from cinet_core.messages.settings import OutputSettings
from cinet_core.poses import MAX_NORM_ERROR, Pose, PoseBuffer, PoseGap

__all__ = ["ODOMETRY", "OdometryPoses", "RecordedCorrection"]

ODOMETRY = "nav_msgs/msg/Odometry"

MAX_POSE_GAP = 0.5
"""Seconds between two poses beyond which none is interpolated, as in the node."""

_MOST = 10_000_000
"""Poses: as many as five hours have at 500 Hz."""


class OdometryPoses:
    """Poses of the camera at the stamps of images, of all messages of odometry in a bag.

    Args:
        reader: of the bag.
        topic: empty: the only one of this type.
        camera_in_base: x y z qx qy qz qw of the optical frame in the frame that the odometry is of; empty: they are
            one.

    Raises:
        BagError: there is no such topic, or several and none was chosen.
        ValueError: camera_in_base is no transform.
    """

    def __init__(self, reader: BagReader, topic: str = "", camera_in_base: Sequence[float] = ()) -> None:
        self._extrinsic = _extrinsic(camera_in_base)
        self.identity = [topic, list(camera_in_base)]
        chosen = [
            item
            for item in reader.connections
            if item.msgtype == ODOMETRY and topic.strip("/") in ("", item.topic.strip("/"))
        ]
        if len({item.topic for item in chosen}) != 1:
            there = ", ".join(sorted({item.topic for item in reader.connections if item.msgtype == ODOMETRY})) or "none"
            raise BagError(
                f"{reader.path} has these topics of {ODOMETRY}: {there}. Name one with odometry_topic, or correct by "
                "the images alone, with the anchor motion"
            )
        self._buffer = PoseBuffer(max_gap=MAX_POSE_GAP, max_length=_MOST)
        for connection, _, data in reader.messages(chosen):
            try:
                message = read_message(data, connection.msgtype)
            except ConversionError:  # a damaged message is one of many
                continue
            at, turn = message.pose.pose.position, message.pose.pose.orientation
            self._buffer.add(stamp_of(message), (at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w))

    def __len__(self) -> int:
        """How many poses there are."""
        return len(self._buffer)

    def at(self, stamp: int) -> npt.NDArray[np.float64] | None:
        """The (4, 4) pose of the optical frame at a stamp in nanoseconds; None where there is none."""
        found = self._buffer.at(stamp)
        return None if isinstance(found, PoseGap) else found.matrix() @ self._extrinsic


class RecordedCorrection:
    """Corrects the frames of a bag's camera in their order.

    Args:
        label_set: of the model.
        settings: what is to be done.
        poses: of the camera; None where there are none.

    Attributes:
        identity: of what goes into the frames, as JSON types.
    """

    def __init__(self, label_set: LabelSet, settings: CorrectionSettings, poses: OdometryPoses | None) -> None:
        self.identity: list[Any] = [asdict(settings), None if poses is None else poses.identity]
        self._corrector = SequenceCorrector(label_set, settings)
        self._poses = poses

    def apply(self, result: Result, image: PreparedImage, settings: OutputSettings) -> CorrectedFrame | None:
        """Correct a frame, whose outputs are replaced; None where its camera is not known and nothing is done.

        Args:
            result: of the frame.
            image: that was predicted on.
            settings: of the outputs.
        """
        if result.intrinsics is None or image.intrinsics is None:
            return None
        stamp = stamp_of(image.message)
        pose = None if self._poses is None else self._poses.at(stamp)
        corrected = self._corrector.correct(
            stamp * 1e-9, image.image, image.intrinsics, result.outputs, result.intrinsics, pose
        )
        take_over(result, corrected, settings)
        return corrected


def _extrinsic(values: Sequence[float]) -> npt.NDArray[np.float64]:
    if not values:
        return np.eye(4)
    norm = math.hypot(*values[3:]) if len(values) == 7 else math.nan
    if not (all(map(math.isfinite, values)) and abs(norm - 1.0) <= MAX_NORM_ERROR):
        raise ValueError(
            f"camera_in_base is {list(values)}: give seven numbers, x y z qx qy qz qw, with a quaternion of norm 1"
        )
    turn = np.asarray(values[3:], dtype=np.float64)
    return Pose(0, np.asarray(values[:3], dtype=np.float64), turn / norm).matrix()
