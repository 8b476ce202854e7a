"""Converts messages to a recording, on a thread of its own since it takes time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo

from cinet_core.label_sets import LabelSet
from cinet_core.messages.camera import CameraModelCache
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.images import decode_image
from cinet_core.messages.planes import read_depth, read_labels
from cinet_core.viewer import FrameTime, Recording
from cinet_ros.counters import FrameCounters
from cinet_ros.mapping.frame_arrays import COLOR, DEPTH, LABELS
from cinet_ros.mapping.frame_queue import SynchronizedFrame
from cinet_ros.viewer.parameters import ViewerSettings
from cinet_ros.viewer.points import read_points

MEGABYTE = 1_000_000

# Keys of what is handed in, in the order in which a batch is worked on.
CLASSES, POSES, FRAME, STATS, MAP = "classes", "poses", "frame", "stats", "map"

Matrix = npt.NDArray[np.float64]


class CalibratedFrame(NamedTuple):
    """A complete frame with the calibration that was known at that time."""

    frame: SynchronizedFrame
    camera_info: CameraInfo | None


class StampedPose(NamedTuple):
    """The pose of the camera at a time: (4, 4) camera-to-world, metres."""

    nanoseconds: int
    camera_to_world: Matrix


class Display:
    """Records the data once the classes are known. It must be used from one thread.

    Args:
        settings: the node's.
        address: of the live viewer's server; None without one.
        counters: where frames that cannot be shown are counted.
        warn: called with a key, equal for equal faults, and a description of what is wrong with the input.
    """

    def __init__(
        self,
        settings: ViewerSettings,
        address: str | None,
        counters: FrameCounters,
        warn: Callable[[str, str], None],
    ) -> None:
        self._settings = settings
        self._address = address
        self._counters = counters
        self._warn = warn
        self._file = Path(settings.file).expanduser() if settings.file else None
        self._models = CameraModelCache()
        self._recording: Recording | None = None
        self._number = 0  # of the latest frame

    def process(self, batch: dict[str, Any]) -> None:
        """Record the latest message of every topic."""
        if CLASSES in batch:
            self._begin(batch[CLASSES])
        if self._recording is None:
            if FRAME in batch:
                self._counters.drop("no_classes")
                self._warn("classes", "frames come in but no semantic/classes: is that the perception node's image?")
            return
        steps: Sequence[tuple[str, Callable[[Recording, Any], None]]] = (
            (POSES, self._poses),
            (FRAME, self._frame),
            (STATS, self._stats),
            (MAP, self._map),
        )
        for key, step in steps:
            if key in batch:
                try:
                    step(self._recording, batch[key])
                except ConversionError as error:
                    self._warn(f"{key} {error.reason}", str(error))
                    if key == FRAME:
                        self._counters.drop(error.reason)
        self._limit_file(self._recording)

    def close(self) -> None:
        """Finish the recording."""
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _begin(self, message: Any) -> None:
        label_set = LabelSet(message.label_set, tuple(item.name for item in message.classes))
        if self._recording is not None:
            self._recording.log_classes(label_set)
            return
        self._recording = Recording(
            label_set,
            file=self._file,
            address=self._address,
            about=f"# CI-Net\nclasses: {label_set.name}",
            world_up="-y" if self._settings.pose_source == "none" else "z",
            rates=True,
            dated=True,
            cloud_points=self._settings.cloud_points,
            cloud_color="camera" if self._settings.cloud_color == "camera" else "semantic",
        )

    def _frame_time(self, nanoseconds: int) -> FrameTime:
        return FrameTime(self._number, nanoseconds)

    def _poses(self, recording: Recording, poses: Sequence[StampedPose]) -> None:
        for pose in poses:
            recording.log_pose(self._frame_time(pose.nanoseconds), pose.camera_to_world)

    def _frame(self, recording: Recording, seen: CalibratedFrame) -> None:
        messages = seen.frame.messages
        image, depth, labels = decode_image(messages[COLOR]), read_depth(messages[DEPTH]), read_labels(messages[LABELS])
        height, width = depth.shape
        if image.shape[:2] != depth.shape or labels.shape != depth.shape:
            raise ConversionError(
                "size",
                f"{COLOR} is {image.shape[1]}x{image.shape[0]}, {LABELS} {labels.shape[1]}x{labels.shape[0]} and "
                f"{DEPTH} {width}x{height}: take all from one perception node",
            )
        camera_info = seen.camera_info
        intrinsics = None
        if camera_info is not None:
            intrinsics = self._models.get(camera_info, width, height, True).intrinsics
        self._number += 1
        recording.log_frame(self._frame_time(seen.frame.stamp), image, depth, labels, intrinsics)
        self._counters.use()

    def _stats(self, recording: Recording, message: Any) -> None:
        frame_time = self._frame_time(stamp_of(message))
        stages = {stage.stage: stage.seconds for stage in message.stages}
        recording.log_milliseconds(frame_time, {"latency": message.latency, **stages})
        recording.log_hertz(frame_time, {"in": message.rate_in, "out": message.rate_out})

    def _map(self, recording: Recording, message: Any) -> None:
        points, labels = read_points(message, self._settings.map_points)
        recording.log_map(self._frame_time(stamp_of(message)), points, labels, self._settings.map_point_radius)

    def _limit_file(self, recording: Recording) -> None:
        if self._file is None or self._file.stat().st_size < self._settings.max_file_size * MEGABYTE:
            return
        recording.end_file()
        self._file = None
        self._warn("file", f"{self._settings.file} has reached max_file_size = {self._settings.max_file_size} MB")
