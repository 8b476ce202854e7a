"""Statistics of a training set that a training needs: class frequencies, median depth, and focal lengths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from cinet_core.data.augmentation import NO_AUGMENTATION
from cinet_core.data.check import Statistics
from cinet_core.data.depth_plausibility import DepthPlausibility
from cinet_core.data.sample import Sample
from cinet_core.data.transforms import TrainingTransform

__all__ = ["DatasetStatistics", "measure"]


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of a training set at the size of the network's input, unvaried.

    Attributes:
        samples: that were looked at.
        of_samples: the size of the training set.
        class_pixels: labelled pixels of each class, for ``losses.class_weights``.
        median_depth: canonical metres, to the centimetre; None where no depth is known.
        focal_range: smallest and largest f_net, pixels, that augmentation makes of these cameras.
        valid_depth: share, 0 to 1, of pixels with depth, over samples that have depth.
        labelled: share, 0 to 1, of pixels with a class, over samples that have labels.
        with_depth: samples that have depth.
        with_labels: samples that have labels.
        with_camera: samples whose intrinsics are known.
        depth_warnings: what is likely to be wrong with their depth, in sentences.
    """

    samples: int
    of_samples: int
    class_pixels: tuple[int, ...]
    median_depth: float | None
    focal_range: tuple[float, float]
    valid_depth: float
    labelled: float
    with_depth: int
    with_labels: int
    with_camera: int
    depth_warnings: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DatasetStatistics:
        """The inverse of ``dataclasses.asdict``, through JSON too.

        Raises:
            ValueError: a key is missing or unknown.
        """
        restored: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        try:
            return cls(**restored)
        except TypeError as error:
            raise ValueError(f"not the statistics of a training set: {error}") from error


def measure(
    dataset: Dataset[Sample],
    indices: Sequence[int],
    classes: int,
    transform: TrainingTransform,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetStatistics:
    """Read some samples of a training set.

    Args:
        dataset: to read.
        indices: of the samples to read; one that occurs twice counts twice.
        classes: number of classes of its labels.
        transform: that training will apply: its size, f_c and limits of zoom count.
        progress: called with the number of samples read and to read.

    Returns:
        The metrics.

    Raises:
        ValueError: there is nothing to read.
        SourceError: a sample cannot be read.
    """
    if not indices:
        raise ValueError("no samples to take statistics of: raise max_samples to at least 1")
    still = TrainingTransform(transform.width, transform.height, transform.canonical_focal, NO_AUGMENTATION)
    smallest_zoom, largest_zoom = transform.augmentation.scale
    counts, plausibility = Statistics(classes), DepthPlausibility()
    low, high = math.inf, 0.0
    with_depth = with_labels = with_camera = 0
    for number, index in enumerate(indices):
        source = dataset[index]
        sample = still(source)
        if sample.has_depth:
            with_depth += 1
            counts.add_depth(sample.depth.numpy())
            plausibility.add(source.name, source.depth.numpy())
        if sample.has_labels:
            with_labels += 1
            counts.add_labels(sample.labels.numpy())
        known = source.intrinsics is not None
        with_camera += known
        # Where the camera is unknown, f_net is f_c whatever the zoom.
        low = min(low, sample.focal * (smallest_zoom if known else 1.0))
        high = max(high, sample.focal * (largest_zoom if known else 1.0))
        if progress is not None:
            progress(number + 1, len(indices))
    median = counts.depth_percentile(50)
    return DatasetStatistics(
        samples=len(indices),
        of_samples=len(dataset),  # type: ignore[arg-type]  # torch's Dataset leaves __len__ to its subclasses
        class_pixels=tuple(counts.class_pixels.tolist()),
        median_depth=None if math.isnan(median) else median,
        focal_range=(low, high),
        valid_depth=counts.valid_depth,
        labelled=counts.labelled,
        with_depth=with_depth,
        with_labels=with_labels,
        with_camera=with_camera,
        depth_warnings=tuple(plausibility.warnings()),
    )
