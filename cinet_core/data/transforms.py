"""From a sample to a training sample: image, depth, labels and camera are turned, zoomed, cropped and flipped as one.

Zooming the image is a change of the focal length and leaves depth alone; the training target is depth as the
canonical camera would see it, ``metric * f_c / f_net`` (spec/method.md, "The canonical camera"). Where the camera is
unknown, depth is divided by the zoom and f_net = f_c instead. Never both: that would count the zoom twice.

What other tasks learn from is made of the sample first and varied then (`TaskLearning.target`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from cinet_core.data.augmentation import Augmentation, Variation, draw
from cinet_core.data.camera_pipeline import apply_artifacts
from cinet_core.data.hue import shift_hue
from cinet_core.data.sample import Sample, TrainingSample
from cinet_core.geometry import Intrinsics, to_canonical
from cinet_core.label_sets import UNLABELLED

if TYPE_CHECKING:
    from cinet_core.tasks.learning.base import TaskLearning

__all__ = ["DepthMap", "LabelMap", "TrainingTransform", "TransformedDataset", "shift_hue"]


class DepthMap(tv_tensors.Mask):
    """Depth for torchvision: (H, W) metres, never interpolated, so that no value arises between two surfaces."""


class LabelMap(tv_tensors.Mask):
    """Class ids, or trust, for torchvision: (..., H, W), never interpolated."""


@TF.register_kernel(functional=TF.resize, tv_tensor_cls=DepthMap)
@TF.register_kernel(functional=TF.resize, tv_tensor_cls=LabelMap)
def _resize_nearest(values: tv_tensors.Mask, size: list[int], **_: Any) -> tv_tensors.Mask:
    """Nearest-exact: torchvision's own resize of masks is off by up to half a pixel against that of images."""
    planes = values.as_subclass(torch.Tensor).reshape(1, -1, *values.shape[-2:])
    resized = F.interpolate(planes, size=tuple(size), mode="nearest-exact")
    return tv_tensors.wrap(resized.reshape(*values.shape[:-2], *size), like=values)


