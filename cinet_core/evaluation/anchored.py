"""How much anchors improve predicted depth along a recorded sequence with poses and a sensor's depth.

What a robot would measure is made of the recording: the poses are the odometry, with errors on demand; of the sensor's
depth a scan is one row, with 2 cm of noise, and sparse depth a lattice of 32 x 24 points, with 3 %. Depth is scored
against the whole of the sensor's depth. The network predicts each frame once; each anchor corrects it for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.checkpoint import DEFAULT_WEIGHTS, named_checkpoint
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.registry import open_for_network, resolved_kind
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.anchor_run import FRAME_SECONDS, AnchoredFrame, AnchorRun
from cinet_core.evaluation.anchors_report import AnchorScore, AnchorsReport
from cinet_core.evaluation.odometry_errors import OdometryErrors
from cinet_core.evaluation.predicted_frames import UNLIMITED, FramesWithDepth, image_of
from cinet_core.evaluation.report import DataOrigin
from cinet_core.evaluation.sparse_points import SparsePoints
from cinet_core.inference.choices import AUTO
from cinet_core.inference.predictor import Predictor
from cinet_core.progress import SILENT, Progress

__all__ = ["ANCHORS", "AnchorScore", "AnchorsReport", "OdometryErrors", "evaluate_anchors"]

TEMPORAL = ("field", "fused")
"""What may be kept from frame to frame; an anchor without either is that of single frames."""

ANCHORS = ("none", "odometry", "motion", "scan", "depth", "floor")
"""What can be scored: raw depth, and each anchor by its name."""


def evaluate_anchors(
    data: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    anchors: Sequence[str] = ANCHORS[:-1],
    split: Split = "test",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    skip_seconds: float = 2.0,
    errors: OdometryErrors | None = None,
    floor_height: float | None = None,
    temporal: str = "field",
    points: str = "32x24",
    device: str = AUTO,
    progress: Progress = SILENT,
) -> AnchorsReport:
    """Score each anchor on a recorded sequence.

    Args:
        data: a sequence with a sensor's depth and poses, of the kinds rgbd_sequence or tum_rgbd.
        weights: a checkpoint, "default" or "random".
        anchors: names of `ANCHORS`.
        split, kind, options: of the data set, see `open_dataset`.
        limit: take only the first so many frames; None = all.
        skip_seconds: at the beginning that are not scored: filters settle.
        errors: that the odometry is given; None = none.
        floor_height: z of the floor in the world of the poses, whose z axis points up, metres: what *floor* needs.
        temporal: what is kept from frame to frame: "field", or "fused", which is scored without an anchor too.
        points: of the sensor's depth that the anchor *depth* has: a lattice over the image such as "32x24",
            "left:32x24" for its left half, or "random:100".
        device: see `cinet_core.load`.
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such data set or anchor; the data set has no poses; *floor* without its height.
        OSError: a file cannot be read.
    """
    unknown = [name for name in anchors if name not in ANCHORS]
    if unknown or not anchors:
        raise ValueError(f"anchors are {list(anchors)}: choose some of {', '.join(ANCHORS)}")
    if "floor" in anchors and floor_height is None:
        raise ValueError("anchor floor needs floor_height: the z of the floor in the world of the poses, metres")
    if temporal not in TEMPORAL:
        raise ValueError(f"temporal is {temporal!r}: choose one of {', '.join(TEMPORAL)}")
    pattern = SparsePoints.parse(points)
    checkpoint = named_checkpoint(weights)
    given = dict(options or {})
    dataset = open_for_network(data, split, kind, given, checkpoint.metadata.label_set)
    if not isinstance(dataset, PosedDataset):
        raise ValueError(f"{dataset.meta.name} has no poses: give a sequence of the kind rgbd_sequence or tum_rgbd")
    source = FramesWithDepth(dataset, limit, consecutive=True, progress=progress)
    count = len(source)
    poses = np.stack([_pose(dataset.pose(place)) for place in range(count)])
    clock = getattr(dataset, "seconds", None)
    seconds = np.array([float(clock(place)) if clock else place * FRAME_SECONDS for place in range(count)])
    told = (errors or OdometryErrors()).applied(poses, seconds)
    runs = [AnchorRun(name, checkpoint.metadata.label_set, floor_height, temporal, pattern) for name in anchors]
    progress.begin(f"{dataset.meta.name}, {dataset.split}", count)
    skipped = int((seconds - seconds[0] < skip_seconds).sum()) if count else 0
    with Predictor(checkpoint, device, depth_range=UNLIMITED) as predictor:
        for done, (place, sample) in enumerate(source, start=1):
            if sample.intrinsics is None:
                raise ValueError(f"the camera of {sample.name} is not known: poses alone give no parallax")
            prediction = predictor.predict(image_of(sample), sample.intrinsics)
            frame = AnchoredFrame(
                place, float(seconds[place]), image_of(sample), prediction.depth, prediction.labels,
                prediction.confidence, sample.depth.numpy(), sample.intrinsics, poses[place], told[place],
            )  # fmt: skip
            for run in runs:
                run.add(frame, scored=place >= skipped)
            progress.advance(done)
    return AnchorsReport(
        dataset.meta.name,
        dataset.split,
        DataOrigin(str(data), resolved_kind(data, kind), given),
        checkpoint.metadata,
        checkpoint.sha256,
        errors or OdometryErrors(),
        skipped,
        temporal,
        points,
        tuple(run.score() for run in runs),
        tuple(source.broken),
    )


def _pose(pose: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    return np.full((4, 4), np.nan) if pose is None else pose
