"""How much anchors improve predicted depth along a recorded sequence with poses and a sensor's depth.

What a robot would measure is made of the recording: the poses are the odometry, with errors on demand; of the sensor's
depth a scan is one row, with 2 cm of noise, and sparse depth a lattice of 32 x 24 points, with 3 %. Depth is scored
against the whole of the sensor's depth. The network predicts each frame once; each anchor corrects it for itself.

Beside the anchors stands what the points of *depth* give without them: their *interpolation*, for which no network is
needed, and one *factor* for the whole image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cinet_core.checkpoint import DEFAULT_WEIGHTS, named_checkpoint
from cinet_core.data.registry import open_for_network, resolved_kind
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.anchor_run import AnchoredFrame, AnchorRun
from cinet_core.evaluation.anchor_views import AnchorViews
from cinet_core.evaluation.anchors_report import AnchorScore, AnchorsReport
from cinet_core.evaluation.odometry_errors import OdometryErrors
from cinet_core.evaluation.predicted_frames import UNLIMITED, FramesWithDepth, image_of
from cinet_core.evaluation.report import DataOrigin
from cinet_core.evaluation.sparse_points import BASELINES, SparsePoints
from cinet_core.evaluation.true_edges import near_depth_edges
from cinet_core.inference.choices import AUTO
from cinet_core.inference.predictor import Predictor
from cinet_core.progress import SILENT, Progress

__all__ = ["ANCHORS", "BASELINES", "AnchorScore", "AnchorsReport", "OdometryErrors", "evaluate_anchors"]

TEMPORAL = ("off", "field", "fused")
"""What may be kept from frame to frame."""

EDGE_REACH = 8
"""Pixels of an image 640 wide, about true depth edges, whose errors are scored for themselves as well."""

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
    every: int = 1,
    max_height: float | None = None,
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
        data: a sequence with a sensor's depth and poses, of the kinds rgbd_sequence or tum_rgbd, or frames that `cinet
            data render` made, each of which stands for itself.
        weights: a checkpoint, "default" or "random".
        anchors: names of `ANCHORS` and `BASELINES`.
        split, kind, options: of the data set, see `open_dataset`.
        limit: take only the first so many frames; None = all.
        every: of these take each so-manieth; those in between are not seen at all.
        max_height: metres above the floor, beyond which a camera's frames are left out; None = none are.
        skip_seconds: at the beginning that are not scored: filters settle.
        errors: that the odometry is given; None = none.
        floor_height: z of the floor in the world of the poses, whose z axis points up, metres: what *floor* needs.
        temporal: what is kept from frame to frame: "off", "field", or "fused", which is scored without an anchor too.
        points: of the sensor's depth that the anchor *depth* has: a lattice over the image such as "32x24",
            "left:32x24" for its left half, or "random:100".
        device: see `cinet_core.load`.
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such data set or anchor; the data set has no poses; *floor* without its height.
        OSError: a file cannot be read.
    """
    choices = (*ANCHORS, *BASELINES)
    if not anchors or any(name not in choices for name in anchors):
        raise ValueError(f"anchors are {list(anchors)}: choose some of {', '.join(choices)}")
    if floor_height is None and ("floor" in anchors or max_height is not None):
        asked = "anchor floor" if "floor" in anchors else "max_height"
        raise ValueError(f"{asked} needs floor_height: the z of the floor in the world of the poses, metres")
    if temporal not in TEMPORAL:
        raise ValueError(f"temporal is {temporal!r}: choose one of {', '.join(TEMPORAL)}")
    pattern = SparsePoints.parse(points)
    checkpoint = named_checkpoint(weights)
    given = dict(options or {})
    dataset = open_for_network(data, split, kind, given, checkpoint.metadata.label_set)
    views = AnchorViews(dataset, limit, every)
    told = (errors or OdometryErrors()).applied(views.poses, views.seconds)
    low = None if floor_height is None or max_height is None else views.below(floor_height + max_height)
    source = FramesWithDepth(dataset, chosen=views.places if low is None else low, progress=progress)
    runs = [AnchorRun(name, checkpoint.metadata.label_set, floor_height, temporal, pattern) for name in anchors]
    progress.begin(f"{dataset.meta.name}, {dataset.split}", len(source))
    skipped = views.before(skip_seconds)
    with Predictor(checkpoint, device, depth_range=UNLIMITED) as predictor:
        for done, (place, sample) in enumerate(source, start=1):
            if sample.intrinsics is None:
                raise ValueError(f"the camera of {sample.name} is not known: poses alone give no parallax")
            prediction, truth = predictor.predict(image_of(sample), sample.intrinsics), sample.depth.numpy()
            frame = AnchoredFrame(
                place, float(views.seconds[place]), views.worlds[place], image_of(sample), prediction.depth,
                prediction.labels, prediction.confidence, prediction.outputs.get("depth_uncertainty"), truth,
                near_depth_edges(truth, max(1, round(EDGE_REACH * truth.shape[1] / 640))), sample.intrinsics,
                views.poses[place], told[place],
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
        every,
        max_height,
        temporal,
        points,
        tuple(run.score() for run in runs),
        tuple(source.broken),
    )
