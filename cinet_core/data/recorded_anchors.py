"""What a robot measured at a frame, beside the image: ``NAME_anchors.npz``. Needs no PyTorch.

It holds, each for itself: ``scan`` (N, 3), points of a laser scan, and ``points`` (N, 3), sparse depth, both in the
optical frame, metres; ``up`` (3,), the up direction there, with ``height``, metres of the camera above the floor.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_files import ANCHORS_SUFFIX, SourceError

__all__ = ["ANCHORS_SUFFIX", "RecordedAnchors", "encode_anchors", "read_anchors"]

MAX_POINTS = 10_000_000
_SHAPES: dict[str, tuple[int, ...]] = {"scan": (-1, 3), "points": (-1, 3), "up": (3,), "height": ()}


@dataclass(frozen=True, eq=False)
class RecordedAnchors:
    """What a robot measured at a frame; None where it did not.

    Attributes:
        scan: (N, 3) points of a laser scan in the image's optical frame, metres.
        points: (N, 3) sparse depth, likewise.
        up: (3,) up direction in the optical frame.
        height: metres of the camera above the floor.
    """

    scan: npt.NDArray[np.float64] | None = None
    points: npt.NDArray[np.float64] | None = None
    up: npt.NDArray[np.float64] | None = None
    height: float | None = None


def encode_anchors(measured: RecordedAnchors) -> bytes:
    """The file of what a robot measured at a frame."""
    arrays: dict[str, Any] = {name: np.asarray(getattr(measured, name), dtype=np.float32) for name in _SHAPES
              if getattr(measured, name) is not None}  # fmt: skip
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def read_anchors(path: Path) -> RecordedAnchors:
    """Read what was measured at a frame.

    Raises:
        SourceError: the file cannot be read, or holds something else.
    """
    found: dict[str, Any] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name, shape in _SHAPES.items():
                if name in arrays.files:
                    found[name] = _checked(path, name, np.asarray(arrays[name], dtype=np.float64), shape)
    except SourceError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SourceError(path, f"it cannot be read: {error}", "restore or remove it") from error
    height = found.pop("height", None)
    return RecordedAnchors(**found, height=None if height is None else float(height))


def _checked(path: Path, name: str, values: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    fits = values.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, values.shape, strict=True))
    if not fits or values.size > MAX_POINTS:
        wanted = tuple("N" if size < 0 else size for size in shape)
        raise SourceError(path, f"{name} has shape {values.shape}, {wanted} is needed", "write it anew, or remove it")
    return values
