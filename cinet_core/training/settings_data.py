"""What a training run learns from: data sets, their mixture and its variation, as read from a configuration file."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from cinet_core.data.augmentation import Augmentation
from cinet_core.geometry import CANONICAL_FOCAL

__all__ = ["DataSettings", "DatasetSettings"]


@dataclass(frozen=True)
class DatasetSettings:
    """A further data set to learn from.

    Attributes:
        root: its file or folder; "synthetic" for synthetic rooms.
        kind: a name in `DATASETS` (docs/training.md); auto goes by what is there.
        options: of the data set's class, for example {depth: raw}.
        probability: with which a sample comes from this set, above 0 and below 1.
    """

    root: str = ""
    kind: str = "auto"
    options: dict[str, Any] = field(default_factory=dict)
    probability: float = 0.5

    def __post_init__(self) -> None:
        """Raise ValueError, naming the value, unless it can be drawn from."""
        if not 0.0 < self.probability < 1.0:
            raise ValueError(
                f"probability of {self.root or self.kind!r} is {self.probability}: it must be above 0 and below 1; the "
                "main set takes the rest"
            )


@dataclass(frozen=True)
class DataSettings:
    """What is learnt from. The validation split is carved from the training part of the main set, never its test set.

    Attributes:
        root: file or folder of the main set; "synthetic" for synthetic rooms.
        kind: a name in `DATASETS` (docs/training.md); auto goes by what is there.
        options: of the data set's class, for example {depth: raw, validation_fraction: 0.05}.
        mix: further sets, each with its probability; the main set takes the rest.
        label_set: that all labels are mapped to, one of `LABEL_SETS`; None: that of the main set.
        width: of the network's input, pixels.
        height: of the network's input, pixels.
        sizes: further (width, height) of the network's input: batches take all of them in turn, the one above first.
            What is validated and exported is that.
        crop: part of width and height that a training batch shows: a window of the input, as large in pixels as there,
            at its square of the time and memory. What is validated and exported is the whole.
        canonical_focal: f_c in pixels of the network's input, the same at every size: an object that is as large in
            pixels is then as far away, whatever the image was shrunk to. Recipes from before have it in proportion to
            the width (525 at 640), and say so.
        depth_range: metres that the trained network's depth is valid in, put into its checkpoint: what it predicts
            outside is published as invalid.
        augmentation: limits of the variation.
        samples_per_epoch: samples drawn in an epoch; None: as many as make one pass of the main set.
        validation_limit: validate on at most so many samples, evenly spread; None: on all; 0: do not validate. With
            {validation_fraction: 0} among the options, which leaves all samples to training, there is none either.
        statistics_samples: samples that class weights, median depth and range of cameras are measured on, evenly
            spread; None: all.
        workers: processes that read and augment samples; 0: the training process does it.
        on_device: make synthetic rooms on the device that trains, a batch at a time, and vary them there: a GPU renders
            faster than many workers. `workers` then only make up what is to be rendered. Without `mix`.
        cache: keep samples in memory once they were read or rendered; with `on_device` the rooms, not their images.
        cache_limit: most memory that these may take, GiB, of each training process.
    """

    root: str = ""
    kind: str = "auto"
    options: dict[str, Any] = field(default_factory=dict)
    mix: tuple[DatasetSettings, ...] = ()
    label_set: str | None = None
    width: int = 320
    height: int = 240
    sizes: tuple[tuple[int, int], ...] = ()
    crop: float = 1.0
    canonical_focal: float = CANONICAL_FOCAL
    depth_range: tuple[float, float] = (0.1, 10.0)
    augmentation: Augmentation = field(default_factory=Augmentation)
    samples_per_epoch: int | None = None
    validation_limit: int | None = None
    statistics_samples: int | None = None
    workers: int = 2
    on_device: bool = False
    cache: bool = False
    cache_limit: float = 8.0

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        for name, least in (
            ("width", 16),
            ("height", 16),
            ("workers", 0),
            ("samples_per_epoch", 1),
            ("statistics_samples", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}: it must be at least {least}")
        if any(min(size) < 16 for size in self.sizes):
            raise ValueError(f"sizes are {self.sizes}: both sides of each must be at least 16")
        if not 0.0 < self.crop <= 1.0 or self.crop * min(self.width, self.height, *itertools.chain(*self.sizes)) < 16:
            raise ValueError(
                f"crop is {self.crop}: it must be above 0, at most 1, and leave the input at least 16 pixels either way"
            )
        if self.validation_limit is not None and self.validation_limit < 0:
            raise ValueError(f"validation_limit is {self.validation_limit}: it must be 0 (none) or more, or null (all)")
        for name in ("canonical_focal", "cache_limit"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise ValueError(f"{name} is {value}: it must be above 0")
        nearest, farthest = self.depth_range
        if not 0.0 < nearest < farthest < math.inf:
            raise ValueError(f"depth_range is {self.depth_range}: it must be two rising, finite depths above 0 metres")
        mixed = sum(other.probability for other in self.mix)
        if mixed >= 1.0:
            raise ValueError(f"probabilities of the sets in mix add up to {mixed:g}: leave some for the main set")

    @property
    def validates(self) -> bool:
        """There is to be a validation split."""
        return self.validation_limit != 0 and self.options.get("validation_fraction") != 0

    @property
    def shares(self) -> tuple[float, ...]:
        """Probability of each set, the main one first; they add up to 1."""
        others = tuple(other.probability for other in self.mix)
        return (1.0 - sum(others), *others)
