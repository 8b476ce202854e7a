"""Settings of simulated camera artefacts, and their random parameters for one sample.

A network trained on clean rendered frames would meet coloured light, blown windows, blur, noise, over-sharpening and
compression for the first time on a robot. camera_pipeline.py puts them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["FAULTLESS", "NO_ARTIFACTS", "ArtifactProbabilities", "CameraArtifacts", "DrawnArtifacts", "draw_artifacts"]

_TINT = 1 / 3  # illuminants differ along red - blue; along green - magenta about a third as much


def _check(settings: object, kind: str, limits: Mapping[str, float]) -> None:
    for name, limit in limits.items():
        if not 0.0 <= getattr(settings, name) <= limit:
            raise ValueError(f"{kind} {name} is {getattr(settings, name)}: it must be from 0 to {limit:g}")


@dataclass(frozen=True)
class ArtifactProbabilities:
    """Shares of the frames that show an artefact, 0 to 1, where its limit in CameraArtifacts is above 0.

    Attributes:
        white_balance, exposure, vignetting, motion_blur, defocus, sharpening, downsampling, jpeg: of the limit of that
            name.
        noise: of all kinds of noise together.
        tone: of gamma and contrast curve together.

    Raises:
        ValueError: a probability is out of range.
    """

    white_balance: float = 0.8
    exposure: float = 0.8
    vignetting: float = 0.5
    motion_blur: float = 0.3
    defocus: float = 0.3
    noise: float = 0.8
    tone: float = 0.5
    sharpening: float = 0.5
    downsampling: float = 0.2
    jpeg: float = 0.7

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        _check(self, "artifact probability", dict.fromkeys((entry.name for entry in fields(self)), 1.0))


@dataclass(frozen=True)
class CameraArtifacts:
    """Limits of the artefacts; 0 is off, and the default. Pixels are those of the network's input.

    A strength is its limit times ``u |u|``, with u uniform from -1 to 1 (0 to 1 where it has no sign): half of the
    frames with an artefact stay within a quarter of its limit, a tenth are beyond four fifths.

    Attributes:
        white_balance: stops (factors of 2) that red gains while blue loses as much, or the other way round, in linear
            light; green differs by a third of that at most; up to 1.
        exposure: stops more or less light, before highlights clip; up to 3.
        vignetting: share of the light that the corners lose; the loss grows with the squared distance from the middle;
            up to 1.
        motion_blur: length of the straight path of the image during the exposure, in any direction, pixels; up to 31.
        defocus: sigma of the Gaussian blur, pixels; up to 5.
        noise: shot noise: standard deviation at white in linear light, where white is 1; its variance is proportional
            to the light. 0.01 are 1.2 display levels at middle grey. Up to 0.2.
        read_noise: standard deviation whatever the light, likewise. It varies with the shot noise, as amplification
            raises both; up to 0.05.
        chroma_noise: coloured blotches some pixels wide that leave the luminance alone, as what noise reduction leaves:
            standard deviation at white before they are smoothed; like shot noise it grows with the light; up to 0.2.
        noise_size: sigma of the blur of noise (not of the image) by demosaicing, pixels, uniform up to this, at
            most 2. The noise keeps its strength.
        gamma: stops by which the exponent of display values differs from 1; up to 1.
        contrast: of an S-shaped curve of display values, which keeps black, middle grey and white: the slope at middle
            grey is 1 + half of this, or 1 - half of this; up to 1.
        sharpening: what is added of the difference to a blurred copy, saturating: halos; up to 4.
        downsampling: octaves of resolution lost, 1 is half the width; up to 3.
        jpeg: how far quality falls below 100; up to 95.
        grayscale: probability of an image without colour.
        probabilities: how often each is there at all.

    Raises:
        ValueError: a limit is out of range.
    """

    white_balance: float = 0.0
    exposure: float = 0.0
    vignetting: float = 0.0
    motion_blur: float = 0.0
    defocus: float = 0.0
    noise: float = 0.0
    read_noise: float = 0.0
    chroma_noise: float = 0.0
    noise_size: float = 0.0
    gamma: float = 0.0
    contrast: float = 0.0
    sharpening: float = 0.0
    downsampling: float = 0.0
    jpeg: float = 0.0
    grayscale: float = 0.0
    probabilities: ArtifactProbabilities = ArtifactProbabilities()

    def __post_init__(self) -> None:
        """Refuse what no camera does, and what would cost more time than it is worth."""
        limits = {"white_balance": 1.0, "exposure": 3.0, "vignetting": 1.0, "motion_blur": 31.0, "defocus": 5.0}
        limits |= {"noise": 0.2, "read_noise": 0.05, "chroma_noise": 0.2, "noise_size": 2.0, "gamma": 1.0}
        limits |= {"contrast": 1.0, "sharpening": 4.0, "downsampling": 3.0, "jpeg": 95.0, "grayscale": 1.0}
        _check(self, "artifacts", limits)


NO_ARTIFACTS = CameraArtifacts()
"""All off."""


@dataclass(frozen=True)
class DrawnArtifacts:
    """One draw within the limits of CameraArtifacts; the default changes nothing.

    Attributes:
        gains: factors of red, green and blue in linear light: illuminant and exposure.
        vignetting, motion_blur, defocus, noise, read_noise, chroma_noise, noise_size, sharpening: as in
            CameraArtifacts.
        motion_angle: direction of the motion, degrees from the x axis.
        gamma: exponent of display values.
        contrast: as in CameraArtifacts, -1 to 1.
        downsampling: factor of the width and height, 1 or above.
        quality: of the JPEG; 100 stands for none.
        grayscale: without colour.
        noise_seed: of the noise, 0 to 2^63 - 1.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignetting: float = 0.0
    motion_blur: float = 0.0
    motion_angle: float = 0.0
    defocus: float = 0.0
    noise: float = 0.0
    read_noise: float = 0.0
    chroma_noise: float = 0.0
    noise_size: float = 0.0
    gamma: float = 1.0
    contrast: float = 0.0
    sharpening: float = 0.0
    downsampling: float = 1.0
    quality: int = 100
    grayscale: bool = False
    noise_seed: int = 0

    @property
    def noisy(self) -> bool:
        """There is noise of any kind."""
        return max(self.noise, self.read_noise, self.chroma_noise) > 0.0

    @property
    def in_linear_light(self) -> bool:
        """There is something to do in linear light, or a curve on the way back from it."""
        optics = max(self.vignetting, self.motion_blur, self.defocus) > 0.0
        return optics or self.noisy or (*self.gains, self.gamma, self.contrast) != (1.0, 1.0, 1.0, 1.0, 0.0)


