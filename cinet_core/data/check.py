"""Checks a data set and reports its classes, depth, cameras, and unreadable files."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.data.depth_plausibility import DepthPlausibility
from cinet_core.data.exif import Orientation
from cinet_core.data.frame_files import SourceError
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset

__all__ = ["FAR", "NEAR", "CheckReport", "Statistics", "check_dataset", "first_look", "spread"]

FIRST_LOOK = 8
"""Frames from which a wrong unit, or depth without a measurement, shows before all of them are read."""

NEAR, FAR = 0.75, 5.0
"""Metres below and above which a robot drives into things, and a room is larger than most of a home."""

MEDIAN_EDGES = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.3)
"""Metres, each about the root of two times the one before: bins of the frames' median depths."""

CENTIMETRES = 10_000
"""Depths are counted by centimetre up to 100 m."""


class Statistics:
    """Counts over samples, one at a time: what the check reports and the segmentation loss weighs classes by.

    Attributes:
        class_pixels: (C,) int64 labelled pixels of each class, C = number of classes.
        class_frames: (C,) int64 frames in which each class occurs.
        pixels: all pixels of the frames with labels.
        depth_pixels: all pixels of the frames with depth.
    """

    def __init__(self, classes: int) -> None:
        """Start from nothing."""
        self.class_pixels = np.zeros(classes, dtype=np.int64)
        self.class_frames = np.zeros(classes, dtype=np.int64)
        self.pixels = 0
        self.depth_pixels = 0
        self._depth_counts = np.zeros(CENTIMETRES + 1, dtype=np.int64)

    def add_labels(self, labels: npt.NDArray[np.uint8]) -> None:
        """Count a label image of any shape; ids that are no class, 255 among them, count as pixels only."""
        counts = np.bincount(labels.ravel(), minlength=256)[: len(self.class_pixels)]
        self.class_pixels += counts
        self.class_frames += counts > 0
        self.pixels += labels.size

    def add_depth(self, depth: npt.NDArray[np.floating]) -> None:
        """Count a depth image of any shape, in metres, 0 where unknown."""
        centimetres = (depth[depth > 0] * 100.0).astype(np.int64).clip(0, CENTIMETRES)
        self._depth_counts += np.bincount(centimetres.ravel(), minlength=CENTIMETRES + 1)
        self.depth_pixels += depth.size

    @property
    def valid_depth(self) -> float:
        """Share, 0 to 1, of pixels whose depth is known, over frames with depth; 0 where there are none."""
        return float(self._depth_counts.sum()) / max(1, self.depth_pixels)

    @property
    def labelled(self) -> float:
        """Share, 0 to 1, of pixels that have a class, over frames with labels; 0 where there are none."""
        return float(self.class_pixels.sum()) / max(1, self.pixels)

    def depth_percentile(self, percent: float) -> float:
        """Metres, to the centimetre, below which this part (0 to 100) of the known depths lies; NaN without any."""
        total = int(self._depth_counts.sum())
        if total == 0:
            return math.nan
        rank = min(total - 1, math.floor(total * percent / 100.0))
        return (int(np.searchsorted(np.cumsum(self._depth_counts), rank, side="right")) + 0.5) / 100.0

    def depth_share(self, low: float, high: float) -> float:
        """Share, 0 to 1, of known depths from ``low`` to below ``high`` metres, to the centimetre; 0 without any."""
        counts = self._depth_counts
        first, end = round(low * 100.0), len(counts) if math.isinf(high) else round(high * 100.0)
        return float(counts[first:end].sum()) / max(1, int(counts.sum()))

    def depth_outside(self, low: float, high: float) -> float:
        """Share, 0 to 1, of known depths below ``low`` or above ``high`` metres, to the centimetre."""
        inside = self._depth_counts[math.floor(low * 100.0) : math.ceil(high * 100.0) + 1].sum()
        total = self._depth_counts.sum()
        return float(total - inside) / max(1, int(total))


