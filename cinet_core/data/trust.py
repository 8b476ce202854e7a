"""How far the depth and the label of each pixel of a labelled frame are trusted, and where they came from.

``NAME_trust.png`` beside a frame is an 8-bit RGB image of its size: red is the trust of depth and green that of the
label, 0 to 255 for 0 to 1, by which training multiplies their losses; blue has the sources, that of depth in the lower
four bits and that of the label in the upper four. What is void has the trust 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_files import SourceError

__all__ = ["FULL_TRUST", "SOURCES", "TRUST_SUFFIX", "TrustSource", "TrustedFrame", "encode_trust", "read_trust"]

TrustSource = Literal["none", "sensor", "teacher", "agreed", "given"]

SOURCES: tuple[TrustSource, ...] = ("none", "sensor", "teacher", "agreed", "given")
"""By code: void; a sensor's depth; a teacher that no other view could check; one that other views agree with; labels
that the recording came with."""

TRUST_SUFFIX = "_trust.png"
FULL_TRUST = 255
_REMEDY = "restore or remove it, or open the folder with the option trust: false"


@dataclass(frozen=True, eq=False)
class TrustedFrame:
    """Trust and sources of the pixels of a frame.

    Attributes:
        trust: (2, H, W) uint8 of depth and of labels, 0 to 255 for 0 to 1.
        sources: (2, H, W) uint8, places in `SOURCES`.
    """

    trust: npt.NDArray[np.uint8]
    sources: npt.NDArray[np.uint8]


def encode_trust(frame: TrustedFrame) -> bytes:
    """The file of a frame's trust.

    Raises:
        ValueError: the arrays are not (2, H, W) uint8, or hold a source that does not exist.
    """
    for name, values in (("trust", frame.trust), ("sources", frame.sources)):
        if values.dtype != np.uint8 or values.ndim != 3 or len(values) != 2 or values.shape != frame.trust.shape:
            raise ValueError(f"{name} is {values.dtype} {values.shape}: it must be uint8 (2, H, W), equal for both")
    if frame.sources.size and frame.sources.max() >= len(SOURCES):
        raise ValueError(f"source {frame.sources.max()} does not exist: 0 to {len(SOURCES) - 1} do")
    packed = frame.sources[0] | (frame.sources[1] << np.uint8(4))
    # OpenCV has blue first.
    well, content = cv2.imencode(".png", np.stack([packed, frame.trust[1], frame.trust[0]], axis=-1))
    if not well:
        raise OSError(f"OpenCV could not encode an image of {frame.trust.shape[1:]}")
    return content.tobytes()


def read_trust(path: Path) -> TrustedFrame:
    """Read ``NAME_trust.png``.

    Raises:
        SourceError: the file is missing or damaged, no 8-bit RGB image, or names sources that do not exist.
    """
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError as error:
        raise SourceError(path, "the trust image is missing", _REMEDY) from error
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if image is None:
        raise SourceError(path, "the trust image cannot be decoded", _REMEDY)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise SourceError(path, f"the trust image is {image.dtype} {image.shape}: 8-bit RGB is needed", _REMEDY)
    packed, labels, depth = np.moveaxis(image, -1, 0)
    sources = np.stack([packed & np.uint8(15), packed >> np.uint8(4)])
    if sources.max() >= len(SOURCES):
        reason = f"it names source {sources.max()}, of which 0 to {len(SOURCES) - 1} exist"
        raise SourceError(path, reason, _REMEDY)
    return TrustedFrame(np.stack([depth, labels]), sources)
