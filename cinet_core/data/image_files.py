"""Colour and depth images in files, with the orientation that their EXIF gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cinet_core.data.exif import UPRIGHT, Orientation, orientation_in
from cinet_core.data.frame_files import Calibration, SourceError
from cinet_core.geometry import Intrinsics
from cinet_core.messages.camera import CameraModel

__all__ = ["OrientedImage", "oriented", "read_depth", "read_image"]


@dataclass(frozen=True, eq=False)
class _Lens:
    """The model of a distorted image, and how that image has to be turned to be upright."""

    model: CameraModel
    orientation: Orientation

    def on_its_grid(self, plane: npt.NDArray, rectify: Callable[[npt.NDArray], npt.NDArray]) -> npt.NDArray:
        """An upright array, rectified where the lens is calibrated."""
        return self.orientation.turned(rectify(self.orientation.inverse.turned(plane)))


@dataclass(frozen=True, eq=False)
class OrientedImage:
    """An image, and what was done to it since it lay in its file, which has to be done to all that belongs to it.

    Attributes:
        rgb: (H, W, 3) uint8 RGB, upright, and rectified where there is a lens.
        orientation: that its EXIF gave it.
        lens: by which it was rectified; None where it was not.
    """

    rgb: npt.NDArray[np.uint8]
    orientation: Orientation = UPRIGHT
    lens: _Lens | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def stored(self) -> str:
        """For errors about sizes: how the image lay in its file; empty where it is as it lay."""
        if not self.orientation.turns:
            return ""
        width, height = self.orientation.stored_size(*self.size)
        return f" (stored as {width}x{height} and turned upright by {self.orientation})"

    @property
    def valid(self) -> npt.NDArray[np.bool_] | None:
        """(H, W) False where rectification found no source; None where all is valid."""
        return None if self.lens is None else self.lens.orientation.turned(self.lens.model.valid)

    def rectified(self, calibration: Calibration | None) -> OrientedImage:
        """The image without the distortion of its lens; the very same where the calibration knows of none.

        Raises:
            SourceError: the calibration cannot be used; it names EXIF where that turned the image.
        """
        if calibration is None or calibration.lens is None:
            return self
        lens = self._lens(calibration)
        rgb = lens.on_its_grid(self.rgb, lambda image: lens.model.rectify(image)[0])
        return replace(self, rgb=rgb, lens=lens)

    def part(self, upright: npt.NDArray[Any], outside: float) -> npt.NDArray[Any]:
        """Depth or labels of this image, which are upright and of its size, as it was rectified.

        Args:
            upright: (H, W).
            outside: value where there is no source.
        """
        lens = self.lens
        if lens is None:
            return upright
        return lens.on_its_grid(upright, lambda plane: lens.model.rectify_plane(plane, outside))

    def _lens(self, calibration: Calibration) -> _Lens:
        """The lens of the stored image, or of the upright one where the calibration's size is that one's only."""
        assert calibration.lens is not None
        try:
            stored = calibration.model(calibration.lens, *self.orientation.stored_size(*self.size))
            return _Lens(stored, self.orientation)
        except SourceError as error:
            try:
                if self.orientation.swapped:
                    return _Lens(calibration.model(calibration.lens, *self.size), UPRIGHT)
            except SourceError:
                pass
            raise self._naming_exif(error) from None

    def camera(self, at: Callable[[int, int], Intrinsics | None]) -> Intrinsics | None:
        """Intrinsics of the image, of what gives them for its width and height in the file; None where it has none.

        Raises:
            SourceError: of `at`; it names EXIF where that turned the image.
        """
        try:
            return self.orientation.upright_camera(at, *self.size)
        except SourceError as error:
            raise self._naming_exif(error) from None

    def _naming_exif(self, error: SourceError) -> SourceError:
        if not self.orientation.turns:
            return SourceError(error.path, error.reason, error.remedy)
        remedy = f"{error.remedy}, or save the image upright and without its EXIF orientation"
        return SourceError(error.path, error.reason + self.stored(), remedy)


def read_image(path: Path) -> OrientedImage:
    """An image, turned upright; 16-bit images keep their upper 8 bits.

    Raises:
        SourceError: the file is no image, holds numbers in place of grey values, or is truncated (Pillow tells; OpenCV
            would fill the rest with grey).
    """
    try:
        with Image.open(path) as opened:
            return oriented(opened, path)
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceError(path, "there is no such file", "correct the path") from error
    except Image.DecompressionBombError as error:
        raise SourceError(path, f"it is too large to decode ({error})", "make it smaller") from error
    # Pillow's decoders raise nearly anything on damaged files (TypeError on a TIFF's tags); one must not end a run.
    except Exception as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else f"cannot be decoded ({error})"
        raise SourceError(path, reason, "replace or remove the file") from error


def oriented(image: Image.Image, name: Path | str) -> OrientedImage:
    """An image of Pillow's, turned upright; 16-bit images keep their upper 8 bits, alpha is left out.

    Args:
        image: opened.
        name: of it, for errors.

    Raises:
        SourceError: it holds 32-bit numbers in place of grey values.
    """
    orientation = orientation_in(image)
    if image.mode == "F":
        raise SourceError(name, "it holds 32-bit numbers, like a depth image", "give a photograph in its place")
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        grey = (np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return OrientedImage(np.repeat(grey[..., None], 3, axis=2), orientation)
    return OrientedImage(np.array(upright.convert("RGB")), orientation)


def read_depth(path: Path, units_per_metre: float = 1000.0) -> npt.NDArray[np.float32]:
    """A 16-bit PNG as (H, W) float32 metres; 0 and 65535 become NaN.

    Args:
        path: of the file.
        units_per_metre: what its numbers count: 1000 for millimetres.

    Raises:
        SourceError: the file is missing, or is no one-channel 16-bit image.
    """
    try:
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # for example more pixels than OpenCV's limit
        raw = None
    if raw is None:
        raise SourceError(path, "the depth image is missing or cannot be decoded", "restore or remove it")
    if raw.ndim != 2 or raw.dtype != np.uint16:
        raise SourceError(path, f"depth has type {raw.dtype} and shape {raw.shape}", "depth must be a 16-bit grey PNG")
    depth = raw.astype(np.float32) / np.float32(units_per_metre)
    depth[(raw == 0) | (raw == 65535)] = np.nan
    return depth
