"""A picture as a file, there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cinet_core.atomic_file import replacing
from cinet_core.visualize.text import Picture


def write_picture(path: Path, picture: Picture) -> None:
    """Write a (H, W, 3) uint8 RGB picture in the format that the path ends with.

    Raises:
        ValueError: the path ends with no format of pictures.
        OSError: the file cannot be written.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: {path.suffix!r} is no format of pictures; call the file .png")
    with replacing(path) as file:
        Image.fromarray(picture).save(file, kind)
