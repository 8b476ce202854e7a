"""What a robot knew when an image was taken: where its camera was, what its scanner saw, which way is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.scan import scan_points
from cinet_core.bags.correction import ODOMETRY, OdometryPoses
from cinet_core.bags.errors import BagError
from cinet_core.bags.frames import read_message
from cinet_core.bags.pairing import nearest_pairs
from cinet_core.bags.reader import BagReader
from cinet_core.bags.static_transforms import StaticTransforms, transform_of
from cinet_core.data.recorded_anchors import RecordedAnchors
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import stamp_of

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["MotionSettings", "RecordedMotion"]

SCAN = "sensor_msgs/msg/LaserScan"
SCAN_NS = 100_000_000
"""Nanoseconds between an image and its scan at most: scanners turn at 10 Hz and more."""


@dataclass(frozen=True)
class MotionSettings:
    """Where odometry and scans of a bag are, and how sensors are mounted.

    Attributes:
        odometry_topic, scan_topic: empty: the only one of its type.
        camera_in_base: x y z qx qy qz qw of the optical frame in the frame that the odometry is of; empty: by
            /tf_static.
        scan_in_base: of the scanner, likewise.

    Raises:
        ValueError: a transform that is none.
    """

    odometry_topic: str = ""
    scan_topic: str = ""
    camera_in_base: tuple[float, ...] = field(default=())
    scan_in_base: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        """Check the transforms."""
        for name in ("camera_in_base", "scan_in_base"):
            values = getattr(self, name)
            if values and transform_of(values) is None:
                raise ValueError(
                    f"{name} is {list(values)}: give seven numbers, x y z qx qy qz qw, with a quaternion of norm 1"
                )


class RecordedMotion:
    """Poses of a camera, scans in its view, and up, of a bag. What is not there, or cannot be placed, is None.

    Args:
        reader: of the bag.
        settings: which topics, and how sensors are mounted.
        camera_frame: frame_id of the images.
        stamps: of the images, nanoseconds.

    Attributes:
        notes: what was taken, and what could not be and why.

    Raises:
        BagError: a topic that was named is not there.
    """

    def __init__(self, reader: BagReader, settings: MotionSettings, camera_frame: str, stamps: Sequence[int]) -> None:
        self.notes: list[str] = []
        self._poses: OdometryPoses | None = None
        self._scans: dict[int, npt.NDArray[np.float64]] = {}
        self._base_in_camera: npt.NDArray[np.float64] | None = None
        static = StaticTransforms(reader)
        odometry = self._topic(reader, ODOMETRY, settings.odometry_topic, "poses")
        scans = self._topic(reader, SCAN, settings.scan_topic, "scans")
        base = "" if odometry is None else str(self._first(reader, odometry, "child_frame_id"))
        camera = (
            transform_of(settings.camera_in_base) if settings.camera_in_base else static.between(base, camera_frame)
        )
        if odometry is not None and camera is None:
            self._unplaced("poses", camera_frame, base, "camera-in-base")
        elif odometry is not None:
            assert camera is not None
            self._poses, self._camera = OdometryPoses(reader, odometry.topic), camera
            self._base_in_camera = np.asarray(np.linalg.inv(camera), np.float64)
            self.notes.append(f"{len(self._poses)} poses of {odometry.topic}")
        if scans is not None:
            frame = self._first(reader, scans, "header").frame_id
            placed = static.between(camera_frame, frame)
            if settings.scan_in_base and self._base_in_camera is not None:
                mounted = transform_of(settings.scan_in_base)
                assert mounted is not None  # checked by the settings
                placed = self._base_in_camera @ mounted
            if placed is None:
                self._unplaced("scans", frame, camera_frame, "camera-in-base and --scan-in-base")
            else:
                self._read_scans(reader, scans, placed, stamps)

    @property
    def up(self) -> npt.NDArray[np.float64] | None:
        """(3,) z of the robot's base in the camera's optical frame: up, where it stands on a level floor."""
        return None if self._base_in_camera is None else self._base_in_camera[:3, 2]

    def pose(self, stamp: int) -> npt.NDArray[np.float64] | None:
        """(4, 4) of the optical frame in the odometry's frame, at a stamp in nanoseconds."""
        base = None if self._poses is None else self._poses.at(stamp)
        return None if base is None else base @ self._camera

    def anchors(self, stamp: int) -> RecordedAnchors | None:
        """What was measured when the image of a stamp was taken."""
        scan, up = self._scans.get(stamp), self.up
        return None if scan is None and up is None else RecordedAnchors(scan=scan, up=up)

    def _topic(self, reader: BagReader, kind: str, name: str, what: str) -> Connection | None:
        there = {item.topic: item for item in reader.connections if item.msgtype == kind and item.msgcount}
        if name:
            found = next((item for topic, item in there.items() if topic.strip("/") == name.strip("/")), None)
            if found is None:
                raise BagError(f"{reader.path} has no {kind} on {name}; it has: {', '.join(sorted(there)) or 'none'}")
            return found
        if len(there) > 1:
            self.notes.append(f"WARNING: no {what}: there are several topics, name one of {', '.join(sorted(there))}")
        return next(iter(there.values())) if len(there) == 1 else None

    def _first(self, reader: BagReader, topic: Connection, attribute: str) -> Any:
        for _, _, data in reader.messages([topic]):
            try:
                return getattr(read_message(data, topic.msgtype), attribute)
            except ConversionError:
                continue
        raise BagError(f"{reader.path}: no message of {topic.topic} can be read: name another topic")

    def _unplaced(self, what: str, frame: str, other: str, option: str) -> None:
        self.notes.append(
            f"WARNING: no {what}: /tf_static does not connect {frame or 'no frame'} with {other or 'no frame'}; give "
            f"--{option}"
        )

    def _read_scans(
        self, reader: BagReader, topic: Connection, in_camera: npt.NDArray[np.float64], stamps: Sequence[int]
    ) -> None:
        """Of each image the nearest scan, moved to where the camera was then."""
        taken: list[tuple[int, npt.NDArray[np.float64]]] = []
        for _, _, data in reader.messages([topic]):
            try:
                scan = read_message(data, topic.msgtype)
                points = scan_points(scan.ranges, scan.angle_min, scan.angle_increment, scan.range_min, scan.range_max)
            except (ConversionError, ValueError):
                continue
            taken.append((stamp_of(scan), points @ in_camera[:3, :3].T + in_camera[:3, 3]))
        pairs = nearest_pairs(list(stamps), [stamp for stamp, _ in taken], SCAN_NS)
        for image, number in pairs.items():
            stamp, points = taken[number]
            then, now = self.pose(stamp), self.pose(stamps[image])
            if then is not None and now is not None:
                moved = np.linalg.inv(now) @ then
                points = points @ moved[:3, :3].T + moved[:3, 3]
            self._scans[stamps[image]] = points
        self.notes.append(f"scans of {topic.topic} at {len(self._scans)} of {len(stamps)} images")
