"""An image as a file, there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cinet_core.atomic_file import atomic_write
from cinet_core.visualize.text import RgbImage

__all__ = ["write_image"]


def write_image(path: Path, image: RgbImage) -> None:
    """Write a (H, W, 3) uint8 RGB image in the format that the path ends with.

    Raises:
        ValueError: the path ends with no format of images.
        OSError: the file cannot be written.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: {path.suffix!r} is no format of images; call the file .png")
    with atomic_write(path) as file:
        Image.fromarray(image).save(file, kind)
