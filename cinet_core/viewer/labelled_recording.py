"""Records labelled sets for the viewer: image, depth, labels, where they came from, and what weights make of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_files import SourceError
from cinet_core.data.recording import Recording as RecordedFrames
from cinet_core.data.trust import FULL_TRUST, SOURCES, TRUST_SUFFIX, TrustedFrame, read_trust
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import LabelSet
from cinet_core.model_metadata import DEFAULT_WEIGHTS
from cinet_core.progress import SILENT, Progress
from cinet_core.viewer import entities
from cinet_core.viewer.labelled_layout import labelled_layout
from cinet_core.viewer.recording import FrameTime, Recording
from cinet_core.viewer.server import ViewerServer
from cinet_core.viewer.source_recording import NANOSECONDS, RecordedSource

__all__ = ["LabelledRecording", "error_colors", "record_labelled"]

SOURCE_COLORS = ((60, 60, 60), (0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167))
"""Of `SOURCES`, in their order; apart for every eye (Okabe and Ito 2008)."""

ERROR_RANGE = 0.5
"""ln(predicted / true depth) beyond which the colour no longer changes."""

_SHARES = ("depth_agreement", "label_agreement", "depth_trust", "label_trust")


def record_labelled(
    root: str | Path,
    file: str | Path | None = None,
    compare: Mapping[str, str | Path] | None = None,
    *,
    server: ViewerServer | None = None,
    device: str = "auto",
    every: int = 1,
    limit: int | None = None,
    progress: Progress = SILENT,
) -> RecordedSource:
    """Record the frames of a labelled set, frame by frame in its order, for the Rerun viewer.

    Each frame has its image, labels, depth and cloud; where both came from and how far they are trusted, where the set
    says so (`cinet data label`); its pose, where it is known; and for each of the weights their depth, the logarithm of
    its ratio to the frame's depth, and their labels. Needs the extra ``cinet[viewer]``.

    Args:
        root: folder of the set.
        file: to write, such as walk.rrd; an existing one is replaced.
        compare: weights by the name that they are shown under, for example {"before": "default", "after": path}.
        server: of a live viewer, beside the file or in its place; whoever started it closes it.
        device: of the weights.
        every: take every N-th frame.
        limit: stop after so many; None = all.
        progress: is told of the frames, and of each that cannot be read.

    Raises:
        SourceError: there is no such set.
        CheckpointError: weights cannot be read.
        ViewerError: as `record_source`.
        ValueError: a device that does not exist, or weights with other classes than the set's.
    """
    frames = RecordedFrames(root)
    path = None if file is None else Path(file)
    named = dict(compare or {})
    with ExitStack() as stack:
        predictors = {
            name: stack.enter_context(Predictor(named_network(weights, None), device=device))
            for name, weights in named.items()
        }
        for name, predictor in predictors.items():
            if predictor.label_set.classes != frames.label_set.classes:
                raise ValueError(
                    f"{name} predicts the classes of {predictor.label_set.name!r}, the set has those of "
                    f"{frames.label_set.name!r}: compare weights with its classes"
                )
        recording = LabelledRecording(
            frames.label_set,
            tuple(named),
            file=path,
            address=None if server is None else server.address,
            about=_about(frames, named),
        )
        stack.enter_context(recording)
        done, failed = _record(frames, recording, predictors, range(0, len(frames), every)[:limit], progress)
        recording.flush()
    return RecordedSource(frames.meta.name, done, failed, path)


def _record(
    frames: RecordedFrames,
    recording: LabelledRecording,
    predictors: Mapping[str, Predictor],
    indices: Sequence[int],
    progress: Progress,
) -> tuple[int, int]:
    progress.begin(frames.meta.name, len(indices))
    failed = 0
    for number, index in enumerate(indices):
        try:
            sample, line = frames[index], frames.frame(index).line or {}
            trusted = _trusted(frames, index)
            pose = frames.pose(index)
            frame_time = FrameTime(number, round(frames.seconds(index) * NANOSECONDS))
        except SourceError as error:
            failed += 1
            progress.broken(str(error))
            continue
        image = sample.image.permute(1, 2, 0).numpy()
        depth = sample.depth.numpy() if sample.has_depth else np.zeros(image.shape[:2], np.float32)
        true = np.where(depth > 0, depth, np.nan).astype(np.float32)
        if pose is not None:
            recording.log_pose(frame_time, pose)
        recording.log_frame(frame_time, image, true, sample.labels.numpy(), sample.intrinsics)
        recording.log_trust(frame_time, trusted, line.get("truth"))
        for name, predictor in predictors.items():
            prediction = predictor.predict(image, sample.intrinsics)
            recording.log_prediction(frame_time, name, prediction.depth, prediction.labels, true)
        progress.advance(number + 1)
    return len(indices) - failed, failed


def _trusted(frames: RecordedFrames, index: int) -> TrustedFrame | None:
    image = frames.frame(index).image
    path = image.with_name(image.stem + TRUST_SUFFIX)
    return read_trust(path) if path.is_file() else None


def _about(frames: RecordedFrames, compared: Mapping[str, str | Path]) -> str:
    lines = [f"# {frames.meta.name}", f"- {len(frames)} frames", f"- classes: {frames.label_set.name}"]
    lines += [f"- {name}: {'what ships' if str(path) == DEFAULT_WEIGHTS else path}" for name, path in compared.items()]
    return "\n".join(lines)


class LabelledRecording(Recording):
    """A recording with the sources and the trust of its depth and labels, and with predictions to compare.

    Args:
        label_set: names and colours of the classes.
        compared: names of the weights that `log_prediction` will be called with.
        settings: of `Recording`.
    """

    def __init__(self, label_set: LabelSet, compared: Sequence[str], **settings: Any) -> None:
        super().__init__(label_set, dated=True, blueprint=partial(labelled_layout, compared=compared), **settings)
        rr = self._rr
        names = [(number, name, SOURCE_COLORS[number]) for number, name in enumerate(SOURCES)]
        self._stream.log(entities.SOURCES, rr.AnnotationContext(names), static=True)

    def log_trust(
        self, frame_time: FrameTime, trusted: TrustedFrame | None, truth: Mapping[str, Any] | None = None
    ) -> None:
        """Record where depth and labels of a frame came from, and how far they are trusted.

        Args:
            frame_time: of the frame.
            trusted: of its pixels; None where the set says nothing: the images of the frame before are taken away.
            truth: what its line says of the whole frame; its shares become a plot.
        """
        rr = self._rr
        self._set_time(frame_time)
        for place, part in enumerate(("depth", "labels")):
            for group in (entities.SOURCES, entities.TRUST):
                if trusted is None:
                    self._stream.log(f"{group}/{part}", rr.Clear(recursive=False))
            if trusted is not None:
                self._stream.log(f"{entities.SOURCES}/{part}", rr.SegmentationImage(trusted.sources[place]))
                self._stream.log(
                    f"{entities.TRUST}/{part}",
                    rr.DepthImage(
                        trusted.trust[place],
                        meter=float(FULL_TRUST),
                        colormap=rr.components.Colormap.Viridis,
                        depth_range=(0, FULL_TRUST),
                    ),
                )
        shares = {name: (truth or {}).get(name) for name in _SHARES}
        self._plot(entities.AGREEMENT, frame_time, {name: _number(value) for name, value in shares.items()})

    def log_prediction(
        self,
        frame_time: FrameTime,
        name: str,
        depth: npt.NDArray[np.floating],
        labels: npt.NDArray[np.integer],
        true: npt.NDArray[np.floating],
    ) -> None:
        """Record what weights predict on a frame.

        Args:
            frame_time: of the frame.
            name: of the weights.
            depth: (H, W) metres, NaN where invalid.
            labels: (H, W) class ids.
            true: (H, W) metres of the frame, NaN where unknown.

        Raises:
            ValueError: sizes differ.
        """
        if not depth.shape == labels.shape == true.shape:
            raise ValueError(f"depth is {depth.shape}, labels {labels.shape}, true {true.shape}: one size is needed")
        self._set_time(frame_time)
        rr, place = self._rr, f"{entities.COMPARED}/{name}"
        self._stream.log(f"{place}/depth", self._depth_image(depth))
        self._stream.log(f"{place}/labels", rr.SegmentationImage(labels.astype(np.uint8)))
        self._stream.log(f"{place}/error", rr.Image(error_colors(depth, true)))


def error_colors(depth: npt.NDArray[np.floating], true: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Colours of ln(depth / true): red is too far, blue too near, white right, grey not known.

    >>> error_colors(np.array([[1.0, 2.0, 0.5, 1.0]]), np.array([[1.0, 1.0, 1.0, np.nan]])).tolist()
    [[[255, 255, 255], [255, 0, 0], [0, 0, 255], [96, 96, 96]]]

    Args:
        depth, true: (H, W) metres, NaN where unknown.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(np.log(depth / true) / ERROR_RANGE, -1, 1)
    known = np.isfinite(share)
    share = np.where(known, share, 0)
    red, blue = 1 + np.minimum(share, 0), 1 - np.maximum(share, 0)
    colors = np.stack([red, np.minimum(red, blue), blue], axis=-1)
    return np.where(known[..., None], np.round(255 * colors), 96).astype(np.uint8)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
