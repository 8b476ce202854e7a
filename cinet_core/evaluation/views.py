"""Which views of an image a prediction is averaged over: test-time augmentation."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PLAIN", "Views"]

FLIP, NONE = "flip", "none"
NEAREST, FARTHEST = 0.25, 4.0


@dataclass(frozen=True)
class Views:
    """Views of an image: at every scale as it is, and mirrored if asked for.

    >>> Views.parse("flip,0.75,1.25")
    Views(flip=True, scales=(1.0, 0.75, 1.25))
    >>> str(Views.parse("flip")), str(Views())
    ('flip', 'none')

    Attributes:
        flip: each scale is seen mirrored left to right, too.
        scales: of the network's input; the first is 1, the plain view.

    Raises:
        ValueError: a scale is out of range or there twice, or the first is not 1.
    """

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Refuse what would be averaged in twice, or not be seen at all."""
        if not self.scales or self.scales[0] != 1.0 or len(set(self.scales)) != len(self.scales):
            raise ValueError(f"scales are {self.scales}: the first is 1, and each is there once")
        for scale in self.scales:
            if not NEAREST <= scale <= FARTHEST:
                raise ValueError(f"scale is {scale:g}: it must be from {NEAREST:g} to {FARTHEST:g}")

    @classmethod
    def parse(cls, text: str) -> Views:
        """Inverse of `str`: "none", or "flip" and scales with commas between; 1 is always among the scales.

        Raises:
            ValueError: the text is something else, or as the class.
        """
        if text == NONE:
            return cls()
        parts = [part.strip() for part in text.split(",")]
        flip = FLIP in parts
        try:
            scales = [float(part) for part in parts if part != FLIP]
        except ValueError as error:
            raise ValueError(
                f"test-time augmentation is {text!r}: give {NONE}, or {FLIP} and scales, such as flip,0.75,1.25"
            ) from error
        return cls(flip, (1.0, *(scale for scale in scales if scale != 1.0)))

    def __str__(self) -> str:
        """As it is asked for."""
        parts = [FLIP] * self.flip + [f"{scale:g}" for scale in self.scales[1:]]
        return ",".join(parts) or NONE

    def __len__(self) -> int:
        """How many there are of each image."""
        return len(self.scales) * (1 + self.flip)


PLAIN = Views()
"""The image as it is."""
