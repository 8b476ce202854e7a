"""What is recorded of a frame, a pose and a map, and under which names; into a file, into a live viewer, or both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.viewer import entities
from cinet_core.viewer.cloud import Cloud, thinned_cloud
from cinet_core.viewer.layout import layout
from cinet_core.viewer.library import LostViewerError, UnfinishedError, ViewerError, load_rerun
from cinet_core.visualize.depth import depth_range
from cinet_core.visualize.labels import ROW, legend

__all__ = ["CLOUD_POINTS", "CloudColor", "FrameTime", "Recording", "WorldUp"]

APPLICATION = "cinet"
JPEG_QUALITY = 85
LEGEND_WIDTH = 190
LEGEND_ROWS = 14
CLOUD_POINTS = 20_000
FLUSH_TIMEOUT = 5.0
POINT_SIZE = 2.0
"""Pixels of a point of the cloud, near or far; those of the map have a size in metres."""

FRUSTUM_DEPTH = 0.4
"""Metres from the camera at which its image is drawn in the 3D view."""

TRAJECTORY_COLOR = (255, 176, 0)
NO_CLASS_COLOR = (128, 128, 128)

CloudColor = Literal["semantic", "camera"]
WorldUp = Literal["z", "-y"]
"""Which axis of the world points up: z in maps (REP 103), -y where the world is the first camera."""


@dataclass(frozen=True)
class FrameTime:
    """The time of a frame in a recording.

    Attributes:
        frame: number of the frame, rising.
        nanoseconds: its stamp; None where the source has no clock.
    """

    frame: int
    nanoseconds: int | None = None


class Recording:
    """Records into a file, into a live viewer, or both. Use it on one thread at a time; close it at the end.

    Args:
        label_set: names and colours of the classes.
        file: where the recording is written while it goes on; an existing file is replaced.
        address: of a live viewer's server (`ViewerServer.address`).
        about: Markdown, shown beside the images: what this is a recording of.
        world_up: axis of the world that points up.
        rates: whether `log_hertz` will be called: the layout then has a plot for it.
        dated: stamps are nanoseconds since 1970, shown as dates; else since the start of the source.
        cloud_points: most points of a frame's cloud.
        cloud_color: of a frame's cloud: of the classes, or the camera's, which tells it from a map around it.
        blueprint: makes the layout of the module ``rerun``; None: `layout`.

    Raises:
        ViewerError: the library is not there, there is neither a file nor an address, or the file cannot be written.
    """

    def __init__(
        self,
        label_set: LabelSet,
        *,
        file: Path | None = None,
        address: str | None = None,
        about: str = "",
        world_up: WorldUp = "z",
        rates: bool = False,
        dated: bool = False,
        cloud_points: int = CLOUD_POINTS,
        cloud_color: CloudColor = "semantic",
        blueprint: Callable[[ModuleType], Any] | None = None,
    ) -> None:
        self._rr = rr = load_rerun()
        self._dated = dated
        self._cloud_points, self._cloud_color = cloud_points, cloud_color
        self._near, self._far = math.inf, 0.0
        self._position: npt.NDArray[np.float64] | None = None
        self._address = address
        self._stream = rr.RecordingStream(APPLICATION, recording_id=str(uuid4()))
        sinks = self._sinks(file, address)
        try:
            arranged = layout(rr, rates) if blueprint is None else blueprint(rr)
            self._stream.set_sinks(*sinks, default_blueprint=arranged)
        except RuntimeError as error:
            raise ViewerError(f"the recording cannot begin: {error}; give another file or address") from error
        up = {"z": rr.ViewCoordinates.RIGHT_HAND_Z_UP, "-y": rr.ViewCoordinates.RIGHT_HAND_Y_DOWN}[world_up]
        self._stream.log(entities.WORLD, up, static=True)
        self.log_classes(label_set)
        self._stream.log(entities.ABOUT, rr.TextDocument(about, media_type=rr.MediaType.MARKDOWN), static=True)

    def __enter__(self) -> Recording:
        """The recording itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def log_classes(self, label_set: LabelSet) -> None:
        """Name and paint the classes from now on, and those of what was recorded already."""
        self._label_set = label_set
        named = enumerate(zip(label_set.classes, label_set.colors.tolist(), strict=True))
        classes = [*((number, name, tuple(color)) for number, (name, color) in named)]
        classes.append((UNLABELLED, "no class", NO_CLASS_COLOR))
        self._stream.log("/", self._rr.AnnotationContext(classes), static=True)

    def log_frame(
        self,
        frame_time: FrameTime,
        image: npt.NDArray[np.uint8],
        depth: npt.NDArray[np.floating],
        labels: npt.NDArray[np.integer],
        intrinsics: Intrinsics | None,
    ) -> None:
        """Record one frame: image, labels over it, depth, the classes in it, and its cloud.

        Args:
            frame_time: of the frame.
            image: (H, W, 3) uint8 RGB; kept as JPEG.
            depth: (H, W) metres along z, NaN where invalid; kept as float16.
            labels: (H, W) class ids, 255 unlabelled.
            intrinsics: of these images; without them there is no cloud.

        Raises:
            ValueError: sizes differ.
        """
        if not image.shape[:2] == depth.shape == labels.shape:
            raise ValueError(
                f"labels are {labels.shape}, image {image.shape[:2]}, depth {depth.shape}: one size is needed"
            )
        rr, log = self._rr, self._stream.log
        self._set_time(frame_time)
        ids = labels.astype(np.uint8, copy=False)
        if intrinsics is not None:
            # First: a live viewer that has an image and no camera yet cannot place it.
            log(entities.IMAGE_PLANE, self._pinhole(intrinsics))
            log(entities.CLOUD, self._cloud(thinned_cloud(depth, ids, image, intrinsics, self._cloud_points)))
        log(entities.IMAGE, rr.Image(image).compress(jpeg_quality=JPEG_QUALITY))
        log(entities.LABELS, rr.SegmentationImage(ids))
        log(entities.DEPTH, self._depth_image(depth))
        log(entities.LEGEND, rr.Image(self._legend(ids)))

    def log_pose(self, frame_time: FrameTime, camera_to_world: npt.NDArray[np.floating]) -> None:
        """Record where the camera is, and the way that it came.

        Args:
            frame_time: of the pose.
            camera_to_world: (4, 4), metres; the camera's x right, y down, z forward.

        Raises:
            ValueError: another shape, or not finite.
        """
        pose = np.asarray(camera_to_world, dtype=np.float64)
        if pose.shape != (4, 4) or not np.isfinite(pose).all():
            raise ValueError(f"camera_to_world of shape {pose.shape} must be (4, 4) and finite")
        rr = self._rr
        self._set_time(frame_time)
        self._stream.log(entities.CAMERA, rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
        if self._position is not None:
            # Only the new piece: the layout shows all pieces up to the time that is looked at.
            piece = rr.LineStrips3D([[self._position, pose[:3, 3]]], colors=[TRAJECTORY_COLOR], radii=[0.01])
            self._stream.log(entities.TRAJECTORY, piece)
        self._position = pose[:3, 3]

    def log_map(
        self, frame_time: FrameTime, points: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], radius: float
    ) -> None:
        """Record the whole map, in place of the one before.

        Args:
            frame_time: of the map.
            points: (N, 3) metres, world coordinates.
            labels: (N,) class ids, 255 unlabelled.
            radius: of a point, metres; half the map's resolution closes the gaps.
        """
        self._set_time(frame_time)
        self._stream.log(
            entities.MAP,
            self._rr.Points3D(points.astype(np.float32), class_ids=labels.astype(np.uint8), radii=[radius]),
        )

    def log_milliseconds(self, frame_time: FrameTime, seconds: Mapping[str, float]) -> None:
        """Record durations, given in seconds, as a plot in milliseconds; those that are not finite are left out."""
        self._plot(entities.MILLISECONDS, frame_time, {name: 1000.0 * value for name, value in seconds.items()})

    def log_hertz(self, frame_time: FrameTime, rates: Mapping[str, float]) -> None:
        """Record rates as a plot in Hz; those that are not finite are left out."""
        self._plot(entities.HERTZ, frame_time, rates)

    def end_file(self) -> None:
        """Finish the file; a live viewer goes on. Raises as `flush`."""
        self.flush()
        if self._address is None:
            self._stream.disconnect()
        else:
            self._stream.set_sinks(self._rr.GrpcSink(self._address))

    def flush(self) -> None:
        """Wait until everything recorded so far is written or sent.

        Raises:
            LostViewerError: the live viewer is gone; the file has everything.
            UnfinishedError: the file cannot be written any more.
        """
        try:
            self._stream.flush(timeout_sec=FLUSH_TIMEOUT)
        except RuntimeError as error:  # the library has no errors of its own
            if "gRPC" in str(error):
                raise LostViewerError(f"the live viewer is gone: {error}") from error
            raise UnfinishedError(
                f"the recording cannot be written ({error}): is the disk full? The file holds what came before"
            ) from error

    def close(self) -> None:
        """Write the rest and let go of file and viewer. Raises as `flush`."""
        try:
            self.flush()
        except UnfinishedError:
            raise
        except ViewerError:
            self._stream.disconnect()
            raise
        self._stream.disconnect()

    def _sinks(self, file: Path | None, address: str | None) -> list[Any]:
        if file is None and address is None:
            raise ViewerError("a recording needs a file, a live viewer, or both: give one")
        sinks: list[Any] = []
        if file is not None:
            try:
                file.open("wb").close()
            except OSError as error:
                raise ViewerError(f"{file} cannot be written: {error.strerror}; give another file") from error
            sinks.append(self._rr.FileSink(file))
        if address is not None:
            sinks.append(self._rr.GrpcSink(address))
        return sinks

    def _set_time(self, frame_time: FrameTime) -> None:
        self._stream.reset_time()
        self._stream.set_time(entities.FRAME, sequence=frame_time.frame)
        if frame_time.nanoseconds is None:
            return
        if self._dated:
            self._stream.set_time(entities.STAMP, timestamp=np.datetime64(frame_time.nanoseconds, "ns"))
        else:
            self._stream.set_time(entities.STAMP, duration=np.timedelta64(frame_time.nanoseconds, "ns"))

    def _plot(self, group: str, frame_time: FrameTime, values: Mapping[str, float]) -> None:
        self._set_time(frame_time)
        for name, value in values.items():
            if math.isfinite(value):
                self._stream.log(f"{group}/{name}", self._rr.Scalars(value))

    def _pinhole(self, intrinsics: Intrinsics) -> Any:
        return self._rr.Pinhole(
            image_from_camera=intrinsics.matrix(),
            resolution=(intrinsics.width, intrinsics.height),
            camera_xyz=self._rr.ViewCoordinates.RDF,
            image_plane_distance=FRUSTUM_DEPTH,
        )

    def _cloud(self, cloud: Cloud) -> Any:
        """Its classes are there whatever its colours are: a point tells its class under the mouse."""
        colors = cloud.colors if self._cloud_color == "camera" else None
        size = self._rr.Radius.ui_points(POINT_SIZE)
        return self._rr.Points3D(cloud.points, class_ids=cloud.labels, colors=colors, radii=size)

    def _depth_image(self, depth: npt.NDArray[np.floating]) -> Any:
        """With the widest range of depths so far, so that a colour soon stands for one depth."""
        near, far = depth_range(depth)
        self._near, self._far = min(self._near, near), max(self._far, far)
        return self._rr.DepthImage(
            depth.astype(np.float16),
            meter=1.0,
            colormap=self._rr.components.Colormap.Turbo,
            depth_range=(self._near, self._far),
        )

    def _legend(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Always of one size, so that the view keeps its scale."""
        height = ROW * LEGEND_ROWS
        image = legend(labels, self._label_set, LEGEND_WIDTH, height)
        framed = np.full((height, LEGEND_WIDTH, 3), image[-1, -1], dtype=np.uint8)
        framed[: image.shape[0]] = image
        return framed
