"""Samples of data sets, training samples, and their batches.

One convention for what is unknown, everywhere: depth 0 and label 255. (Zero, not NaN: NaN survives multiplication
with a mask and poisons a loss.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch

from cinet_core.geometry import Intrinsics

__all__ = ["Batch", "Sample", "TrainingSample", "collate"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One frame of a data set, as it is on disk.

    Attributes:
        name: unique in its data set; fit for a file name.
        image: (3, H, W) uint8 RGB.
        depth: (H, W) float32 metres along z, in the colour camera; 0 where unknown; all 0 where there is none.
        labels: (H, W) uint8 class ids; 255 where unknown; all 255 where there are none.
        intrinsics: of the image, at its size; None where the camera is unknown.
        has_depth: the frame comes with a depth image.
        has_labels: the frame comes with labels.
        trust: (2, H, W) uint8, how far depth and labels are trusted, 0 to 255 for 0 to 1 (`cinet_core.data.trust`);
            None: both are the truth.

    Raises:
        ValueError: a tensor has another type or size than stated here.
    """

    name: str
    image: torch.Tensor
    depth: torch.Tensor
    labels: torch.Tensor
    intrinsics: Intrinsics | None = None
    has_depth: bool = True
    has_labels: bool = True
    trust: torch.Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse what the rest of the pipeline would misread."""
        size = tuple(self.image.shape[1:])
        _check(self.name, "image", self.image, torch.uint8, (3, *size))
        _check(self.name, "depth", self.depth, torch.float32, size)
        _check(self.name, "labels", self.labels, torch.uint8, size)
        if self.trust is not None:
            _check(self.name, "trust", self.trust, torch.uint8, (2, *size))
        k = self.intrinsics
        if k is not None and (k.height, k.width) != size:
            raise ValueError(f"{self.name}: the intrinsics are for {k.width}x{k.height}, the image is {size}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[2], self.image.shape[1]


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """A sample after augmentation: network input and targets.

    Attributes:
        name: of the sample it was made from.
        image: (3, h, w) uint8 RGB.
        depth: (h, w) float32, *canonical* metres (``metric * f_c / f_net``), 0 where unknown.
        labels: (h, w) uint8 class ids, 255 where unknown.
        focal: f_net, the focal length of this input in pixels; f_c where the camera is unknown. Metric depth is
            ``depth * focal / f_c``.
        random_seed: of what else this sample needs random numbers for (pairs of pixels): 0 to 2^63 - 1, a function of
            (seed, epoch, sample).
        has_depth: see Sample.
        has_labels: see Sample.
        targets: of tasks beyond depth and segmentation, by the task's name, at the input's size: see
            `TaskLearning.target`.
        trust: (2, h, w) uint8, see Sample.
    """

    name: str
    image: torch.Tensor
    depth: torch.Tensor
    labels: torch.Tensor
    focal: float
    random_seed: int
    has_depth: bool = True
    has_labels: bool = True
    targets: Mapping[str, torch.Tensor] = field(default_factory=dict)
    trust: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Training samples, stacked.

    Lightning and DataLoader move it by its ``to`` and ``pin_memory``.

    Attributes:
        names: of the B samples.
        images: (B, 3, h, w) uint8 RGB.
        depth: (B, h, w) float32 canonical metres, 0 where unknown.
        labels: (B, h, w) uint8 class ids, 255 where unknown: convert to int64 on the device, not before.
        focal: (B,) float32 pixels, f_net.
        random_seeds: (B,) int64.
        has_depth: (B,) bool.
        has_labels: (B,) bool.
        targets: (B, ...) of tasks beyond depth and segmentation, by the task's name.
        trust: (B, 2, h, w) uint8, see Sample; None where all samples are the truth.
    """

    names: tuple[str, ...]
    images: torch.Tensor
    depth: torch.Tensor
    labels: torch.Tensor
    focal: torch.Tensor
    random_seeds: torch.Tensor
    has_depth: torch.Tensor
    has_labels: torch.Tensor
    targets: Mapping[str, torch.Tensor] = field(default_factory=dict)
    trust: torch.Tensor | None = None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.names)

    def to(self, *arguments: Any, **options: Any) -> Batch:
        """The same batch on another device; arguments as for ``torch.Tensor.to``."""
        return self._with(lambda tensor: tensor.to(*arguments, **options))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory."""
        return self._with(torch.Tensor.pin_memory)

    def _tensors(self) -> dict[str, torch.Tensor]:
        """All but the targets."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}

    def _with(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """The same batch with every tensor changed."""
        changed: dict[str, Any] = {name: change(value) for name, value in self._tensors().items()}
        return replace(self, **changed, targets={name: change(value) for name, value in self.targets.items()})


def collate(samples: Sequence[TrainingSample]) -> Batch:
    """Stack samples of one size: the ``collate_fn`` of a DataLoader."""
    return Batch(
        names=tuple(sample.name for sample in samples),
        images=torch.stack([sample.image for sample in samples]),
        depth=torch.stack([sample.depth for sample in samples]),
        labels=torch.stack([sample.labels for sample in samples]),
        focal=torch.tensor([sample.focal for sample in samples], dtype=torch.float32),
        random_seeds=torch.tensor([sample.random_seed for sample in samples], dtype=torch.int64),
        has_depth=torch.tensor([sample.has_depth for sample in samples]),
        has_labels=torch.tensor([sample.has_labels for sample in samples]),
        targets={name: torch.stack([sample.targets[name] for sample in samples]) for name in samples[0].targets},
        trust=_stacked_trust(samples),
    )


def _stacked_trust(samples: Sequence[TrainingSample]) -> torch.Tensor | None:
    """(B, 2, h, w), full for samples that are the truth; None where all are."""
    if all(sample.trust is None for sample in samples):
        return None
    full = torch.full((2, *samples[0].depth.shape), 255, dtype=torch.uint8)
    return torch.stack([full if sample.trust is None else sample.trust for sample in samples])


def _check(name: str, what: str, value: torch.Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    if value.dtype != dtype or tuple(value.shape) != shape:
        raise ValueError(f"{name}: {what} is {value.dtype} {tuple(value.shape)}: it must be {dtype} {shape}")
