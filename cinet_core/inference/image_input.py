"""Converts the images and cameras that users pass into what the predictor takes. Needs no PyTorch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
import numpy.typing as npt
from PIL import Image

from cinet_core.data.frame_files import SourceError, ros_calibration, scaled_to
from cinet_core.data.image_files import OrientedImage, oriented, read_image
from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics

if TYPE_CHECKING:
    import torch

__all__ = ["CameraLike", "ImageLike", "all_located", "is_batch", "located", "rgb_image"]

ImageLike: TypeAlias = Union[str, "os.PathLike[str]", Image.Image, npt.NDArray[Any], "torch.Tensor"]
"""A path, a PIL image, an array or a tensor: see `rgb_image`."""

CameraLike: TypeAlias = Union[Intrinsics, npt.ArrayLike, str, "os.PathLike[str]"]
"""Intrinsics, a 3x3 matrix K, four numbers fx fy cx cy, or the path of a camera_info.yaml."""

_CHANNELS = (1, 3, 4)
_ROUNDING = 1e-4
"""By which resampling and half precision leave the range 0..1."""


def rgb_image(image: ImageLike) -> OrientedImage:
    """Convert an image to (H, W, 3) uint8 RGB. Its EXIF orientation, if any, is applied.

    Args:
        image: one of

            - a path of an image file;
            - a `PIL.Image.Image`;
            - a NumPy array or a torch tensor, on any device: grey (H, W), or grey, RGB or RGBA as (H, W, C) or
              (C, H, W); uint8, or floating point from 0 to 1.

            Alpha is left out: the colours are taken as they are. The order is RGB, not OpenCV's BGR, which nothing
            in an array tells apart.

    Raises:
        SourceError: the file cannot be read, or the PIL image holds no colours.
        TypeError: the type of the image or of its elements is not supported.
        ValueError: the shape is not that of an image, or floating-point values lie outside 0 to 1.
    """
    if isinstance(image, (str, os.PathLike)):
        path = Path(image).expanduser()
        if path.is_dir():
            raise SourceError(path, "this is a folder", "give an image file, or a list of image files")
        return read_image(path)
    if isinstance(image, Image.Image):
        return oriented(image, getattr(image, "filename", "") or "the PIL image")
    array = _array(image)
    return OrientedImage(_three_channels(_as_bytes(_channels_last(array))))


def is_batch(image: Any) -> bool:
    """Return whether the argument is a batch: a list or tuple of images, or an array or tensor of four dimensions."""
    return isinstance(image, (list, tuple)) or getattr(image, "ndim", 0) == 4


def located(
    image: OrientedImage, camera: CameraLike | None, fov: float | None
) -> tuple[OrientedImage, Intrinsics | None]:
    """Return the image as a pinhole camera sees it, and the intrinsics of that camera.

    Args:
        image: upright.
        camera: the known camera; a calibration with distortion rectifies the image. Values hold for the upright
            image, `Intrinsics` of another size but its aspect are scaled.
        fov: horizontal field of view of the upright image, degrees, in place of a camera.

    Returns:
        The image, rectified where the calibration says so; its intrinsics, or None where nothing is known.

    Raises:
        SourceError: the calibration cannot be read or used for this image.
        TypeError, ValueError: the camera is invalid, or both a camera and a field of view are given.
    """
    width, height = image.size
    if fov is not None:
        if camera is not None:
            raise ValueError(f"both camera and fov={fov:g} are given: leave one out")
        return image, Intrinsics.from_fov(width, height, fov)
    if camera is None:
        return image, None
    if isinstance(camera, Intrinsics):
        return image, image.camera(lambda w, h: scaled_to(camera, w, h, "camera"))
    if isinstance(camera, (str, os.PathLike)):
        path = Path(camera).expanduser()
        if not path.is_file():
            raise SourceError(path, "there is no such file", "give a camera_info.yaml, intrinsics or a field of view")
        calibration = ros_calibration(path)
        assert calibration is not None
        image = image.rectified(calibration)
        return image, image.camera(calibration.at)
    return image, _intrinsics(camera, width, height)


def all_located(
    images: Any, camera: CameraLike | Sequence[CameraLike | None] | None, fov: float | None
) -> Iterator[tuple[OrientedImage, Intrinsics | None]]:
    """Apply `located` to each image of a batch, and yield the results in order.

    Args:
        images: a batch, see `is_batch`.
        camera: of all of them, or a sequence of one each.
        fov: of all of them, degrees.

    Raises:
        ValueError: another number of cameras than of images; or as `rgb_image` and `located`.
    """
    cameras: Sequence[Any] = [camera] * len(images) if _is_one_camera(camera) else list(camera)  # type: ignore[arg-type]
    if len(cameras) != len(images):
        raise ValueError(f"{len(images)} images came with {len(cameras)} cameras: give one for all, or one each")
    return (located(rgb_image(one), its_camera, fov) for one, its_camera in zip(images, cameras, strict=True))


def _is_one_camera(camera: Any) -> bool:
    """Whether it stands for the camera of all images, not for a sequence of one each."""
    if camera is None or isinstance(camera, (Intrinsics, str, os.PathLike)):
        return True
    values = _numbers(camera)
    return values is not None and values.shape in ((), (4,), (3, 3))


def _intrinsics(camera: Any, width: int, height: int) -> Intrinsics:
    values = _numbers(camera)
    if values is None:
        raise TypeError(
            f"camera is {type(camera).__name__}: give Intrinsics, a 3x3 matrix K, four numbers fx fy cx cy, or the "
            "path of a camera_info.yaml"
        )
    if values.shape == (4,):
        fx, fy, cx, cy = values.tolist()
        return Intrinsics(fx, fy, cx, cy, width, height)
    if values.shape == ():
        raise ValueError(f"camera is {camera!r}, a single number: give a field of view as fov={camera!r} (degrees)")
    if values.shape != (3, 3):
        raise ValueError(f"camera has shape {values.shape}: give a 3x3 matrix K, or four numbers fx fy cx cy")
    if values[1, 0] or tuple(values[2]) != (0.0, 0.0, 1.0):
        raise ValueError(f"camera is {values.tolist()}: K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    if values[0, 1]:
        raise ValueError(f"camera has skew {values[0, 1]:g}: it must be 0; rectify the image first")
    return Intrinsics.from_matrix(values, width, height)


def _numbers(camera: Any) -> npt.NDArray[np.float64] | None:
    """An array of numbers; None for anything else."""
    if isinstance(camera, (list, tuple)) and any(one is None or isinstance(one, (str, os.PathLike)) for one in camera):
        return None  # which NumPy would take for numbers, if it could
    try:
        return np.asarray(camera.detach().cpu() if hasattr(camera, "detach") else camera, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _array(image: Any) -> npt.NDArray[Any]:
    if isinstance(image, np.ndarray):
        return image
    if hasattr(image, "detach"):  # a tensor, without importing torch to find out
        tensor = image.detach().cpu()
        # NumPy has no bfloat16
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    raise TypeError(
        f"image is {type(image).__name__}: give a path, a PIL image, a NumPy array or a torch tensor, or a list of them"
    )


def _channels_last(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(H, W, C)."""
    if array.ndim == 2:
        return array[..., None]
    if array.ndim != 3:
        raise ValueError(f"image has shape {array.shape}: it must be (H, W), (H, W, C) or (C, H, W)")
    first, last = array.shape[0] in _CHANNELS, array.shape[2] in _CHANNELS
    if first == last:
        why = "both ends may be the channels" if first else "neither end is 1, 3 or 4 channels"
        raise ValueError(
            f"image has shape {array.shape}: {why}; give (H, W, C) or (C, H, W) with H and W at least "
            f"{MIN_NETWORK_SIDE}, several images as a list"
        )
    return np.moveaxis(array, 0, 2) if first else array


def _as_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        remedy = "divide by its largest possible value as floating point" if array.dtype.kind in "ui" else "convert it"
        raise TypeError(f"image is {array.dtype}: it must be uint8, or floating point from 0 to 1; {remedy}")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (low >= -_ROUNDING and high <= 1.0 + _ROUNDING):  # NaN is neither
        remedy = "undo its normalisation" if low < -_ROUNDING else "divide by 255, or convert to uint8"
        if not np.isfinite(low + high):
            remedy = "replace what is not finite"
        raise ValueError(
            f"image is {array.dtype} with values from {low:g} to {high:g}: floating point must lie within 0 and 1; "
            f"{remedy}"
        )
    return np.rint(np.clip(array, 0.0, 1.0) * 255.0).astype(np.uint8)


def _three_channels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[..., :3])
