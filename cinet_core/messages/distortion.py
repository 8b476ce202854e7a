"""Which of OpenCV's two lens models a camera_info means, and with what coefficients: by its numbers, not its spelling.

Drivers write the name of a model as they like (``Plumb_Bob``, ``plumb bob``), give the five coefficients of one model
under the name of another, and fill D up with zeros. What OpenCV can undo is undone:

- **polynomial** (`cv2.initUndistortRectifyMap`): k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]]. All its names are
  one model that is written down to a different length, so D's length decides and the name does not.
- **fisheye** (`cv2.fisheye`, Kannala and Brandt): k1 k2 k3 k4 of the angle to the optical axis.

D that is empty or zero means no distortion whatever the name, as image_geometry has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.messages.errors import ConversionError, quoted

__all__ = ["FISHEYE", "MOST_COEFFICIENTS", "PINHOLE", "POLYNOMIAL", "Distortion", "read_distortion", "significant"]

POLYNOMIAL = (
    "plumb_bob",
    "rational_polynomial",
    "thin_prism",
    "tilted",
    "rational",
    "brown",
    "brown_conrady",
    "radtan",
    "pinhole_radtan",
    "radial_tangential",
    "opencv",
    "full_opencv",
)
FISHEYE = (
    "equidistant",
    "fisheye",
    "kannala_brandt",
    "kannala_brandt4",
    "opencv_fisheye",
    "equi",
    "pinhole_equi",
    "kb4",
)
PINHOLE = ("", "none", "pinhole", "rectified", "undistorted", "ideal", "perspective")
"""Names of cameras without distortion, or without a model: with coefficients that are not zero they say two things."""

POLYNOMIAL_LENGTHS: tuple[int, ...] = (4, 5, 8, 12, 14)
FISHEYE_LENGTHS: tuple[int, ...] = (4,)
MOST_COEFFICIENTS = max(POLYNOMIAL_LENGTHS)

_RECTIFY = "rectify the image before and set input_rectified to true"
_ALMOST: Mapping[str, str] = {
    "inversebrownconrady": "its polynomial leads from the distorted point to the undistorted one, OpenCV's leads back; "
    "take the camera_info of the camera's driver (realsense2_camera says plumb_bob), or",
    "modifiedbrownconrady": "it is not OpenCV's polynomial: the tangential terms act on points that are distorted "
    "already; calibrate anew as plumb_bob, or",
}
"""Models that look like one of OpenCV's and are none, by the letters of their names."""

_LONGEST_NAME = 64


@dataclass(frozen=True, eq=False)
class Distortion:
    """A lens that OpenCV can undo.

    Attributes:
        coefficients: (4,), (5,), (8,), (12,) or (14,) float64 of the polynomial, (4,) of the fisheye model.
        fisheye: which of the two models.
    """

    coefficients: npt.NDArray[np.float64]
    fisheye: bool


def read_distortion(model: str, d: Any) -> Distortion | None:
    """What a calibration says about the lens.

    Args:
        model: its name, ``distortion_model`` of camera_info; case, spaces, hyphens and underscores do not count.
        d: its coefficients, a buffer or sequence of numbers; zeros at the end do not count.

    Returns:
        The lens; None where D is empty or zero, by which the image is a pinhole's already.

    Raises:
        ConversionError: "distortion_model" for one that OpenCV cannot undo, "distortion_coefficients" where D has a
            number that is not finite, or does not have the length of the model.
    """
    used = significant(d)
    if not len(used):
        return None
    letters = _letters(model)
    if letters in _FISHEYE_LETTERS:
        lengths, fisheye = FISHEYE_LENGTHS, True
    elif letters in _POLYNOMIAL_LETTERS:
        lengths, fisheye = POLYNOMIAL_LENGTHS, False
    else:
        raise _unknown(model, letters, d)
    # Filled up with zeros only as far as D was written: the sixth of six numbers would be taken for k4.
    fitting = [length for length in lengths if len(used) <= length <= len(d)]
    if not fitting or not np.isfinite(used).all():
        raise ConversionError(
            "distortion_coefficients",
            f"{model} has {len(d)} coefficients, D = [{_begin(d)}]: {' or '.join(map(str, lengths))} finite numbers "
            "are needed (zeros at the end aside); calibrate anew",
        )
    coefficients = np.zeros(fitting[0])
    coefficients[: len(used)] = used
    return Distortion(coefficients, fisheye)


def significant(d: Any) -> npt.NDArray[np.float64]:
    """D without the zeros at its end."""
    values = np.asarray(d, dtype=np.float64).reshape(-1)
    places = np.flatnonzero(values)  # NaN is not zero
    return values[: places[-1] + 1] if len(places) else values[:0]


def _letters(name: str) -> str:
    """A name by which spellings of one model are the same; nothing of a hostile one is worked through."""
    return name if len(name) > _LONGEST_NAME else re.sub(r"[\s_-]+", "", name.casefold())


_POLYNOMIAL_LETTERS = frozenset(map(_letters, POLYNOMIAL))
_FISHEYE_LETTERS = frozenset(map(_letters, FISHEYE))
_PINHOLE_LETTERS = frozenset(map(_letters, PINHOLE))


def _unknown(model: str, letters: str, d: Any) -> ConversionError:
    """Why a model with coefficients cannot be undone."""
    known = f"known are {', '.join(POLYNOMIAL)} and {', '.join(FISHEYE)}"
    if letters in _PINHOLE_LETTERS:
        text = (
            f"distortion model is {quoted(model)}, no distortion, but D = [{_begin(d)}] is not zero: name the model "
            f"that D belongs to ({known}), or {_RECTIFY}"
        )
    elif letters in _ALMOST:
        text = f"distortion model is {quoted(model)}, which OpenCV cannot undo: {_ALMOST[letters]} {_RECTIFY}"
    else:
        text = (
            f"distortion model is {quoted(model)}, which cannot be undone: {known}; give the model's usual name, "
            f"calibrate anew, or {_RECTIFY}"
        )
    return ConversionError("distortion_model", text)


def _begin(d: Any) -> str:
    """The first of D for an error: of more, which a hostile message may have, no model is made."""
    values = ", ".join(f"{value:g}" for value in np.asarray(d[:MOST_COEFFICIENTS], dtype=np.float64))
    return values + (", ..." if len(d) > MOST_COEFFICIENTS else "")
