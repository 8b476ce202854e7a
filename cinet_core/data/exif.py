"""The orientation in an image's EXIF: image, depth, labels, camera and pose are turned upright together.

The sensor of a camera that is held on its side, or mounted upside down, writes its rows as ever, and one of eight
numbers beside them says how a viewer has to turn them. The *stored* grid is the sensor's, the *upright* one what people
see. Images are turned upright, for a network knows rooms that stand on their floor, and so is all that belongs to
them:

- depth and labels are the sensor's, and are turned with the image, unless they have the upright image's shape
  (wide or tall) already and not the stored one's;
- a calibration is the sensor's, unless the size that it names is the upright image's only;
- a pose is the stored camera's, and is turned about the optical axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from cinet_core.geometry import Intrinsics

__all__ = ["ORIENTATIONS", "UPRIGHT", "Orientation", "orientation_in", "orientation_of"]

Plane = TypeVar("Plane", bound=npt.NDArray)

ORIENTATION_TAG = 0x0112


@dataclass(frozen=True)
class Orientation:
    """One of EXIF's eight, as its two parts: swap rows and columns, then mirror the outcome.

    Attributes:
        number: 1 to 8, as EXIF counts; 1 is upright as stored.
        swapped: rows become columns, so that a wide image is a tall one.
        left_right: the image is then mirrored left to right.
        up_down: and top to bottom.
    """

    number: int
    swapped: bool
    left_right: bool
    up_down: bool

    @property
    def turns(self) -> bool:
        """Whether anything is to be done."""
        return self.number != 1

    @property
    def mirrors(self) -> bool:
        """Whether left and right are exchanged, which no camera does: no motion leads from stored to upright."""
        return self.swapped ^ self.left_right ^ self.up_down

    @property
    def inverse(self) -> Orientation:
        """What turns an upright array back to how it was stored."""
        return ORIENTATIONS[{6: 8, 8: 6}.get(self.number, self.number)]

    def stored_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as stored of an upright image of this size."""
        return (height, width) if self.swapped else (width, height)

    def turned(self, plane: Plane) -> Plane:
        """A stored (H, W) or (H, W, C) array, upright; the very same where nothing turns."""
        if not self.turns:
            return plane
        upright = plane.swapaxes(0, 1) if self.swapped else plane
        mirrored = upright[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]
        return np.ascontiguousarray(mirrored)  # type: ignore[return-value]  # PyTorch takes no negative strides

    def upright(self, plane: Plane, width: int, height: int) -> Plane:
        """A part of an image whose upright size is this: turned with it, unless its shape says that it is upright.

        The size of the part may be another than the image's, as that of depth is; what counts is wide or tall.
        """
        rows, columns = plane.shape[:2]
        already = self.swapped and (width - height) * (columns - rows) > 0
        return plane if already else self.turned(plane)

    def turned_camera(self, stored: Intrinsics) -> Intrinsics:
        """Intrinsics of the stored image as those of the upright one."""
        fx, fy, cx, cy, width, height = (
            (stored.fy, stored.fx, stored.cy, stored.cx, stored.height, stored.width)
            if self.swapped
            else (stored.fx, stored.fy, stored.cx, stored.cy, stored.width, stored.height)
        )
        cx = width - 1 - cx if self.left_right else cx
        cy = height - 1 - cy if self.up_down else cy
        return Intrinsics(fx, fy, cx, cy, width, height)

    def upright_camera(self, at: Callable[[int, int], Intrinsics | None], width: int, height: int) -> Intrinsics | None:
        """Intrinsics of an upright image of this size; None where `at` knows none.

        Args:
            at: gives the calibration's for a (width, height), or raises ValueError where its size has another aspect.
            width, height: of the upright image.

        Raises:
            ValueError: of `at`, for the stored size: the calibration holds for neither.
        """
        try:
            stored = at(*self.stored_size(width, height))
        except ValueError as error:
            if not self.swapped:
                raise
            try:
                return at(width, height)
            except ValueError:
                raise error from None
        return None if stored is None else self.turned_camera(stored)

    def turned_pose(self, pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(4, 4) camera-to-world of the stored camera as that of the upright one.

        Raises:
            ValueError: the orientation mirrors.
        """
        if self.mirrors:
            raise ValueError(f"EXIF orientation {self.number} mirrors the image: no camera stands so")
        stored_from_upright = np.eye(4)
        axes = np.diag([-1.0 if self.left_right else 1.0, -1.0 if self.up_down else 1.0])
        stored_from_upright[:2, :2] = axes[::-1] if self.swapped else axes
        return pose @ stored_from_upright

    def __str__(self) -> str:
        """As errors name it."""
        return f"EXIF orientation {self.number}"


ORIENTATIONS: Mapping[int, Orientation] = {
    number: Orientation(number, *parts)
    for number, parts in {
        1: (False, False, False),
        2: (False, True, False),
        3: (False, True, True),
        4: (False, False, True),
        5: (True, False, False),
        6: (True, True, False),
        7: (True, True, True),
        8: (True, False, True),
    }.items()
}
UPRIGHT = ORIENTATIONS[1]


def orientation_in(opened: Image.Image) -> Orientation:
    """Of an image that was opened and not yet decoded: Pillow turns a TIFF, and forgets its tag, when it does that.

    A number that EXIF does not have counts as 1, as in Pillow.
    """
    number = opened.getexif().get(ORIENTATION_TAG, 1)
    return ORIENTATIONS.get(number, UPRIGHT) if isinstance(number, int) else UPRIGHT


def orientation_of(path: Path) -> Orientation:
    """Of an image's file, whose header alone is read; `UPRIGHT` where it cannot be read, which decoding it tells."""
    try:
        with Image.open(path) as opened:
            return orientation_in(opened)
    except Exception:  # Pillow's decoders raise nearly anything on damaged files
        return UPRIGHT
