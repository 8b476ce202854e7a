"""What a study of predicted geometry found, as plain values, tables and JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cinet_core import __version__
from cinet_core.checkpoint import ModelMetadata
from cinet_core.evaluation.evaluation import BrokenFrame
from cinet_core.evaluation.report import RANDOM_WARNING, DataOrigin
from cinet_core.evaluation.tables import TextTable, number, percent
from cinet_core.metrics.depth_range import RangeBin

__all__ = ["FrameCounts", "GeometryReport", "PlaneScore", "RangeScore", "ScaleAtSize", "plain_values"]


@dataclass(frozen=True)
class FrameCounts:
    """How many frames a study is of.

    Attributes:
        frames: predicted and compared.
        available: in the split.
        without_depth: left out, since they have no depth.
        broken: left out, since they cannot be read.
    """

    frames: int
    available: int
    without_depth: int
    broken: tuple[BrokenFrame, ...] = ()


@dataclass(frozen=True)
class RangeScore:
    """The range of predicted depth, see `RangeMetrics`.

    Attributes:
        metrics: of `RangeMetrics.compute`.
        by_true, by_predicted: predicted / true in bins of the one and of the other.
    """

    metrics: Mapping[str, float]
    by_true: tuple[RangeBin, ...]
    by_predicted: tuple[RangeBin, ...]


@dataclass(frozen=True)
class ScaleAtSize:
    """The scale of whole frames with the network at one size.

    Attributes:
        width, height: of the network's input, pixels.
        scale: geometric mean over the frames of median(predicted) / median(true).
        spread: standard deviation of its natural logarithm over the frames.
        abs_rel: mean of ``|predicted - true| / true`` over all pixels.
        slope: of ln predicted on ln true, over all pixels.
    """

    width: int
    height: int
    scale: float
    spread: float
    abs_rel: float
    slope: float


@dataclass(frozen=True)
class PlaneScore:
    """How flat the planar regions of a kind are predicted, see `PlanarityMetrics`.

    Attributes:
        name: class of the regions; `UNLABELLED_PLANES` of frames without labels.
        regions: how many.
        metrics: of `PlanarityMetrics.compute`.
    """

    name: str
    regions: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class GeometryReport:
    """The geometry of predicted depth on a data set.

    Attributes:
        dataset: name of the data set.
        split: of it.
        origin: of the frames.
        metadata: of the checkpoint.
        sha256: of the checkpoint's file.
        counts: of the frames.
        depth_range: metres between which the truth counts.
        scales: the first at the network's own size, then at the further ones that were asked for.
        range: near and far.
        edges: of `EdgePointMetrics.compute`, of the whole cloud.
        filtered_edges: the same of the cloud without `edge_filter`.
        planes: floors, walls and tables, by the true labels.
        edge_filter: points where predicted depth jumps by more than this part are left out of the cloud.
    """

    dataset: str
    split: str
    origin: DataOrigin
    metadata: ModelMetadata
    sha256: str
    counts: FrameCounts
    depth_range: tuple[float, float]
    scales: tuple[ScaleAtSize, ...]
    range: RangeScore
    edges: Mapping[str, float]
    filtered_edges: Mapping[str, float]
    planes: tuple[PlaneScore, ...]
    edge_filter: float

    def heading(self) -> str:
        """Return one line that says what was studied."""
        return f"Geometry of depth: {self.metadata.config.name} on {self.dataset}, split {self.split}"

    def facts(self) -> list[str]:
        """Return one line each about the checkpoint, the data and the counts."""
        low, high = self.depth_range
        return [
            f"checkpoint: sha256 {self.sha256}",
            f"data: {self.origin}",
            f"frames: {self.counts.frames} of {self.counts.available}, truth from {low:g} to {high:g} m",
        ]

    def warnings(self) -> list[str]:
        """Return the warnings that a reader of the metrics needs."""
        found = [RANDOM_WARNING] if self.metadata.random_weights else []
        if self.counts.frames < self.counts.available:
            found.append(f"only {self.counts.frames} of the split's {self.counts.available} frames are compared")
        if self.counts.broken:
            found.append(f"{len(self.counts.broken)} frames could not be read")
        return found

    def tables(self) -> list[TextTable]:
        """Return all tables."""
        return [self._range(), self._slopes(), self._scales(), self._edges(), *self._planes()]

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

    def _range(self) -> TextTable:
        rows = []
        for true, predicted in zip(self.range.by_true, self.range.by_predicted, strict=True):
            cells = (number(true.ratio), percent(true.share), number(predicted.ratio), percent(predicted.share))
            rows.append((f"{true.low:g} - {true.high:g}", *cells))
        columns = ("depth, m", "by true depth", "pixels, %", "by predicted depth", "pixels, %")
        return TextTable("Median of predicted / true", columns, tuple(rows))

    def _slopes(self) -> TextTable:
        found = self.range.metrics
        rows = (
            ("slope of ln predicted on ln true", number(found["slope"])),
            ("the same within frames", number(found["within_slope"])),
            ("correlation", number(found["correlation"])),
            ("standard deviation of ln predicted", number(found["ln_deviation"])),
            ("standard deviation of ln true", number(found["true_ln_deviation"])),
        )
        return TextTable("Range", ("figure", "value"), rows)

    def _scales(self) -> TextTable:
        rows = tuple(
            (
                f"{found.width}x{found.height}",
                number(found.scale),
                number(found.spread),
                number(found.abs_rel),
                number(found.slope),
            )
            for found in self.scales
        )
        columns = ("network input", "predicted / true, of medians", "spread of ln", "abs rel", "slope")
        return TextTable("Scale of whole frames", columns, rows)

    def _edges(self) -> TextTable:
        clouds = {"whole cloud": self.edges, f"cloud_edge_filter {self.edge_filter:g}": self.filtered_edges}
        names = ("off", "off_aligned", "flying", "away_off_aligned", "beside")
        rows = tuple((cloud, *(percent(found[name]) for name in names)) for cloud, found in clouds.items())
        columns = ("%", "off", "off, aligned", "flying", "off, aligned, elsewhere", "of all points")
        return TextTable("Points within 3 pixels of a depth edge", columns, rows)

    def _planes(self) -> list[TextTable]:
        rows = tuple(
            (
                found.name,
                str(found.regions),
                *(number(100 * found.metrics[name], 2) for name in ("rms", "rms_median", "true_rms")),
                *(number(found.metrics[name], 1) for name in ("angle", "angle_median")),
            )
            for found in self.planes
        )
        title = "Planar regions against their own best plane"
        columns = (
            "class",
            "regions",
            "rms, % of distance",
            "median",
            "of the truth",
            "angle to the true plane, degrees",
            "median",
        )
        return [TextTable(title, columns, rows)] if rows else []


def plain_values(value: Any) -> Any:
    """Dataclasses, mappings and tuples as JSON types; numbers that are not finite as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_values(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain_values(value._asdict())
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
