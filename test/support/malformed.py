"""Sensor messages as broken, misconfigured or hostile publishers send them, as Hypothesis strategies.

Every message starts sound; then up to three of its fields are changed. Each change says what may become of the message,
so that a test can tell whether a refusal was for the right reason.
"""

from __future__ import annotations

import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, Image

from cinet_core.messages.images import ENCODINGS

USED = "used"

# (width, height) of sound images: large enough for the network, and fit for every encoding.
SIZES = ((16, 16), (32, 24), (40, 18))
BYTES_PER_PIXEL = {"rgb8": 3, "bgra8": 4, "mono8": 1, "mono16": 2, "rgb16": 6, "bayer_grbg8": 1, "yuv422": 2, "nv12": 1}
LENSES = {
    "plumb_bob": ((0.0,) * 5, (-0.2, 0.05, 0.001, -0.001, 0.0), ()),
    "rational_polynomial": ((0.2, -0.1, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0),),
    "equidistant": ((-0.02, 0.01, 0.0, 0.0),),
}

_UINT32 = st.one_of(st.integers(0, 50), st.sampled_from((0, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)))
TEXTS = st.one_of(st.text(max_size=12), st.just("x" * 100_000), st.just("\0"), st.just("ünïcode"))


@dataclass(frozen=True)
class Case:
    """A message and what may become of it.

    Attributes:
        message: sensor_msgs Image, CompressedImage or CameraInfo.
        changes: names of what is not as it should be; none for a sound message.
        outcomes: USED, or the reasons for which the frame may be dropped.
    """

    message: Any = field(repr=False)  # may be megabytes
    changes: tuple[str, ...]
    outcomes: frozenset[str]


# A change draws what it needs and alters the message in place.
Change = Callable[[Any, Callable[[st.SearchStrategy[Any]], Any]], None]


# How many fields of a message are changed: mostly some, sometimes none.
_COUNTS = st.sampled_from((0, 1, 1, 1, 1, 2, 2, 2, 3, 3))

# Strategies are made once: Hypothesis takes longer to make one than to draw from it.
_SECONDS = st.sampled_from((0, -1, 1, -(2**31), 2**31 - 1))
_NANOSECONDS = st.sampled_from((0, 999_999_999, 1_000_000_000, 2**32 - 1))
BYTE = st.integers(0, 255)


class Changes:
    """What can be wrong with a message.

    Args:
        table: changes by name, each with what may then become of the frame.
        fatal_weight: how much more often those are drawn that no frame survives; the others may cost a run of the
            network each.
    """

    def __init__(self, table: dict[str, tuple[Change, set[str]]], fatal_weight: int = 1) -> None:
        self._table = table
        weighed = [name for name in sorted(table) for _ in range(1 if USED in table[name][1] else fatal_weight)]
        self._names = st.sampled_from(weighed)
        self.outcomes = frozenset().union(*(outcomes for _, outcomes in table.values()))

    def applied(self, draw: Any, message: Any) -> Case:
        """The message with some of the changes."""
        names = sorted({draw(self._names) for _ in range(draw(_COUNTS))})
        outcomes = set() if names else {USED}
        for name in names:
            change, reasons = self._table[name]
            change(message, draw)
            outcomes |= reasons
        return Case(message, tuple(names), frozenset(outcomes))


def _stamp(message: Any, draw: Any) -> None:
    stamp = message.header.stamp
    stamp.sec, stamp.nanosec = draw(_SECONDS), draw(_NANOSECONDS)


def _frame_id(message: Any, draw: Any) -> None:
    message.header.frame_id = draw(TEXTS)


def setter(name: str, values: st.SearchStrategy[Any]) -> Change:
    def change(message: Any, draw: Any) -> None:
        setattr(message, name, draw(values))

    return change


