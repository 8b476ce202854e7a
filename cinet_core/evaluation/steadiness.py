"""How steady predicted depth is: what changes when the image is shifted, rolled or blurred, and along a sequence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core import __version__
from cinet_core.checkpoint import DEFAULT_WEIGHTS, ModelMetadata, named_checkpoint
from cinet_core.data.check import spread
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.registry import open_for_network, resolved_kind
from cinet_core.data.scene_dataset import Split
from cinet_core.evaluation.geometry_report import FrameCounts, plain_values
from cinet_core.evaluation.predicted_frames import UNLIMITED, FramesWithDepth, image_of, predicted_depths
from cinet_core.evaluation.report import RANDOM_WARNING, DataOrigin
from cinet_core.evaluation.tables import TextTable, number
from cinet_core.inference.availability import TORCH
from cinet_core.inference.choices import AUTO
from cinet_core.inference.predictor import Predictor
from cinet_core.metrics.flicker import IMAGE_CHANGES, FlickerMetrics, ImageChange, ScaleSteps
from cinet_core.metrics.smooth_field import DEVIATION, SmoothErrorMetrics
from cinet_core.progress import SILENT, Progress

__all__ = ["ChangeScore", "SteadinessReport", "evaluate_steadiness"]

FRAMES = 100


@dataclass(frozen=True)
class ChangeScore:
    """The flicker under one change of the image.

    Attributes:
        name: of the change.
        frames: that were changed.
        metrics: of `FlickerMetrics.compute`.
    """

    name: str
    frames: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class SteadinessReport:
    """The steadiness of predicted depth on a data set.

    Attributes:
        dataset: name of the data set.
        split: of it.
        origin: of the frames.
        metadata: of the checkpoint.
        sha256: of the checkpoint's file.
        counts: of the frames.
        deviation: of the Gaussian that tells smooth from rough, pixels.
        changes: flicker under each change of the image.
        errors: of `SmoothErrorMetrics.compute`, against the truth, over all frames.
        steps: how many pairs of consecutive frames there are; 0 where the data set is no sequence.
        sequence: of `ScaleSteps.compute`.
    """

    dataset: str
    split: str
    origin: DataOrigin
    metadata: ModelMetadata
    sha256: str
    counts: FrameCounts
    deviation: float
    changes: tuple[ChangeScore, ...]
    errors: Mapping[str, float]
    steps: int
    sequence: Mapping[str, float]

    def heading(self) -> str:
        """Return one line that says what was studied."""
        return f"Steadiness of depth: {self.metadata.config.name} on {self.dataset}, split {self.split}"

    def facts(self) -> list[str]:
        """Return one line each about the checkpoint, the data and the counts."""
        return [
            f"checkpoint: sha256 {self.sha256}",
            f"data: {self.origin}",
            f"frames: {self.counts.frames} of {self.counts.available}, {self.steps} of them right after another; "
            f"smooth is what a Gaussian of {self.deviation:g} pixels leaves",
        ]

    def warnings(self) -> list[str]:
        """Return the warnings that a reader of the metrics needs."""
        found = [RANDOM_WARNING] if self.metadata.random_weights else []
        found += [f"{len(self.counts.broken)} frames could not be read"] if self.counts.broken else []
        return found

    def tables(self) -> list[TextTable]:
        """Return all tables."""
        names = ("scale_deviation", "scale_mean", "smooth_field", "rough_field")
        rows = tuple(
            (found.name, str(found.frames), *(number(found.metrics[name], 4) for name in names))
            for found in self.changes
        )
        columns = ("image changed by", "frames", "scale, sd", "scale, mean", "smooth field, rms", "rest, rms")
        tables = [TextTable("Change of ln depth, warped back", columns, rows)] if rows else []
        errors = (
            ("smooth error, rms", number(self.errors["smooth_error"], 4)),
            ("rough error, rms", number(self.errors["rough_error"], 4)),
        )
        tables.append(TextTable("Error of ln depth within frames", ("figure", "value"), errors))
        if self.steps:
            steps = (
                ("median of predicted depth, rms", number(self.sequence["predicted_step"], 4)),
                ("median of true depth, rms", number(self.sequence["true_step"], 4)),
                ("of their ratio, rms", number(self.sequence["scale_step"], 4)),
            )
            tables.append(TextTable("Step of ln from frame to frame", ("figure", "value"), steps))
        return tables

    def markdown(self) -> str:
        """Return the report as Markdown."""
        parts = [f"# {self.heading()}", "", *(f"> **{warning}**\n" for warning in self.warnings())]
        parts += [*(f"- {fact}" for fact in self.facts()), ""]
        return "\n".join([*parts, *(table.markdown() for table in self.tables())])

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON types; what is not a number is None."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("metadata", "sha256")
        }
        checkpoint = {"sha256": self.sha256, "random_weights": self.metadata.random_weights}
        return {"software": f"cinet {__version__}", "checkpoint": checkpoint, **plain_values(values)}


def evaluate_steadiness(
    data: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    split: Split = "test",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    changes: Sequence[ImageChange] = IMAGE_CHANGES,
    frames: int = FRAMES,
    limit: int | None = None,
    deviation: float = DEVIATION,
    device: str = AUTO,
    backend: str = TORCH,
    precision: str = AUTO,
    progress: Progress = SILENT,
) -> SteadinessReport:
    """Measure how steady the depth is that a checkpoint predicts, as docs/judging.md defines it.

    >>> import cinet_core
    >>> small = {"test_length": 2, "width": 96, "height": 72}
    >>> report = cinet_core.evaluate_steadiness("synthetic", "random", options=small, device="cpu")
    >>> [found.name for found in report.changes][:2], report.steps
    (['shift of 1 px', 'shift of 4 px'], 0)

    Args:
        data: what `cinet_core.evaluate` takes; only frames with depth count.
        weights: a checkpoint, "default", or "random".
        split, kind, options: of the data set, see `open_dataset`.
        changes: of the image.
        frames: how many, evenly spread, are changed.
        limit: take only the first so many frames of the split; None = all.
        deviation: of the Gaussian that tells smooth from rough, pixels of the image.
        device, backend, precision: see `cinet_core.load`.
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such data set, device or backend; not one frame has depth; an image is too small
            for the margin (`flicker.MARGIN`).
        OSError: a file cannot be read.
    """
    checkpoint = named_checkpoint(weights)
    given = dict(options or {})
    dataset = open_for_network(data, split, kind, given, checkpoint.metadata.label_set)
    source = FramesWithDepth(dataset, limit, consecutive=True, progress=progress)
    changed = set(spread(len(source), frames)) if changes else set()
    flicker = [FlickerMetrics(deviation) for _ in changes]
    errors, steps = SmoothErrorMetrics(deviation), ScaleSteps()
    progress.begin(f"{dataset.meta.name}, {dataset.split}", len(source))
    done = 0
    with Predictor(checkpoint, device, depth_range=UNLIMITED, backend=backend, precision=precision) as predictor:
        for place, sample in source:
            image, camera, truth = image_of(sample), sample.intrinsics, sample.depth.numpy()
            (plain,) = predicted_depths(predictor, [image], camera)
            errors.update(plain, truth)
            if isinstance(dataset, PosedDataset) and dataset.pose(place) is not None:
                steps.update(place, plain, truth, dataset.world(place))
            if place in changed:
                others = predicted_depths(predictor, [change.apply(image, camera) for change in changes], camera)
                for change, metrics, other in zip(changes, flicker, others, strict=True):
                    back = np.exp(change.back(np.log(other.astype(np.float64)), camera))
                    metrics.update(plain, back)
            done += 1
            progress.advance(done)
    if done == 0:
        raise ValueError(f"no frame of {dataset.meta.name}, split {dataset.split}, has depth")
    return SteadinessReport(
        dataset=dataset.meta.name,
        split=dataset.split,
        origin=DataOrigin(str(data), resolved_kind(data, kind), given),
        metadata=checkpoint.metadata,
        sha256=checkpoint.sha256,
        counts=FrameCounts(done, len(dataset), source.without_depth, tuple(source.broken)),
        deviation=deviation,
        changes=tuple(
            ChangeScore(change.name, metrics.frames, metrics.compute())
            for change, metrics in zip(changes, flicker, strict=True)
        ),
        errors=errors.compute(),
        steps=steps.steps,
        sequence=steps.compute(),
    )
