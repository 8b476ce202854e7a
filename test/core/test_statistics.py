"""Statistics of a training set, against counts made by hand."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from cinet_core.data.augmentation import Augmentation
from cinet_core.data.sample import Sample
from cinet_core.data.statistics import DatasetStatistics, measure
from cinet_core.data.transforms import TrainingTransform
from cinet_core.geometry import Intrinsics
from cinet_core.losses import class_weights

WIDTH, HEIGHT, CANONICAL = 20, 12, 10.0


class Frames(Dataset[Sample]):
    """Left third of class 0, the rest of class 2, one row unknown; depth 1 m + index, top half unknown."""

    def __init__(self, cameras: list[float | None], depth: bool = True) -> None:
        self.cameras, self.depth = cameras, depth

    def __len__(self) -> int:
        return len(self.cameras)

    def __getitem__(self, index: int) -> Sample:
        labels = torch.full((HEIGHT, WIDTH), 2, dtype=torch.uint8)
        labels[:, :5] = 0
        labels[0] = 255
        depth = torch.full((HEIGHT, WIDTH), 1.0 + index)
        depth[: HEIGHT // 2] = 0
        f = self.cameras[index]
        return Sample(
            str(index),
            torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8),
            depth if self.depth else torch.zeros(HEIGHT, WIDTH),
            labels,
            None if f is None else Intrinsics(f, f, 9.5, 5.5, WIDTH, HEIGHT),
            has_depth=self.depth,
        )


def transform(scale: tuple[float, float] = (1.2, 1.5)) -> TrainingTransform:
    return TrainingTransform(WIDTH, HEIGHT, CANONICAL, Augmentation(scale=scale))


def test_counts_are_those_of_the_pixels() -> None:
    statistics = measure(Frames([10.0, 10.0, 10.0]), [0, 1, 2], 4, transform())
    assert statistics.class_pixels == (3 * 11 * 5, 0, 3 * 11 * 15, 0)
    assert statistics.labelled == pytest.approx(11 / 12)
    assert statistics.valid_depth == pytest.approx(0.5)
    assert (
        statistics.samples,
        statistics.of_samples,
        statistics.with_depth,
        statistics.with_labels,
        statistics.with_camera,
    ) == (3,) * 5
    weights = class_weights(torch.tensor(statistics.class_pixels))
    assert weights.tolist() == pytest.approx([0.75, 1.0, 0.25, 1.0])


def test_median_depth_is_canonical() -> None:
    """Depths 1, 2 and 3 m; a camera of twice the canonical focal length halves them."""
    assert measure(Frames([10.0] * 3), [0, 1, 2], 4, transform()).median_depth == pytest.approx(2.0, abs=0.01)
    assert measure(Frames([20.0] * 3), [0, 1, 2], 4, transform()).median_depth == pytest.approx(1.0, abs=0.01)
    assert measure(Frames([None] * 3), [0, 1, 2], 4, transform()).median_depth == pytest.approx(2.0, abs=0.01)
    assert measure(Frames([10.0], depth=False), [0], 4, transform()).median_depth is None


def test_focal_range_is_what_augmentation_makes_of_the_cameras() -> None:
    """Checked against what the transform really does to samples at the limits of its zoom."""
    frames = Frames([14.0, 30.0, 22.0])
    statistics = measure(frames, [0, 1, 2], 4, transform())
    assert statistics.focal_range == pytest.approx((14.0 * 1.2, 30.0 * 1.5))
    low, high = statistics.focal_range
    for index, epoch in np.ndindex(3, 20):
        assert low * 0.95 < transform()(frames[index], epoch, index).focal < high * 1.05  # windows are whole pixels
    assert measure(Frames([None]), [0], 4, transform()).focal_range == (CANONICAL, CANONICAL)
    assert measure(Frames([None, 8.0]), [0, 1], 4, transform()).focal_range == pytest.approx((8.0 * 1.2, 8.0 * 1.5))


def test_only_what_is_asked_for_is_read() -> None:
    seen: list[tuple[int, int]] = []
    statistics = measure(Frames([10.0] * 50), [3, 3, 7], 4, transform(), lambda done, of: seen.append((done, of)))
    assert (statistics.samples, statistics.of_samples) == (3, 50)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert statistics.median_depth == pytest.approx(4.0, abs=0.01)  # of 4, 4 and 8 m
    with pytest.raises(ValueError, match="max_samples"):
        measure(Frames([10.0]), [], 4, transform())


def test_figures_survive_json() -> None:
    for frames in (Frames([10.0, None]), Frames([10.0, 11.0], depth=False)):
        statistics = measure(frames, [0, 1], 4, transform())
        text = json.dumps(dataclasses.asdict(statistics))
        assert DatasetStatistics.from_dict(json.loads(text)) == statistics
        assert math.isfinite(sum(statistics.focal_range))
    with pytest.raises(ValueError, match="not the statistics"):
        DatasetStatistics.from_dict({"samples": 3})
