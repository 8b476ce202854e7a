"""Settings of the augmentation, and its random numbers for one sample."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from cinet_core.data.camera_artifacts import FAULTLESS, NO_ARTIFACTS, CameraArtifacts, DrawnArtifacts, draw_artifacts

__all__ = ["NO_AUGMENTATION", "Augmentation", "Variation", "draw"]

JITTERS = ("brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True)
class Augmentation:
    """Limits of the augmentation.

    Rotation and zoom are the recipe's; the paper gives no numbers for the colours, these are middling ones.

    Attributes:
        rotation: largest angle, degrees, either way.
        scale: smallest and largest zoom; 1 shows as much of the image as the training size allows.
        flip: probability of mirroring left to right.
        brightness: factors from 1 - this to 1 + this.
        contrast: likewise.
        saturation: likewise.
        hue: shift from -this to +this, in turns of the colour circle, up to 0.5.
        crop: place the crop at random; else in the middle.
        artifacts: limits of what a cheap camera would do to the image after all this; none unless asked for.

    Raises:
        ValueError: a limit is out of range.
    """

    rotation: float = 5.0
    scale: tuple[float, float] = (1.0, 1.6)
    flip: float = 0.5
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.05
    crop: bool = True
    artifacts: CameraArtifacts = NO_ARTIFACTS

    def __post_init__(self) -> None:
        """Refuse what would leave the image or turn it upside down."""
        limits = {"rotation": 45.0, "flip": 1.0, "brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}
        for name, limit in limits.items():
            if not 0.0 <= getattr(self, name) <= limit:
                raise ValueError(f"augmentation {name} is {getattr(self, name)}: it must be from 0 to {limit:g}")
        low, high = self.scale
        if not 1.0 <= low <= high < math.inf:
            raise ValueError(f"augmentation scale is {self.scale}: it must be two numbers, 1 or above, in order")


NO_AUGMENTATION = Augmentation(0.0, (1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, crop=False)
"""For validation: the middle of the image, unchanged but for its size."""


@dataclass(frozen=True)
class Variation:
    """Random parameters of the augmentation of one sample.

    Attributes:
        angle: degrees, counter-clockwise.
        zoom: as Augmentation.scale.
        left: place of the crop, 0 (leftmost) to 1 (rightmost).
        top: likewise, 0 (top) to 1 (bottom).
        flip: mirror left to right.
        jitter: names and factors (of hue: the shift) of the colour changes, in the order to apply them.
        random_seed: for further random numbers about the same sample, 0 to 2^63 - 1.
        artifacts: faults of the camera.
    """

    angle: float
    zoom: float
    left: float
    top: float
    flip: bool
    jitter: tuple[tuple[str, float], ...]
    random_seed: int
    artifacts: DrawnArtifacts = FAULTLESS


def draw(augmentation: Augmentation, seed: int, epoch: int, sample: int) -> Variation:
    """Draw the parameters for a sample in an epoch. It is a pure function, independent of process and order.

    Every number is drawn whatever the limits are, so that changing one limit leaves the other numbers as they were.

    Raises:
        ValueError: seed, epoch or sample is negative.
    """
    if min(seed, epoch, sample) < 0:
        raise ValueError(f"seed, epoch and sample are {(seed, epoch, sample)}: none may be negative")
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, sample])))
    values = {field.name: getattr(augmentation, field.name) for field in fields(augmentation)}
    angle = values["rotation"] * random.uniform(-1.0, 1.0)
    low, high = augmentation.scale
    zoom = low + (high - low) * random.uniform()
    left, top, flip = random.uniform(size=3).tolist()
    order = random.permutation(len(JITTERS)).tolist()
    changes = random.uniform(-1.0, 1.0, size=len(JITTERS)).tolist()
    random_seed = int(random.integers(2**63 - 1))
    jitter = []
    for name in (JITTERS[place] for place in order):
        change = values[name] * changes[JITTERS.index(name)]
        if values[name] > 0.0:
            jitter.append((name, change if name == "hue" else 1.0 + change))
    if not augmentation.crop:
        left = top = 0.5
    artifacts = draw_artifacts(augmentation.artifacts, seed, epoch, sample)
    return Variation(angle, zoom, left, top, flip < augmentation.flip, tuple(jitter), random_seed, artifacts)