class TrainingTransform:
    """Augments a sample and makes it a training sample of fixed size.

    Args:
        width: of the network input, pixels.
        height: of the network input, pixels.
        canonical_focal: f_c, pixels.
        augmentation: limits; NO_AUGMENTATION for validation.
        seed: of all random numbers, together with epoch and sample.
        tasks: whose targets are made too.

    Raises:
        ValueError: a size or the focal length is not positive.
    """

    def __init__(
        self,
        width: int = 320,
        height: int = 240,
        canonical_focal: float = 262.5,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        tasks: Sequence[TaskLearning] = (),
    ) -> None:
        if min(width, height) < 1 or not 0 < canonical_focal < math.inf:
            raise ValueError(f"training size {width}x{height} and f_c {canonical_focal} must be above 0")
        self.width, self.height, self.canonical_focal = width, height, canonical_focal
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self.tasks = tuple(tasks)

    def __call__(self, sample: Sample, epoch: int = 0, index: int = 0) -> TrainingSample:
        """The training sample that (seed, epoch, index) stand for."""
        return self.apply(sample, draw(self.augmentation, self.seed, epoch, index))

    def apply(self, sample: Sample, variation: Variation) -> TrainingSample:
        """The training sample of a given variation."""
        image = self.varied(tv_tensors.Image(sample.image), variation)
        depth = self.varied(DepthMap(sample.depth), variation)
        focal = self.canonical_focal
        if sample.intrinsics is not None:
            focal = self.camera(sample.intrinsics, variation).focal
            depth = to_canonical(depth, focal, self.canonical_focal)
        else:
            depth = depth / self._zoom(sample.size, self.window(sample.size, variation)[2:])
        trust = None if sample.trust is None else self.varied(LabelMap(sample.trust), variation)
        targets = {task.spec.name: task.target(sample, variation, self) for task in self.tasks}
        return TrainingSample(
            name=sample.name,
            image=apply_artifacts(_jittered(image, variation).contiguous(), variation.artifacts),
            depth=depth.contiguous(),
            labels=self.varied(LabelMap(sample.labels), variation, fill=UNLABELLED).contiguous(),
            focal=focal,
            random_seed=variation.random_seed,
            has_depth=sample.has_depth,
            has_labels=sample.has_labels,
            targets={name: target.contiguous() for name, target in targets.items() if target is not None},
            trust=None if trust is None else trust.contiguous(),
        )

    def varied(self, view: tv_tensors.TVTensor, variation: Variation, fill: int = 0) -> torch.Tensor:
        """Turn, crop, resize and flip an image or a map of a sample, as torchvision's kernels for its type have it.

        Args:
            view: (..., H, W), of the sample's size.
            variation: of the sample.
            fill: what turning brings in from outside of the image.

        Returns:
            (..., height, width).
        """
        if variation.angle:
            view = TF.rotate(view, variation.angle, InterpolationMode.BILINEAR, fill=fill)
        left, top, width, height = self.window((view.shape[-1], view.shape[-2]), variation)
        view = TF.crop(view, top, left, height, width)
        view = TF.resize(view, [self.height, self.width], antialias=True)
        return (TF.horizontal_flip(view) if variation.flip else view).as_subclass(torch.Tensor)

    def window(self, size: tuple[int, int], variation: Variation) -> tuple[int, int, int, int]:
        """Left, top, width and height, in pixels of an image of this (width, height), of what is cut out.

        At zoom 1 it is the largest window of the training size's aspect.
        """
        scale = self._cover(size) * variation.zoom
        width = min(size[0], max(1, round(self.width / scale)))
        height = min(size[1], max(1, round(self.height / scale)))
        return round(variation.left * (size[0] - width)), round(variation.top * (size[1] - height)), width, height

    def camera(self, intrinsics: Intrinsics, variation: Variation) -> Intrinsics:
        """The camera that would have taken the augmented image."""
        rotated = _rotated(intrinsics, variation.angle)
        window = self.window((intrinsics.width, intrinsics.height), variation)
        resized = rotated.cropped(*window).resized(self.width, self.height)
        return resized.flipped() if variation.flip else resized

    def _cover(self, size: tuple[int, int]) -> float:
        """Factor at which an image just covers the training size."""
        return max(self.width / size[0], self.height / size[1])

    def _zoom(self, size: tuple[int, int], window: tuple[int, int]) -> float:
        """The zoom after rounding the window to pixels."""
        return math.sqrt((self.width / window[0]) * (self.height / window[1])) / self._cover(size)


class TransformedDataset(Dataset[TrainingSample]):
    """A data set whose items are asked for by (epoch, index).

    The epoch comes with the request, so that workers that live on from epoch to epoch need not be told of it.

    Args:
        source: Samples by index.
        transforms: what makes training samples of them, one for each size of the network's input.
    """

    def __init__(self, source: Dataset[Sample], *transforms: TrainingTransform) -> None:
        self.source = source
        self.transforms = transforms

    def __len__(self) -> int:
        """Number of samples in the source."""
        return len(self.source)  # type: ignore[arg-type]  # torch's Dataset leaves __len__ to its subclasses

    def __getitem__(self, key: tuple[int, ...]) -> TrainingSample:
        """The sample ``key[1]`` as it is varied in epoch ``key[0]``, at size number ``key[2]``, 0 if it is left out."""
        epoch, index, *size = key
        return self.transforms[size[0] if size else 0](self.source[index], epoch, index)


def _rotated(intrinsics: Intrinsics, angle: float) -> Intrinsics:
    """The camera after turning its image counter-clockwise about its centre: a roll, which leaves depth as it is.

    With fx != fy pixels would become slightly skewed, by the sine of the angle times their difference: neglected.
    """
    middle_x, middle_y = (intrinsics.width - 1) / 2.0, (intrinsics.height - 1) / 2.0
    x, y = intrinsics.cx - middle_x, intrinsics.cy - middle_y
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return replace(intrinsics, cx=middle_x + cos * x + sin * y, cy=middle_y - sin * x + cos * y)


def _jittered(image: torch.Tensor, variation: Variation) -> torch.Tensor:
    adjust = {
        "brightness": TF.adjust_brightness,
        "contrast": TF.adjust_contrast,
        "saturation": TF.adjust_saturation,
        "hue": shift_hue,
    }
    for name, factor in variation.jitter:
        image = adjust[name](image, factor)
    return image