FAULTLESS = DrawnArtifacts()
"""A camera without faults: it delivers the image as it is."""


def draw_artifacts(limits: CameraArtifacts, seed: int, epoch: int, sample: int) -> DrawnArtifacts:
    """The artefacts of a sample in an epoch: a pure function, of random numbers that nothing else uses.

    Every number is drawn whatever the limits are, so that changing one limit leaves the other artefacts as they were.
    """
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, sample], spawn_key=(1,))))
    chances = {entry.name: random.uniform() for entry in fields(ArtifactProbabilities)}
    strengths = {entry.name: random.uniform(-1.0, 1.0) for entry in fields(CameraArtifacts)}
    tint, angle = random.uniform(-1.0, 1.0), random.uniform(0.0, 180.0)
    noise_seed = int(random.integers(2**63 - 1))

    def strength(name: str, effect: str, source: str | None = None) -> float:
        if chances[effect] >= getattr(limits.probabilities, effect):
            return 0.0
        u = strengths[source or name]
        return getattr(limits, name) * u * abs(u)

    warmth, exposure = strength("white_balance", "white_balance"), strength("exposure", "exposure")
    stops = (exposure + warmth, exposure + abs(warmth) * tint * _TINT, exposure - warmth)
    red, green, blue = (2.0**stop for stop in stops)
    return DrawnArtifacts(
        gains=(red, green, blue),
        vignetting=abs(strength("vignetting", "vignetting")),
        motion_blur=abs(strength("motion_blur", "motion_blur")),
        motion_angle=angle,
        defocus=abs(strength("defocus", "defocus")),
        noise=abs(strength("noise", "noise")),
        read_noise=abs(strength("read_noise", "noise", source="noise")),
        chroma_noise=abs(strength("chroma_noise", "noise")),
        noise_size=limits.noise_size * abs(strengths["noise_size"]),
        gamma=2.0 ** strength("gamma", "tone"),
        contrast=strength("contrast", "tone"),
        sharpening=abs(strength("sharpening", "sharpening")),
        downsampling=2.0 ** abs(strength("downsampling", "downsampling")),
        quality=100 - round(abs(strength("jpeg", "jpeg"))),
        grayscale=abs(strengths["grayscale"]) < limits.grayscale,
        noise_seed=noise_seed,
    )
