"""From a source of frames to files: panels, depth, labels and clouds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cinet_core.data.frame_sources import Frame, open_source
from cinet_core.frames.each_frame import FrameCamera, each_frame
from cinet_core.inference.choices import AUTO, TORCH
from cinet_core.inference.networks import named_network
from cinet_core.inference.prediction import PREDICTION_FILES, RANDOM_WARNING, Prediction
from cinet_core.inference.predictor import Predictor
from cinet_core.model_metadata import DEFAULT_WEIGHTS
from cinet_core.progress import SILENT, Progress

__all__ = ["PredictedFrames", "predict_frames"]

_UNKNOWN_CAMERA = (
    "the camera is unknown: depth may be off by a constant factor, and no cloud is written; give --fov or --intrinsics"
)


@dataclass(frozen=True)
class PredictedFrames:
    """What became of the frames of a source.

    Attributes:
        source: its name.
        folder: that was written to.
        frames: that were predicted and written.
        failed: that could not be read, predicted or written.
        seconds: that a frame took, in all; 0 where there was none.
    """

    source: str
    folder: Path
    frames: int
    failed: int
    seconds: float


def predict_frames(
    source: str | Path,
    folder: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    config: str | None = None,
    device: str = AUTO,
    backend: str = TORCH,
    precision: str = AUTO,
    camera: Sequence[float] | None = None,
    fov: float | None = None,
    every: int = 1,
    limit: int | None = None,
    kinds: Sequence[str] = PREDICTION_FILES,
    progress: Progress = SILENT,
) -> PredictedFrames:
    """Predict on every frame of a source, and write what `Prediction.save` writes, by the name of the frame.

    Args:
        source: an image, a folder of images, a video, or "synthetic".
        folder: folder to write to; it is created if it does not exist.
        weights: a checkpoint, "default", or "random".
        config: network of "random", a name in `CONFIGS`; None = the default, `DEFAULT_CONFIG`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        backend: what runs the network.
        precision: that it runs in.
        camera: fx, fy, cx, cy in pixels of the image as it is seen upright, in place of what the source says.
        fov: or its horizontal field of view, in degrees.
        every: take every N-th frame.
        limit: stop after so many; None = all.
        kinds: some of `PREDICTION_FILES`; a cloud needs the camera, those of further tasks a network that has them.
        progress: is told of the frames, of an unknown or unusual camera, and of each frame that fails.

    Raises:
        SourceError: there is no such source, or it holds nothing to read.
        CheckpointError: the weights cannot be read.
        ValueError: an unknown backend, device, precision or configuration, or they do not go together.
        OSError: the folder cannot be made.
    """
    frames = open_source(str(source), depth=False)
    checkpoint = named_network(weights, config)
    with Predictor(checkpoint, device=device, backend=backend, precision=precision) as predictor:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if checkpoint.metadata.random_weights:
            progress.warn(RANDOM_WARNING)

        def write(_: int, frame: Frame, prediction: Prediction) -> None:
            caption = f"{frames.name} / {frame.name}, {predictor.metadata.config.name}"
            written = prediction.save(folder, frame.name, kinds, caption)
            if "cloud" in kinds and prediction.intrinsics is not None and "cloud" not in written:
                path = f"{Path(folder) / frame.name}_cloud.ply"
                progress.warn(f"{path} is not written: no pixel of {frame.name} has a valid depth")

        start = time.perf_counter()
        count = each_frame(
            frames,
            predictor,
            write,
            camera=FrameCamera(camera, fov),
            unknown_camera=_UNKNOWN_CAMERA,
            every=every,
            limit=limit,
            progress=progress,
        )
    seconds = (time.perf_counter() - start) / max(1, count.done)
    return PredictedFrames(frames.name, Path(folder), count.done, count.failed, seconds)