@dataclass
class CheckReport:
    """The report of a check.

    Attributes:
        name: of the data set.
        split: that was read.
        frames: that were asked for.
        readable: of these, those without fault.
        with_depth: readable frames that have depth.
        with_labels: readable frames that have labels.
        with_camera: readable frames whose intrinsics are known.
        image_sizes: number of frames by (width, height).
        turned: number of frames by the EXIF orientation that turned them, all parts alike; without those it did not.
        fields_of_view: smallest and largest horizontal one, degrees; None where no camera is known.
        statistics: of depth and labels.
        class_names: of the classes counted.
        depth_range: metres that the sensor can measure.
        median_depths: of each frame with a known depth, metres.
        plausibility: of the depth images.
        remarks: of the data set, for example which files beside it are not read.
        problems: of the others: file, reason and remedy of each fault.
    """

    name: str
    split: str
    frames: int
    class_names: tuple[str, ...]
    depth_range: tuple[float, float]
    statistics: Statistics
    readable: int = 0
    with_depth: int = 0
    with_labels: int = 0
    with_camera: int = 0
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    turned: Counter[int] = field(default_factory=Counter)
    fields_of_view: tuple[float, float] | None = None
    median_depths: list[float] = field(default_factory=list)
    plausibility: DepthPlausibility = field(default_factory=DepthPlausibility)
    remarks: tuple[str, ...] = ()
    problems: list[SourceError] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """Return warnings about readable data that is probably wrong."""
        found = [*self.remarks, *self.plausibility.warnings()]
        if self.with_labels and not self.statistics.labelled:
            found.append(
                f"no pixel has a class in all frames with labels ({self.with_labels}): 255 means none, and so does 0 "
                "unless the option first_class is 0"
            )
        return found

    def add(self, sample: Sample, orientation: Orientation) -> None:
        """Count a frame that could be read, and how it lies in its file."""
        self.readable += 1
        if orientation.turns:
            self.turned[orientation.number] += 1
        self.image_sizes[sample.size] += 1
        if sample.has_depth:
            self.with_depth += 1
            self.statistics.add_depth(sample.depth.numpy())
            self.plausibility.add(sample.name, sample.depth.numpy())
            known = sample.depth.numpy()[sample.depth.numpy() > 0]
            if known.size:
                self.median_depths.append(float(np.median(known)))
        if sample.has_labels:
            self.with_labels += 1
            self.statistics.add_labels(sample.labels.numpy())
        if sample.intrinsics is not None:
            self.with_camera += 1
            angle = math.degrees(2.0 * math.atan(sample.intrinsics.width / (2.0 * sample.intrinsics.fx)))
            low, high = self.fields_of_view or (angle, angle)
            self.fields_of_view = (min(low, angle), max(high, angle))

    def median_shares(self) -> dict[tuple[float, float], float]:
        """Share, 0 to 1, of the frames by the bin, in metres, of their median depth; outermost bins are open."""
        edges = (0.0, *MEDIAN_EDGES[1:-1], math.inf)
        counts, _ = np.histogram(self.median_depths, edges)
        shares = counts / max(1, len(self.median_depths))
        return dict(zip(itertools.pairwise(MEDIAN_EDGES), shares.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings for JSON."""
        counts = self.statistics
        percentiles = {f"{percent}%": counts.depth_percentile(percent) for percent in (1, 50, 99)}
        return {
            "name": self.name,
            "split": self.split,
            "frames": self.frames,
            "readable": self.readable,
            "with_depth": self.with_depth,
            "with_labels": self.with_labels,
            "with_camera": self.with_camera,
            "image_sizes": {f"{width}x{height}": count for (width, height), count in self.image_sizes.items()},
            "turned": {str(number): count for number, count in sorted(self.turned.items())},
            "fields_of_view": self.fields_of_view,
            "valid_depth": counts.valid_depth,
            "depth_percentiles": {name: None if math.isnan(value) else value for name, value in percentiles.items()},
            "depth_near": counts.depth_share(0.0, NEAR),
            "depth_far": counts.depth_share(FAR, math.inf),
            "median_depths": {f"{low:g} - {high:g}": share for (low, high), share in self.median_shares().items()},
            "depth_outside_range": counts.depth_outside(*self.depth_range),
            "labelled": counts.labelled,
            "class_pixels": dict(zip(self.class_names, counts.class_pixels.tolist(), strict=True)),
            "class_frames": dict(zip(self.class_names, counts.class_frames.tolist(), strict=True)),
            "warnings": self.warnings,
            "problems": [{"file": e.path, "reason": e.reason, "remedy": e.remedy} for e in self.problems],
        }


def check_dataset(
    dataset: SceneDataset,
    limit: int | None = None,
    seen: Callable[[int, Sample], None] | None = None,
    progress: Callable[[], None] | None = None,
) -> CheckReport:
    """Read and check every frame of a data set.

    Args:
        dataset: what to read.
        limit: read only this many frames, spread evenly over it.
        seen: called with number and sample of each frame that could be read.
        progress: called after each frame.

    Returns:
        What was found; a broken frame does not end the run.
    """
    numbers = spread(len(dataset), limit)
    classes = dataset.label_set.classes
    report = CheckReport(
        name=dataset.meta.name,
        split=dataset.split,
        frames=len(numbers),
        class_names=classes,
        depth_range=dataset.meta.depth_range,
        statistics=Statistics(len(classes)),
        remarks=dataset.remarks,
    )
    for number in numbers:
        try:
            sample = dataset[number]
        except SourceError as error:
            # Read again, part by part: a frame may have more than the one fault that ended its reading.
            report.problems.extend(dataset.problems(number) or [error])
        else:
            report.add(sample, dataset.orientation(number))
            if seen is not None:
                seen(number, sample)
        if progress is not None:
            progress()
    return report


def first_look(dataset: SceneDataset) -> list[str]:
    """Warnings that a few frames of a data set are enough for: its remarks, and depth that cannot be right."""
    return check_dataset(dataset, FIRST_LOOK).warnings


def spread(count: int, limit: int | None) -> list[int]:
    """At most ``limit`` of the numbers below ``count``, evenly spread; all of them for None."""
    if limit is None or limit >= count:
        return list(range(count))
    return [(2 * place + 1) * count // (2 * limit) for place in range(limit)]
