"""What a robot sees in a rendered room: exact depth, predicted depth, or predicted depth that anchors correct.

The images are rendered where the robot truly is. What corrects depth is what a robot has: its odometry, with the errors
that the drive gives it; the height of its camera, as it was mounted; and a lidar. All goes through the classes that the
node, bags and commands use.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.anchors import AnchorMeasurement, CorrectionReport, measure_floor, measure_scan
from cinet_core.correction.sequence import SequenceCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.rooms.raycast.camera import PosedCamera
from cinet_core.rooms.raycast.casting import cast_camera_rays, cast_free_rays
from cinet_core.rooms.raycast.packing import pack_cameras, pack_scenes
from cinet_core.rooms.raycast.renderer import render
from cinet_core.rooms.raycast.tiles import tile_grid
from scripts.robot.box_scene import camera_pose
from scripts.robot.controller import in_room
from scripts.robot.costmap import Pose2D
from scripts.robot.drive import Sight
from scripts.robot.rendered_room import RenderedRoom

__all__ = [
    "ANCHORED",
    "CAMERA",
    "DEPTHS",
    "MOUNTED",
    "SETTINGS",
    "SIZE",
    "ExactView",
    "Lidar",
    "NetworkCamera",
    "PredictedView",
]

SIZE, FOV = (320, 240), 70.0
MOUNTED = camera_pose(0.3, 5.0)
CAMERA = Intrinsics.from_fov(*SIZE, FOV)
SETTINGS = ObstacleSettings(half_resolution=False, max_height=0.7, scan_max_height=0.7)

ANCHORED = ("floor", "odometry", "scan", "auto")
"""Anchors, by the names of the node's parameter `anchor`; auto: all three."""

DEPTHS = ("exact", "predicted", *ANCHORED)

MAX_GAP = 1.0
"""Seconds between two frames over which nothing is carried, as in the node."""

Image = npt.NDArray[np.uint8]


def _camera(pose: Pose2D) -> PosedCamera:
    """The robot's camera where it stands."""
    return PosedCamera(CAMERA, in_room(pose) @ MOUNTED)


class ExactView:
    """A camera with exact depth and labels.

    Args:
        room: to be in.
    """

    def __init__(self, room: RenderedRoom) -> None:
        self._scene = pack_scenes([room.scene])
        self._names = torch.cat([self._scene.label, self._scene.label.new_full((1,), UNLABELLED)])

    def __call__(self, sight: Sight) -> DepthFrame:
        """The frame of a place."""
        views = pack_cameras([_camera(sight.taken)])
        grid = tile_grid(views)
        depth, seen = (grid.to_image(tiles, *SIZE[::-1])[0] for tiles in cast_camera_rays(self._scene, views, grid))
        return DepthFrame(depth.numpy(), self._names[seen.long()].numpy(), CAMERA, MOUNTED)


class Lidar:
    """A scanner with one row, cast in a room: 360 degrees in steps of one, as cheap ones have.

    Args:
        room: to be in.
        seed: of its noise.
    """

    HEIGHT = 0.2
    SIGMA = 0.02
    NEAREST, FARTHEST = 0.12, 8.0
    STEP = math.radians(1.0)

    def __init__(self, room: RenderedRoom, seed: int) -> None:
        self._scene = pack_scenes([room.scene])
        self._rng = np.random.default_rng([seed, 3])
        self._in_base = np.eye(4)
        self._in_base[2, 3] = self.HEIGHT

    def ranges(self, pose: Pose2D) -> npt.NDArray[np.float64]:
        """(360,) metres, counterclockwise from the robot's x; infinite where nothing is within `FARTHEST`."""
        at = in_room(pose) @ self._in_base
        angles = self.STEP * np.arange(360)
        rays = np.stack([np.cos(angles), np.sin(angles), np.zeros(360)], axis=1) @ at[:3, :3].T
        origin = np.broadcast_to(at[:3, 3], rays.shape)
        casts = [torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)) for values in (origin, rays)]
        found, _ = cast_free_rays(self._scene, 0, *casts)
        ranges = found.numpy().astype(np.float64) + self.SIGMA * self._rng.standard_normal(360)
        return np.where((ranges > self.NEAREST) & (ranges < self.FARTHEST), ranges, np.inf)

    def measure(self, pose: Pose2D) -> AnchorMeasurement:
        """The scan of a place in the image that is taken there."""
        to_camera = np.linalg.inv(MOUNTED) @ self._in_base
        return measure_scan(self.ranges(pose), 0.0, self.STEP, to_camera, CAMERA, self.NEAREST, self.FARTHEST)


