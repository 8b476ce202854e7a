"""From a source of frames to a recording: predictions, cloud, map and trajectory, in a file or in a live viewer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cinet_core.data.frame_sources import Frame, open_source
from cinet_core.frames.each_frame import FrameCamera, each_frame
from cinet_core.inference.choices import AUTO, TORCH
from cinet_core.inference.networks import named_network
from cinet_core.inference.prediction import Prediction
from cinet_core.inference.predictor import Predictor
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.model_metadata import DEFAULT_WEIGHTS, ModelMetadata
from cinet_core.progress import SILENT, Progress
from cinet_core.viewer.cloud import without_edges
from cinet_core.viewer.poses import Pose, SourcePoses, source_poses
from cinet_core.viewer.recording import FrameTime, Recording
from cinet_core.viewer.server import ViewerServer

__all__ = ["NANOSECONDS", "RecordedSource", "about", "record_source"]

NANOSECONDS = 1_000_000_000
VOXEL_SIZE = 0.03
"""Metres: fine enough to be looked at."""

MAP_EVERY = 10
"""Frames after which the map is shown anew."""

_UNKNOWN_CAMERA = "the camera is unknown: depth may be off by a factor, and there is no cloud; give --fov"


@dataclass(frozen=True)
class RecordedSource:
    """What was recorded.

    Attributes:
        source: its name.
        frames: that were predicted and recorded.
        failed: that could not be read or predicted.
        file: of the recording, to be opened with ``rerun FILE``; None where it went into a live viewer only.
    """

    source: str
    frames: int
    failed: int
    file: Path | None


def record_source(
    source: str | Path,
    file: str | Path | None = None,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    server: ViewerServer | None = None,
    config: str | None = None,
    device: str = AUTO,
    backend: str = TORCH,
    precision: str = AUTO,
    camera: Sequence[float] | None = None,
    fov: float | None = None,
    every: int = 1,
    limit: int | None = None,
    progress: Progress = SILENT,
) -> RecordedSource:
    """Predict on every frame of a source, and record image, labels, depth and cloud for the Rerun viewer.

    Where the source has poses, as 7-Scenes and 3DMatch have them, the trajectory and a semantic map are recorded, too.
    Needs the extra ``cinet[viewer]``.

    Args:
        source: an image, a folder of images, a video, or "synthetic".
        file: to write, such as walk.rrd; an existing one is replaced.
        weights: a checkpoint, "default", or "random".
        server: of a live viewer, beside the file or in its place; whoever started it closes it.
        config: network of "random", a name in `CONFIGS`; None = the default, `DEFAULT_CONFIG`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        backend: what runs the network.
        precision: that it runs in.
        camera: fx, fy, cx, cy in pixels of the image as it is seen upright, in place of what the source says.
        fov: or its horizontal field of view, in degrees.
        every: take every N-th frame.
        limit: stop after so many; None = all.
        progress: is told of the frames, of an unknown or unusual camera, and of each frame that fails.

    Raises:
        SourceError: there is no such source, or its poses cannot be read.
        CheckpointError: the weights cannot be read.
        LostViewerError: the live viewer is gone; the file is whole.
        UnfinishedError: the file cannot be written any more; end with `os._exit`.
        ViewerError: the viewer's library is missing, there is neither file nor server, or the file cannot be written.
        Open3DError: Open3D, which fuses the map, cannot be loaded.
        ValueError: an unknown backend, device, precision or configuration, or they do not go together.
    """
    frames = open_source(str(source), depth=False)
    poses = source_poses(str(source))
    path = None if file is None else Path(file)
    with ExitStack() as stack:
        checkpoint = named_network(weights, config)
        predictor = stack.enter_context(Predictor(checkpoint, device=device, backend=backend, precision=precision))
        recording = stack.enter_context(
            Recording(
                predictor.label_set,
                file=path,
                address=None if server is None else server.address,
                about=about(frames.name, predictor.metadata, predictor.device),
                world_up="-y" if poses is None else poses.world_up,
                cloud_color="semantic" if poses is None else "camera",
            )
        )
        shown = _Shown(recording, predictor, poses)
        count = each_frame(
            frames,
            predictor,
            shown.add,
            camera=FrameCamera(camera, fov),
            unknown_camera=_UNKNOWN_CAMERA,
            every=every,
            limit=limit,
            progress=progress,
        )
        shown.finish()
        recording.flush()
    return RecordedSource(frames.name, count.done, count.failed, path)


def about(source: str, metadata: ModelMetadata, device: str) -> str:
    """Markdown that says what is shown."""
    lines = [
        f"# {source}",
        f"- network: {metadata.config.name} on {device}",
        f"- classes: {metadata.label_set.name}",
        f"- licence of the weights: {metadata.licence or 'not stated'}",
    ]
    if metadata.random_weights:
        lines.insert(1, "**RANDOM WEIGHTS: depth and labels mean nothing**\n")
    return "\n".join(lines)


class _Shown:
    """Frames as they are recorded, and the map that grows of those with poses."""

    def __init__(self, recording: Recording, predictor: Predictor, poses: SourcePoses | None) -> None:
        self._recording = recording
        self._poses = poses
        self._latest: FrameTime | None = None
        self._map = None if poses is None else SemanticMap(predictor.label_set, VOXEL_SIZE)

    def add(self, number: int, frame: Frame, prediction: Prediction) -> None:
        frame_time = FrameTime(number, None if frame.stamp is None else round(frame.stamp * NANOSECONDS))
        pose = None if self._poses is None else self._poses.of(frame.name)
        if pose is not None:
            self._recording.log_pose(frame_time, pose)
        self._recording.log_frame(frame_time, frame.image, prediction.depth, prediction.labels, prediction.intrinsics)
        self._recording.log_milliseconds(frame_time, prediction.seconds)
        if self._map is not None and pose is not None:
            self._fuse(self._map, frame_time, frame, prediction, pose)

    def finish(self) -> None:
        """Record the whole map, at the last of its frames."""
        if self._map is not None and self._latest is not None:
            self._record_map(self._map, self._latest)

    def _fuse(
        self, fused: SemanticMap, frame_time: FrameTime, frame: Frame, prediction: Prediction, pose: Pose
    ) -> None:
        if prediction.intrinsics is None:
            return
        self._latest = frame_time
        near = without_edges(prediction.depth)
        fused.integrate(near, prediction.labels, prediction.confidence, frame.image, prediction.intrinsics, pose)
        if frame_time.frame % MAP_EVERY == 0:
            self._record_map(fused, frame_time)

    def _record_map(self, fused: SemanticMap, frame_time: FrameTime) -> None:
        points = fused.surface(min(3.0, fused.frames - 0.5))  # at first, what every frame saw
        self._recording.log_map(frame_time, points.xyz, points.labels, VOXEL_SIZE / 2)
