"""Arrays with room around their numbers."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from cinet_core.inference.numpy_resampling import resized
from cinet_core.roomy_arrays import BEFORE, BEHIND, resized_with_room, room_around, roomy, roomy_copy

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 5), np.float32), ((4, 2, 3), np.uint8), ((0,), np.uint8), ((7,), "i2")]
)
def test_there_is_room_on_both_sides_of_the_numbers(shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
    values = roomy(shape, dtype)
    assert (values.shape, values.dtype, values.flags.c_contiguous) == (shape, np.dtype(dtype), True)
    buffer = room_around(values)
    assert buffer is not None
    values.fill(1)
    before = buffer[BEFORE : len(buffer) - BEHIND].tobytes()
    buffer[:BEFORE] = buffer[-BEHIND:] = 255
    assert values.tobytes() == before, "what is written around them is not in them"


def test_a_view_of_all_of_it_has_the_room() -> None:
    values = roomy_copy(VALUES)
    np.testing.assert_array_equal(values, VALUES)
    assert room_around(values) is not None
    assert room_around(values[None][0].reshape(6, 4)) is room_around(values)


def test_other_arrays_have_none() -> None:
    values = roomy_copy(VALUES)
    buffer = room_around(values)
    assert buffer is not None
    shifted = buffer[BEFORE + BEHIND : BEFORE + BEHIND + values.nbytes]
    for other in (
        VALUES,
        VALUES[:1],
        values[:1],
        values.T,
        shifted,
        np.frombuffer(bytes(96), np.float32),
        values.copy(),
    ):
        assert room_around(other) is None


def test_a_resized_image_is_as_opencv_makes_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    for values in (image, image[..., 0].astype(np.float32)):
        made = resized_with_room(values, (12, 20), cv2.INTER_LINEAR)
        np.testing.assert_array_equal(made, cv2.resize(values, (20, 12), interpolation=cv2.INTER_LINEAR))
        assert room_around(made) is not None
    assert room_around(resized(image[..., 0], (12, 16), "nearest")) is not None
