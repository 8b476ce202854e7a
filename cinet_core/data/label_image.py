"""Class numbers from the images that annotation tools write: grey or palette PNG, of 8 or 16 bits."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cinet_core.data.frame_files import SourceError
from cinet_core.label_sets import UNLABELLED, LabelSet

__all__ = ["read_labels"]

LOSSY = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"})
"""Formats that mix neighbouring values, whatever the file is called."""

_KINDS_REMEDY = "save class numbers, not colours, as a grey or palette PNG of 8 bits"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_GREY, _PNG_PALETTE = 0, 3
_NO_BYTE = _WRONG = 256


def read_labels(path: Path, label_set: LabelSet, first_class: int = 1) -> npt.NDArray[np.uint8]:
    """A label image as (H, W) uint8 class ids, 255 where there is no label.

    The values are class numbers: the grey values of 8 or 16 bits, a palette's indices (its colours mean nothing), and
    the value of all channels where a colour image has the same in each. What is transparent has no label. The image is
    as stored: an EXIF orientation of its own does not count.

    Args:
        path: of the file.
        label_set: whose classes the values are.
        first_class: value of the first class: 1 (then 0 is "none") or 0. 255 is always "none".

    Raises:
        SourceError: the file is missing or damaged, holds no class numbers, or one of no class.
    """
    stored, transparent = _values(path)
    table = _ids_of_values(len(label_set.classes), first_class)
    values = stored if stored.dtype == np.uint8 else np.where(stored < 0, _NO_BYTE, np.minimum(stored, _NO_BYTE))
    ids = table[values]
    if transparent is not None:
        ids[transparent] = UNLABELLED
    wrong = stored[ids == _WRONG]
    if wrong.size:
        last = len(label_set.classes) - 1 + first_class
        reason = f"{wrong.size} pixels have the value {wrong[0]}, {label_set.name!r} has {first_class} to {last}"
        raise SourceError(path, reason, "correct the labels, or name the classes in classes.txt")
    return ids.astype(np.uint8)


@lru_cache(maxsize=8)
def _ids_of_values(classes: int, first_class: int) -> npt.NDArray[np.uint16]:
    """(257,) class ids of the values 0 to 255, and of what is no byte."""
    table = np.full(_NO_BYTE + 1, _WRONG, dtype=np.uint16)
    table[first_class:_NO_BYTE][:classes] = np.arange(min(classes, _NO_BYTE - first_class))
    table[0] = UNLABELLED if first_class == 1 else table[0]
    table[UNLABELLED] = UNLABELLED
    return table


def _values(path: Path) -> tuple[npt.NDArray, npt.NDArray[np.bool_] | None]:
    """(H, W) integers of a label image, and where it is transparent, if it can be."""
    try:
        with Image.open(path) as opened:
            if opened.format in LOSSY:
                reason = f"it is a {opened.format} file, in which values of neighbouring pixels are mixed"
                raise SourceError(path, reason, _KINDS_REMEDY)
            _refuse_scaled(path)
            mode, values = opened.mode, np.asarray(opened)
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceError(path, "the label image is missing", "restore or remove it") from error
    except Image.DecompressionBombError as error:
        raise SourceError(path, f"it is too large to decode ({error})", "make it smaller") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise SourceError(path, "the label image is missing or cannot be decoded", "restore or remove it") from error
    if (values.ndim == 2 and mode in ("P", "L")) or mode.startswith("I"):
        return values, None
    if mode in ("LA", "PA"):
        return values[..., 0], values[..., 1] == 0
    if mode in ("RGB", "RGBA"):
        return _one_of_equal_channels(values, path), values[..., 3] == 0 if mode == "RGBA" else None
    raise SourceError(path, f"labels have Pillow's mode {mode} and shape {values.shape}", _KINDS_REMEDY)


def _one_of_equal_channels(colours: npt.NDArray[np.uint8], path: Path) -> npt.NDArray[np.uint8]:
    unequal = (colours[..., :1] != colours[..., 1:3]).any(axis=-1)
    if unequal.any():
        first = colours[unequal][0, :3].tolist()
        reason = f"labels are colours: {int(unequal.sum())} pixels have unequal channels, the first of them {first}"
        raise SourceError(path, reason, _KINDS_REMEDY)
    return colours[..., 0]


def _refuse_scaled(path: Path) -> None:
    """Refuse PNG files whose samples a decoder scales: 3 of 4 bits would become 51, and 40 of 16 bits become 0."""
    with path.open("rb") as file:
        header = file.read(26)
    if len(header) < 26 or not header.startswith(_PNG_MAGIC):
        return
    bits, kind = header[24], header[25]
    if (kind != _PNG_PALETTE and bits < 8) or (kind != _PNG_GREY and bits > 8):
        what = "grey" if kind == _PNG_GREY else "colour"
        raise SourceError(path, f"it is a {what} PNG with {bits} bits a sample, which readers scale", _KINDS_REMEDY)