def shorter(message: Any, draw: Any) -> None:
    message.data = message.data[: len(message.data) * draw(BYTE) // 256]


def longer(message: Any, draw: Any) -> None:
    message.data = message.data + array.array("B", bytes(1 + 20 * draw(BYTE)))


def _resized(message: Any, draw: Any) -> None:
    number = draw(BYTE)
    name = "width" if number % 2 else "height"
    setattr(message, name, max(0, getattr(message, name) + (1 if number % 4 < 2 else -1)))  # uint32


HEADER_CHANGES: dict[str, tuple[Change, set[str]]] = {
    "stamp": (_stamp, {USED}),
    "frame_id": (_frame_id, {USED}),
}

# A size that no longer fits the camera_info is "aspect".
_IMAGE_CHANGES = Changes(
    HEADER_CHANGES
    | {
        "unknown encoding": (setter("encoding", st.one_of(TEXTS, st.sampled_from(("32FC1", "16UC1")))), {"encoding"}),
        "another encoding": (setter("encoding", st.sampled_from(ENCODINGS)), {USED, "data", "size"}),
        "width": (setter("width", _UINT32), {USED, "data", "size", "aspect"}),
        "height": (setter("height", _UINT32), {USED, "data", "size", "aspect"}),
        "size off by one": (_resized, {USED, "data", "size", "aspect"}),
        "no pixels": (setter("width", st.just(0)), {"size"}),
        "step": (setter("step", _UINT32), {USED, "data"}),
        "step 0": (setter("step", st.just(0)), {"data"}),
        "byte order": (setter("is_bigendian", st.sampled_from((1, 2, 255))), {USED}),
        "short data": (shorter, {"data"}),
        "no data": (setter("data", st.just(array.array("B"))), {"data"}),
        "long data": (longer, {USED}),
    },
    fatal_weight=4,
)


_ENCODINGS = st.sampled_from(sorted(BYTES_PER_PIXEL))


@st.composite
def images(draw: Any, width: int, height: int) -> Case:
    """sensor_msgs/Image; sound ones have this size and one of `BYTES_PER_PIXEL`."""
    encoding, number = draw(_ENCODINGS), draw(BYTE)
    step = width * BYTES_PER_PIXEL[encoding] + number % 3
    message = Image(width=width, height=height, encoding=encoding, step=step)
    rows = height * 3 // 2 if encoding == "nv12" else height
    message.data = array.array("B", bytes([number]) * (rows * step))
    return _IMAGE_CHANGES.applied(draw, message)


def _matrix(name: str) -> Change:
    """One entry or all of a matrix."""
    values = st.one_of(st.floats(), st.floats(-1e4, 1e4), st.sampled_from((0.0, float("nan"), 1e300, -1.0)))

    def change(message: Any, draw: Any) -> None:
        matrix = np.array(getattr(message, name), dtype=np.float64)
        where = draw(BYTE) % (len(matrix) + 1)
        matrix[slice(None) if where == len(matrix) else where] = draw(values)
        setattr(message, name, matrix)

    return change


def _roi(message: Any, draw: Any) -> None:
    for name in ("x_offset", "y_offset", "width", "height"):
        setattr(message.roi, name, draw(_UINT32))
    message.roi.do_rectify = bool(draw(BYTE) % 2)


def _binning(message: Any, draw: Any) -> None:
    message.binning_x, message.binning_y = draw(_UINT32), draw(_UINT32)


_DISTORTIONS = st.one_of(
    st.lists(st.floats(), max_size=20),
    st.tuples(st.sampled_from((1e3, 1e300, -1e300, 5e-324)), st.sampled_from((4, 5, 8, 12, 14))).map(
        lambda pair: [pair[0]] * pair[1]
    ),
    st.sampled_from((1000, 100_000)).map(lambda count: [0.1] * count),
)
_EMPTY = {"distortion_coefficients", "rectification_matrix"}  # nothing of the image would be left
_NO_PINHOLE = _EMPTY | {USED}  # used as if there were no camera_info

_INFO_CHANGES = Changes(
    HEADER_CHANGES
    | {
        "k": (_matrix("k"), _NO_PINHOLE),
        "p": (_matrix("p"), _NO_PINHOLE),
        "r": (_matrix("r"), _NO_PINHOLE),
        "d": (setter("d", _DISTORTIONS), _EMPTY | {USED, "distortion_model"}),
        "model": (setter("distortion_model", TEXTS), _EMPTY | {USED, "distortion_model"}),
        "other model": (setter("distortion_model", st.sampled_from(sorted(LENSES))), _NO_PINHOLE),
        "width": (setter("width", _UINT32), _NO_PINHOLE | {"aspect", "roi"}),
        "height": (setter("height", _UINT32), _NO_PINHOLE | {"aspect", "roi"}),
        "roi": (_roi, _NO_PINHOLE | {"aspect", "roi"}),
        "binning": (_binning, _NO_PINHOLE | {"aspect"}),
    }
)

_LENSES = st.sampled_from([(model, d) for model, lenses in sorted(LENSES.items()) for d in lenses])

INFO_OUTCOMES = _INFO_CHANGES.outcomes
"""Whatever may become of an image because of a camera_info."""


@st.composite
def camera_infos(draw: Any, width: int, height: int) -> Case:
    """sensor_msgs/CameraInfo for an image of this size."""
    model, d = draw(_LENSES)
    message = CameraInfo(width=width, height=height, distortion_model=model, d=list(d))
    f, cx, cy = 0.8 * width, (width - 1) / 2, (height - 1) / 2
    message.k = [f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0]
    message.r = np.eye(3).ravel()
    if draw(BYTE) % 2:
        message.p = [f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return _INFO_CHANGES.applied(draw, message)
