"""The report of an evaluation: JSON with every metric, and tables that compare it with the published results."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cinet_core import __version__
from cinet_core.checkpoint import ModelMetadata
from cinet_core.evaluation.evaluation import DepthScore, Evaluation, TaskScore
from cinet_core.evaluation.published import LABEL_SETS, PublishedRow, published_rows
from cinet_core.evaluation.tables import TextTable, number, percent
from cinet_core.evaluation.views import PLAIN
from cinet_core.inference.choices import FLOAT32
from cinet_core.metrics.depth import FURTHER_DEPTH_METRICS
from cinet_core.tasks import DEPTH, SEGMENTATION, TaskSpec, get_task

__all__ = ["RANDOM_WARNING", "SCHEMA_VERSION", "DataOrigin", "EvaluationReport"]

SCHEMA_VERSION = 2
RANDOM_WARNING = "RANDOM WEIGHTS: nothing was learnt, these metrics mean nothing"

_RECORDED = "as recorded"
_STABILITY = {
    "depth_change": "median change that motion does not explain, ln(ratio)",
    "scale_change": "of the frame as a whole",
    "shape_change": "of the points, without that of the whole",
}
_ATTENTION = {
    "average_precision": "average precision, class-balanced (higher is better)",
    "chance_precision": "the same of a map that knows nothing",
    "bce": "binary cross entropy, nats (lower is better)",
    "constant_bce": "the same of the best constant map",
}
_ORDERS = {
    "resize-argmax": "logits resized to the labels' size, then argmax",
    "argmax-resize": "argmax at the network's size, then nearest, as deployed",
}


@dataclass(frozen=True)
class DataOrigin:
    """The origin of the frames. With it and the split they can be opened again.

    Attributes:
        root: as it was given.
        kind: of data set, a name in `registry.DATASETS`.
        options: of the data set's class that were given; JSON types.
    """

    root: str
    kind: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        """One line."""
        options = "".join(f", {name}={json.dumps(value)}" for name, value in self.options.items())
        return f"{self.root}, read as {self.kind}{options}"


@dataclass(frozen=True)
class EvaluationReport:
    """The metrics of an evaluation, with the data and the checkpoint that they are of.

    Attributes:
        evaluation: the metrics.
        origin: of the frames.
        metadata: of the checkpoint.
        sha256: of the checkpoint's file.
        precision: that the network was run in, one of `choices.PRECISIONS`.
        as_recorded: the same of the same frames with the distortion of their lens left in (`SceneDataset.as_recorded`);
            None where they are scored as they were recorded.
    """

    evaluation: Evaluation
    origin: DataOrigin
    metadata: ModelMetadata
    sha256: str
    precision: str = FLOAT32
    as_recorded: Evaluation | None = None

    def warnings(self) -> list[str]:
        """Return the warnings that a reader of the metrics needs."""
        found = [RANDOM_WARNING] if self.metadata.random_weights else []
        counts = self.evaluation.counts
        if not self.evaluation.complete:
            found.append(f"only {counts.frames} of the split's {counts.available} frames are scored")
        if self.evaluation.broken:
            found.append(f"{len(self.evaluation.broken)} frames could not be read and are not scored")
        unknown = counts.frames - counts.with_camera
        if unknown:
            found.append(
                f"the camera of {unknown} frames is unknown: their depth is scaled as if it were the canonical"
            )
        return found

    def published(self) -> tuple[PublishedRow, ...]:
        """Return the published results for this data set. Their label metrics are included if the classes match."""
        rows = published_rows(self.evaluation.benchmark)
        if not rows or LABEL_SETS[rows[0].dataset] == self.evaluation.label_set:
            return rows
        return tuple(_only(row, DEPTH) for row in rows if _has(row, DEPTH))

    def notes(self) -> list[str]:
        """Return notes on the tables: the protocol of every metric, and whether it may be compared."""
        evaluation = self.evaluation
        rules = dict.fromkeys(score.rules for score in evaluation.depth)
        found = [f"Depth, protocol {rule}." for rule in rules]
        found += ["Depth, aligned: every image was first given the true median."] if evaluation.depth else []
        if self.as_recorded is not None:
            found.append(
                f'Depth, "{_RECORDED}": images and depth had the distortion of the lens, as for a robot that does not '
                'rectify; "rectified": it was undone first, in both. K is the same.'
            )
        found += [
            f"Labels, {score.order}: {_ORDERS[score.order]}; one confusion matrix over the set, classes that occur."
            for score in evaluation.labels
        ]
        if self._augmented:
            found.append(
                f"Test-time augmentation {self.evaluation.tta}: depth is the geometric mean of the views' metric "
                "depths, each taken back with its own f_net; labels are decided of the mean logits; further tasks and "
                "the attention are of the plain view."
            )
        found += self._stability_note()
        rows = self.published()
        if not rows:
            return [*found, f"No published results exist for {evaluation.dataset}, read as {self.origin.kind}."]
        if evaluation.split != "test" or not evaluation.complete:
            found.append("NOT COMPARABLE with the published results, which are of the whole test set.")
        found += [f"Published, {table}: {protocol}." for table, protocol in _protocols(rows)]
        return found

    def tables(self) -> list[TextTable]:
        """Return all tables, those with published results first."""
        tables = [self._depth(), self._further_depth(), self._scale()] if self.evaluation.depth else []
        tables += [self._labels()] if self.evaluation.labels else []
        tables += [self._further(score) for score in self.evaluation.tasks]
        tables += self._stability()
        if self.evaluation.attention is not None:
            attention = self.evaluation.attention
            rows = tuple((text, number(attention[name])) for name, text in _ATTENTION.items())
            tables.append(TextTable("Attention against the ideal map", ("figure", "value"), rows))
        if self.evaluation.labels:
            tables.append(self._classes())
        return tables

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "software": f"cinet {__version__}",
            "checkpoint": {
                "sha256": self.sha256,
                "random_weights": self.metadata.random_weights,
                "config": self.metadata.config.to_dict(),
                "camera": dataclasses.asdict(self.metadata.camera),
            },
            "precision": self.precision,
            "data": dataclasses.asdict(self.origin),
            "warnings": self.warnings(),
            "notes": self.notes(),
            "evaluation": self.evaluation.to_dict(),
            "as_recorded": None if self.as_recorded is None else self.as_recorded.to_dict(),
            "published": [dataclasses.asdict(row) for row in self.published()],
        }

    def heading(self) -> str:
        """Return one line that says what was evaluated."""
        evaluation = self.evaluation
        return f"{self.metadata.config.name} on {evaluation.dataset}, split {evaluation.split}"

    def facts(self) -> list[str]:
        """Return one line each about the checkpoint, the data and the counts."""
        counts = self.evaluation.counts
        label_set, own = self.evaluation.label_set, self.evaluation.own_label_set
        sizes = ", ".join(f"{width}x{height}" for width, height in self.evaluation.network_sizes) or "none"
        return [
            f"checkpoint: sha256 {self.sha256}",
            f"data: {self.origin}",
            f"frames: {counts.frames} scored of {counts.available}; {counts.with_depth} with depth, "
            f"{counts.with_labels} with labels, {counts.with_camera} with a known camera",
            f"classes: {label_set}" + ("" if own == label_set else f", to which those of {own} were mapped"),
            f"network input: {sizes}; run by {', '.join(self.evaluation.backends)} in {self.precision}; "
            f"test-time augmentation: {self.evaluation.tta}",
        ]

    def markdown(self) -> str:
        """Return the report as Markdown."""
        parts = [f"# {self.heading()}", ""]
        parts += [f"> **{warning}**\n" for warning in self.warnings()]
        parts += [f"- {fact}" for fact in self.facts()]
        parts += ["", *(table.markdown() for table in self.tables()), "## Protocols", ""]
        parts += [f"- {note}" for note in self.notes()]
        if self.evaluation.broken:
            parts += ["", "## Frames that could not be read", ""]
            parts += [f"- {frame.name}: {frame.reason}" for frame in self.evaluation.broken]
        return "\n".join(parts) + "\n"

    def _depth(self) -> TextTable:
        """One row for each way that we were measured in, then the published ones."""
        rows = [(name, *_cells(DEPTH, score.metrics)) for name, score in self._depth_scores()]
        return self._with_published(DEPTH, rows)

    def _further_depth(self) -> TextTable:
        """Errors that the published tables have no columns for."""
        rows = tuple(
            (row, *(number(score.metrics[name], 4) for name in FURTHER_DEPTH_METRICS))
            for row, score in self._depth_scores()
        )
        columns = ("method, protocol", "log10", "SILog (KITTI prints 100 times this)")
        return TextTable("Depth, errors that the paper does not print", columns, rows)

    def _depth_scores(self) -> list[tuple[str, DepthScore]]:
        """Every way that our depth was measured in, with its name."""
        found = []
        for score in self.evaluation.depth:
            name = f"{self._ours()}, {score.protocol}{', aligned' if score.aligned else ''}"
            if self.as_recorded is None:
                found.append((name, score))
                continue
            key = score.protocol, score.aligned
            found.append((f"{name}, rectified", score))
            others = self.as_recorded.depth
            found += [(f"{name}, {_RECORDED}", own) for own in others if (own.protocol, own.aligned) == key]
        return found

    def _labels(self) -> TextTable:
        """The same for labels."""
        scores = self.evaluation.labels
        rows = [(f"{self._ours()}, {score.order}", *_cells(SEGMENTATION, score.metrics)) for score in scores]
        return self._with_published(SEGMENTATION, rows)

    def _further(self, score: TaskScore) -> TextTable:
        """The row of a further task."""
        task = get_task(score.task)
        return self._with_published(task, [(self._ours(), *_cells(task, score.metrics))])

    def _with_published(self, task: TaskSpec, rows: list[tuple[str, ...]]) -> TextTable:
        """The table of a task: our rows, then the published ones."""
        rows = rows + [(_source(row), *_cells(task, row.metrics)) for row in self.published() if _has(row, task)]
        return TextTable(task.title, ("method, protocol", *(metric.heading for metric in task.metrics)), tuple(rows))

    def _ours(self) -> str:
        whose = "RANDOM WEIGHTS" if self.metadata.random_weights else "ours"
        return f"{whose}, TTA {self.evaluation.tta}" if self._augmented else whose

    @property
    def _augmented(self) -> bool:
        return self.evaluation.tta != str(PLAIN)

    def _scale(self) -> TextTable:
        rows = tuple(
            (
                row.removeprefix(f"{self._ours()}, "),
                str(score.images),
                number(score.metrics["scale_ratio"]),
                number(score.metrics["scale_spread"]),
            )
            for row, score in self._depth_scores()
            if not score.aligned
        )
        columns = ("protocol", "images", "median(truth) / median(prediction)", "spread of its logarithm")
        return TextTable("Metric scale", columns, rows)

    def _stability(self) -> list[TextTable]:
        score = self.evaluation.stability
        if score is None or score.pairs == 0:
            return []
        rows = tuple((text, number(score.metrics[name], 4)) for name, text in _STABILITY.items())
        return [TextTable("Stability between consecutive frames", ("figure", "value"), rows)]

    def _stability_note(self) -> list[str]:
        score = self.evaluation.stability
        if score is None:
            return []
        if score.pairs == 0:
            return ["Stability is NOT MEASURED: no two of the scored frames are consecutive; leave out --limit."]
        return [
            f"Stability: {score.pairs} pairs of frames, {score.points} static points that both see, moved by the true "
            "poses; medians over the points, then over the pairs; a frame's median is removed for the last row."
        ]

    def _classes(self) -> TextTable:
        """IoU and recall of what occurs in the truth."""
        orders = self.evaluation.labels
        occurring = [name for name, iou in orders[0].class_iou.items() if iou is not None]
        rows = [
            (name, *(percent(part[name]) for score in orders for part in (score.class_iou, score.class_recall)))
            for name in occurring
        ]
        means = (score.metrics[name] for score in orders for name in ("mean_iou", "mean_recall"))
        columns = (f"{metric}, {score.order}" for score in orders for metric in ("IoU", "recall"))
        title = f"The {len(occurring)} classes that occur, %"
        return TextTable(title, ("class", *columns), (*rows, ("mean", *map(percent, means))))


def _cells(task: TaskSpec, metrics: Mapping[str, float]) -> list[str]:
    return [(percent if metric.percent else number)(metrics.get(metric.name)) for metric in task.metrics]


def _has(row: PublishedRow, task: TaskSpec) -> bool:
    return any(metric.name in row.metrics for metric in task.metrics)


def _source(row: PublishedRow) -> str:
    return f"{row.method}{f' ({row.data})' if row.data else ''}, {row.table}"


def _only(row: PublishedRow, task: TaskSpec) -> PublishedRow:
    names = {metric.name for metric in task.metrics}
    return dataclasses.replace(row, metrics={name: value for name, value in row.metrics.items() if name in names})


def _protocols(rows: tuple[PublishedRow, ...]) -> list[tuple[str, str]]:
    """Each protocol once, with the tables that it holds for."""
    tables: dict[str, dict[str, None]] = {}
    for row in rows:
        whose = "CI-Net and baselines" if row.protocol.startswith("CI-Net paper") else "other methods"
        tables.setdefault(row.protocol, {})[f"{row.table} ({whose})"] = None
    return [("; ".join(names), protocol) for protocol, names in tables.items()]