class NetworkCamera:
    """Images of a room and what the network makes of them, once for each place that the robot stands at.

    Drives by several depths begin with the same look around, and a robot that waits sees the same again.

    Args:
        room: to be in.
        predictor: a `cinet_core.Predictor` whose labels are NYU40's.
    """

    def __init__(self, room: RenderedRoom, predictor: Any) -> None:
        self.room = room
        self._predictor = predictor
        self._seen: dict[Pose2D, tuple[Image, Any, float]] = {}

    def predicted(self, pose: Pose2D) -> tuple[Image, Any, float]:
        """The image of a place, the `Prediction`, and the seconds of the processor that predicting took."""
        if pose not in self._seen:
            rendered = render([self.room.scene], [_camera(pose)], [hash(pose) % 2**31])
            image = rendered.images[0].permute(1, 2, 0).contiguous().numpy()
            began = time.process_time()
            (seen,) = self._predictor.predict_batch([image], [CAMERA])
            self._seen[pose] = image, seen, time.process_time() - began
        return self._seen[pose]


class PredictedView:
    """What the network sees, corrected or not.

    Args:
        camera: that is driven around.
        anchor: one of `ANCHORED`; none: depth as it is predicted.
        temporal: whether the correction is kept from frame to frame: "off" or "field".
        seed: of the lidar's noise.

    Attributes:
        images: of the frames so far; what is rendered.
        seconds: of the processor, of prediction and correction, frame by frame.
        reports: of the correction, frame by frame.
    """

    def __init__(self, camera: NetworkCamera, anchor: str = "none", temporal: str = "field", seed: int = 0) -> None:
        self._camera = camera
        self._settings = CorrectionSettings(anchor, temporal if anchor != "none" else "off")
        self._corrector = SequenceCorrector(NYU40, self._settings, MAX_GAP)
        self._lidar = Lidar(camera.room, seed)
        self._floor = np.isin(np.arange(256), NYU40.ids(["floor", "floor mat"]))
        self.images: list[Image] = []
        self.seconds: list[float] = []
        self.reports: list[CorrectionReport] = []

    def __call__(self, sight: Sight) -> DepthFrame:
        """The frame of a place."""
        image, seen, seconds = self._camera.predicted(sight.taken)
        self.images.append(image)
        if not self._settings.active:
            self.seconds.append(seconds)
            return DepthFrame(seen.depth, seen.labels, CAMERA, MOUNTED, seen.outputs["confidence"])
        measurements = self._measured(sight, seen)
        began = time.process_time()
        pose = in_room(sight.believed) @ MOUNTED
        frame = self._corrector.correct(sight.seconds, image, CAMERA, seen.outputs, CAMERA, pose, measurements)
        self.seconds.append(seconds + time.process_time() - began)
        if frame.report is not None:
            self.reports.append(frame.report)
        return DepthFrame(frame.depth, frame.labels, CAMERA, MOUNTED, frame.confidence, frame.uncertainty)

    def _measured(self, sight: Sight, seen: Any) -> list[AnchorMeasurement]:
        """By the camera's height and the lidar."""
        found = []
        if self._settings.uses("floor"):
            height = float(MOUNTED[2, 3])
            found.append(measure_floor(self._floor[seen.labels], seen.depth, CAMERA, height, MOUNTED[2, :3]))
        if self._settings.uses("scan"):
            found.append(self._lidar.measure(sight.taken))
        return found
