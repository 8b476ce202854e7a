"""Checks and stacks images of one size for one call of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics

__all__ = ["check_batch", "stacked"]


def stacked(images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """(B, H, W, 3), contiguous and writable, as tensors want it; one image that is so already is not copied."""
    first = images[0]
    if len(images) == 1 and first.flags.c_contiguous and first.flags.writeable:
        return first[None]
    return np.stack(images)


def check_batch(images: Sequence[npt.NDArray[np.uint8]], intrinsics: Sequence[Intrinsics | None]) -> tuple[int, int]:
    """Check a batch, and return the height and width of its images.

    Raises:
        TypeError: an image is not a uint8 array.
        ValueError: an image has a wrong shape or size, images differ in size, or intrinsics do not match in size or
            number.
    """
    if not images or len(images) != len(intrinsics):
        raise ValueError(f"{len(images)} images came with {len(intrinsics)} intrinsics: give one for each image")
    for image in images:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
            raise TypeError(f"image is {kind}: it must be a uint8 array (RGB, 0 to 255)")
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < MIN_NETWORK_SIDE:
            raise ValueError(
                f"image has shape {image.shape}: it must be (H, W, 3) with H and W at least {MIN_NETWORK_SIDE}"
            )
        if image.shape != images[0].shape:
            raise ValueError(f"images of {images[0].shape} and {image.shape}: a batch has one size")
    height, width = images[0].shape[:2]
    for camera in intrinsics:
        if camera is not None and (camera.height, camera.width) != (height, width):
            raise ValueError(
                f"intrinsics are for {camera.width}x{camera.height}, the image is {width}x{height}: "
                "use Intrinsics.resized or cropped"
            )
    return height, width
