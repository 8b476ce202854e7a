"""Studies the geometry of predicted depth on a data set: near and far, the scale of frames, edges, planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from cinet_core.checkpoint import DEFAULT_WEIGHTS, Checkpoint, named_checkpoint
from cinet_core.data.registry import open_for_network, resolved_kind
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.geometry_report import FrameCounts, GeometryReport, ScaleAtSize
from cinet_core.evaluation.geometry_study import GeometryStudy, ScaleOfFrames
from cinet_core.evaluation.predicted_frames import (
    UNLIMITED,
    FramesWithDepth,
    PredictedFrame,
    camera_of,
    image_of,
    predicted_depths,
)
from cinet_core.evaluation.report import DataOrigin
from cinet_core.geometry import fit_network_size
from cinet_core.inference.availability import TORCH
from cinet_core.inference.choices import AUTO
from cinet_core.inference.predictor import Predictor
from cinet_core.model.cinet import MIN_IMAGE_SIZE
from cinet_core.progress import SILENT, Progress

__all__ = ["evaluate_geometry"]


def evaluate_geometry(
    data: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    split: Split = "test",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    widths: Sequence[int] = (),
    device: str = AUTO,
    backend: str = TORCH,
    precision: str = AUTO,
    limit: int | None = None,
    min_depth: float = 0.1,
    max_depth: float = 20.0,
    progress: Progress = SILENT,
) -> GeometryReport:
    """Compare the geometry that a checkpoint predicts with the truth of a data set, as docs/judging.md defines it.

    Depth is judged as a node publishes it: at the image's size, in metres, by the same graph.

    >>> import cinet_core
    >>> small = {"test_length": 2, "width": 64, "height": 48}
    >>> report = cinet_core.evaluate_geometry("synthetic", "random", options=small, device="cpu")
    >>> report.counts.frames, len(report.scales)
    (2, 1)

    Args:
        data: what `cinet_core.evaluate` takes; only frames with depth count.
        weights: a checkpoint, "default", or "random".
        split, kind, options: of the data set, see `open_dataset`.
        widths: further widths of the network's input, pixels, at which the scale of the frames is measured too; the
            height follows as the predictor chooses it.
        device, backend, precision: see `cinet_core.load`.
        limit: at most this many frames, evenly spread; None = all.
        min_depth, max_depth: metres between which true depth counts.
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such data set, device, backend or width; not one frame has depth in the range.
        OSError: a file cannot be read.
    """
    for width in widths:
        if width < MIN_IMAGE_SIZE:
            raise ValueError(f"width {width} of the network's input is too small: it must be at least {MIN_IMAGE_SIZE}")
    checkpoint = named_checkpoint(weights)
    study = GeometryStudy(checkpoint.metadata.label_set.classes, min_depth, max_depth)
    given = dict(options or {})
    dataset = open_for_network(data, split, kind, given, checkpoint.metadata.label_set)
    frames = FramesWithDepth(dataset, limit, progress=progress)
    progress.begin(f"{dataset.meta.name}, {dataset.split}", len(frames))
    further = {width: ScaleOfFrames() for width in widths}
    sizes: dict[int, tuple[int, int]] = {}
    done = 0
    with ExitStack() as stack:

        def opened(size: tuple[int, int] | None) -> Predictor:
            made = Predictor(checkpoint, device, size, depth_range=UNLIMITED, backend=backend, precision=precision)
            return stack.enter_context(made)

        predictor = opened(None)
        predictors: dict[tuple[int, int], Predictor] = {}
        for number, sample in frames:
            image = image_of(sample)
            (plain,) = predicted_depths(predictor, [image], sample.intrinsics)
            study.add(PredictedFrame(number, sample, plain, camera_of(sample, predictor)))
            sizes.setdefault(0, predictor.network_size(*image.shape[:2]))
            for width, scale in further.items():
                size = _sized(checkpoint, image.shape[1], image.shape[0], width)
                sizes.setdefault(width, size)
                if size not in predictors:
                    predictors[size] = opened(size)
                (depth,) = predicted_depths(predictors[size], [image], sample.intrinsics)
                scale.add(torch.from_numpy(depth), study.counted(sample.depth))
            done += 1
            progress.advance(done)
    if study.scale.frames == 0:
        raise ValueError(f"no frame of {dataset.meta.name} has depth between {min_depth:g} and {max_depth:g} m")
    counts = FrameCounts(study.scale.frames, len(dataset), frames.without_depth, tuple(frames.broken))
    origin = DataOrigin(str(data), resolved_kind(data, kind), given)
    return GeometryReport(
        dataset=dataset.meta.name,
        split=dataset.split,
        origin=origin,
        metadata=checkpoint.metadata,
        sha256=checkpoint.sha256,
        counts=counts,
        depth_range=study.depth_range,
        scales=(_at(study.scale, sizes[0]), *(_at(scale, sizes[width]) for width, scale in further.items())),
        range=study.range_score(),
        edges=study.edges.compute(),
        filtered_edges=study.filtered_edges.compute(),
        planes=study.plane_scores(),
        edge_filter=study.edge_filter,
    )


def _sized(checkpoint: Checkpoint, width: int, height: int, network_width: int) -> tuple[int, int]:
    """(height, width) that the predictor would choose for an image, had training been at another width."""
    camera = checkpoint.metadata.camera
    return fit_network_size(width, height, network_width, round(network_width * camera.height / camera.width))


def _at(scale: ScaleOfFrames, size: tuple[int, int]) -> ScaleAtSize:
    return scale.score(size[1], size[0])
