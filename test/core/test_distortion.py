"""Lenses as drivers describe them: what OpenCV can undo is used whatever it is called, the rest is refused by name."""

from __future__ import annotations

import array
import json
import re
import time
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from field_cases import field_cases

from cinet_core.messages.camera import CameraModel, CameraModelCache
from cinet_core.messages.distortion import FISHEYE, PINHOLE, POLYNOMIAL, read_distortion
from cinet_core.messages.errors import ConversionError

WIDTH, HEIGHT = 160, 120
K = [140.0, 0.0, 79.5, 0.0, 140.0, 59.5, 0.0, 0.0, 1.0]
FIVE = [0.1, -0.2, 0.001, 0.001, 0.05]
EIGHT = [*FIVE, 0.01, 0.01, 0.01]
TWELVE = [*EIGHT, 0.001, -0.002, 0.003, 0.001]
FOURTEEN = [*TWELVE, 0.01, -0.02]
KANNALA = [-0.009, 0.046, -0.043, 0.008]
NAN, INF = float("nan"), float("inf")


def info(model: str, d: Any, width: int = WIDTH, height: int = HEIGHT, **fields: Any) -> SimpleNamespace:
    """A camera_info, by no library of messages."""
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    whole = {"k": K, "r": np.eye(3).ravel(), "p": [0.0] * 12, "binning_x": 0, "binning_y": 0, "roi": roi}
    return SimpleNamespace(distortion_model=model, d=d, width=width, height=height, **{**whole, **fields})


def rgb_image() -> np.ndarray:
    """Waves of 20 pixels: a shift of one pixel changes values by up to 30."""
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return (128 + 100 * np.sin(np.dstack([x, y, x + y]) * (2 * np.pi / 20))).astype(np.uint8)


def rectified(model: str, d: Any) -> np.ndarray | None:
    """The image without its distortion; None where nothing is undone."""
    camera = CameraModel.from_camera_info(info(model, d), WIDTH, HEIGHT, rectified=False)
    return camera.rectify(rgb_image())[0] if camera.distorted else None


def by_opencv(d: list[float], fisheye: bool) -> np.ndarray:
    """The same by OpenCV alone."""
    module = cv2.fisheye if fisheye else cv2
    matrix = np.reshape(K, (3, 3))
    u, v = module.initUndistortRectifyMap(matrix, np.array(d), np.eye(3), matrix, (WIDTH, HEIGHT), cv2.CV_32FC1)
    return cv2.remap(rgb_image(), u, v, cv2.INTER_LINEAR)


def assert_undone(model: str, d: Any, like: list[float], fisheye: bool = False) -> None:
    found, expected = rectified(model, d), by_opencv(like, fisheye)
    assert found is not None
    inner = np.s_[8:-8, 8:-8]  # at the rim what has no source is black in one and mixed in the other
    assert np.abs(found[inner].astype(int) - expected[inner]).max() <= 4
    assert np.abs(expected[inner].astype(int) - rgb_image()[inner]).max() > 4  # else the test would see no lens


@pytest.mark.parametrize("d", [FIVE[:4], FIVE, EIGHT, TWELVE, FOURTEEN], ids=len)
@pytest.mark.parametrize("model", POLYNOMIAL)
def test_the_length_and_not_the_name_decides_of_the_polynomial(model: str, d: list[float]) -> None:
    assert_undone(model, d, d)


@pytest.mark.parametrize("model", FISHEYE)
def test_names_of_the_fisheye(model: str) -> None:
    assert_undone(model, KANNALA, KANNALA, fisheye=True)


@pytest.mark.parametrize(
    "name", ["Plumb_Bob", "plumb bob", "PLUMB-BOB", "PlumbBob", " plumb_bob ", "plumb_bob\n", "Brown Conrady", "RadTan"]
)
def test_spellings_of_the_polynomial(name: str) -> None:
    assert_undone(name, FIVE, FIVE)


@pytest.mark.parametrize("name", ["Equidistant", "FISHEYE", "Kannala-Brandt", "KannalaBrandt4", "kannala_brandt 4"])
def test_spellings_of_the_fisheye(name: str) -> None:
    assert_undone(name, KANNALA, KANNALA, fisheye=True)


@pytest.mark.parametrize(
    ("model", "d", "like"),
    [
        ("plumb_bob", [*FIVE, 0.0, 0.0, 0.0], FIVE),
        ("plumb_bob", [*FIVE, *[0.0] * 20], FIVE),
        ("plumb_bob", [0.1, 0.0, 0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0]),
        ("plumb_bob", [*EIGHT[:7], 0.0], [*EIGHT[:7], 0.0]),
        ("rational_polynomial", [*EIGHT, 0.0], EIGHT),
        ("rational_polynomial", [*EIGHT, *[0.0] * 6], EIGHT),
        ("rational_polynomial", [*EIGHT[:6], *[0.0] * 8], [*EIGHT[:6], 0.0, 0.0]),
        ("thin_prism", [*TWELVE[:9], 0.0, 0.0, 0.0], [*TWELVE[:9], 0.0, 0.0, 0.0]),
    ],
    ids=str,
)
def test_zeros_at_the_end_do_not_count(model: str, d: list[float], like: list[float]) -> None:
    assert_undone(model, d, like)
    assert_undone(model, array.array("d", d), like)
    assert_undone(model, np.array(d, dtype=np.float32), like)


@pytest.mark.parametrize("d", [[*KANNALA, 0.0], [*KANNALA, *[0.0] * 4], [*KANNALA[:3], 0.0, 0.0], [0.05, 0, 0, 0, 0]])
def test_zeros_at_the_end_of_the_fisheye(d: list[float]) -> None:
    assert_undone("equidistant", d, [*d, 0.0][:4], fisheye=True)


@pytest.mark.parametrize("d", [[], [0.0], [0.0] * 5, [0.0] * 14, [-0.0] * 4, [0.0] * 100_000], ids=len)
@pytest.mark.parametrize("model", [*POLYNOMIAL, *FISHEYE, *PINHOLE, "None", "inverse_brown_conrady", "unheard_of"])
def test_nothing_but_zeros_is_no_distortion_whatever_the_name(model: str, d: list[float]) -> None:
    assert read_distortion(model, np.array(d)) is None


@pytest.mark.parametrize("model", ["unheard_of", "omni", "mei", "double_sphere", "ftheta", "thin_prism_fisheye", "fov"])
def test_what_cannot_be_undone_is_refused_by_name(model: str) -> None:
    with pytest.raises(ConversionError, match=f"'{model}'.*plumb_bob.*equidistant.*input_rectified") as caught:
        read_distortion(model, FIVE)
    assert caught.value.reason == "distortion_model"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("inverse_brown_conrady", "the distorted point to the undistorted one.*realsense2_camera"),
        ("RS Inverse", "cannot be undone"),
        ("Modified Brown-Conrady", "the tangential terms"),
        ("none", "no distortion, but D = .0.1, -0.2"),
        ("pinhole", "not zero"),
        ("", "''.*name the model"),
    ],
)
def test_models_that_only_look_like_one_say_why(model: str, says: str) -> None:
    with pytest.raises(ConversionError, match=says) as caught:
        read_distortion(model, FIVE)
    assert caught.value.reason == "distortion_model"
    assert "set input_rectified to true" in str(caught.value)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("place", [0, 3, 4, 7])
@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
def test_numbers_that_are_none_are_refused(model: str, place: int, value: float) -> None:
    d = [0.0] * 8
    d[place] = value
    with pytest.raises(ConversionError, match=re.escape(f"{value:g}")) as caught:
        read_distortion(model, d)
    assert caught.value.reason == "distortion_coefficients"


@pytest.mark.parametrize(
    ("model", "count"),
    [("plumb_bob", n) for n in (1, 2, 3, 6, 7, 9, 10, 11, 13, 15)] + [("equidistant", n) for n in (1, 2, 3, 5, 8)],
)
def test_lengths_that_no_model_has_are_refused(model: str, count: int) -> None:
    with pytest.raises(ConversionError, match=f"has {count} coefficients") as caught:
        read_distortion(model, [0.01] * count)
    assert caught.value.reason == "distortion_coefficients"


def test_a_hostile_message_costs_little() -> None:
    started = time.perf_counter()
    for model, d in (("x" * 1_000_000, [0.1]), ("plumb_bob", array.array("d", [0.1]) * 1_000_000)):
        with pytest.raises(ConversionError) as caught:
            read_distortion(model, d)
        assert len(str(caught.value)) < 1000
    assert time.perf_counter() - started < 1.0


def test_the_cache_tells_calibrations_apart_beyond_the_longest_model() -> None:
    cache = CameraModelCache()
    long, longer = [*FIVE, *[0.0] * 20], [*FIVE, *[0.0] * 19, 0.5]
    assert cache.get(info("plumb_bob", long), WIDTH, HEIGHT, rectified=False).distorted
    with pytest.raises(ConversionError, match="25 coefficients"):
        cache.get(info("plumb_bob", longer), WIDTH, HEIGHT, rectified=False)
    assert cache.get(info("plumb_bob", long), WIDTH, HEIGHT, rectified=False).distorted
    with pytest.raises(ConversionError, match="6 coefficients"):
        cache.get(info("plumb_bob", [0.1] * 6), WIDTH, HEIGHT, rectified=False)
    assert cache.get(info("plumb_bob", [*[0.1] * 6, 0.0, 0.0]), WIDTH, HEIGHT, rectified=False).distorted


@pytest.mark.parametrize("d", [[], FIVE], ids=["pinhole", "lens"])
def test_a_size_of_0x0_is_the_image_s(d: list[float]) -> None:
    unset = CameraModel.from_camera_info(info("plumb_bob", d, 0, 0), WIDTH, HEIGHT, rectified=False)
    known = CameraModel.from_camera_info(info("plumb_bob", d), WIDTH, HEIGHT, rectified=False)
    assert unset.intrinsics == known.intrinsics
    assert (unset.rectify(rgb_image())[0] == known.rectify(rgb_image())[0]).all()


def test_0x0_with_binning_and_a_region() -> None:
    binned = info("plumb_bob", [], 0, 0, binning_x=2, binning_y=2)
    k = CameraModel.from_camera_info(binned, WIDTH // 2, HEIGHT // 2, rectified=False).intrinsics
    assert (k.fx, k.cx, k.width) == (70.0, 39.75, 80)
    roi = SimpleNamespace(x_offset=10, y_offset=20, width=100, height=60, do_rectify=False)
    k = CameraModel.from_camera_info(info("", [], 0, 0, roi=roi), 100, 60, rectified=False).intrinsics
    assert (k.fx, k.cx, k.cy) == (140.0, 69.5, 39.5)
    with pytest.raises(ConversionError, match="another aspect"):
        CameraModel.from_camera_info(info("", [], 0, 0, roi=roi), 100, 100, rectified=False)


@pytest.mark.parametrize(("width", "height"), [(0, HEIGHT), (WIDTH, 0)])
def test_one_side_of_zero_is_no_calibration(width: int, height: int) -> None:
    with pytest.raises(ConversionError, match=f"{width}x{height}") as caught:
        CameraModel.from_camera_info(info("", [], width, height), WIDTH, HEIGHT, rectified=False)
    assert caught.value.reason == "no_intrinsics"


def test_0x0_without_k_is_no_calibration() -> None:
    with pytest.raises(ConversionError) as caught:
        CameraModel.from_camera_info(info("", [], 0, 0, k=[0.0] * 9), WIDTH, HEIGHT, rectified=False)
    assert caught.value.reason == "no_intrinsics"


def test_every_row_of_the_shared_calibrations(tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = json.loads((field_cases(tmp_path_factory) / "calibrations" / "camera_info.json").read_text())
    likes = {
        "equidistant, 4 coefficients": (KANNALA, True),
        "as plumb_bob with these 5": (FIVE, False),
        "as plumb_bob with the first 5": (FIVE, False),
        "plumb_bob": (FIVE, False),
        "as rational_polynomial with these 8": (EIGHT, False),
    }
    for row in rows:
        model, d, right = row["distortion_model"], row["d"], row["right"]
        if right == "no distortion":
            assert rectified(model, d) is None
        elif right.startswith("refused"):
            with pytest.raises(ConversionError, match=f"'{model}'.*plumb_bob.*equidistant.*input_rectified"):
                rectified(model, d)
        else:
            assert_undone(model, d, *likes[right])
    assert len(rows) >= 10


def test_depth_and_labels_take_the_nearest_pixel_and_not_the_one_before() -> None:
    """Within half a pixel, that is: the floor would move depth and labels by half a pixel against the image."""
    camera = CameraModel.from_camera_info(info("plumb_bob", FIVE), WIDTH, HEIGHT, rectified=False)
    matrix = np.reshape(K, (3, 3))
    maps = cv2.initUndistortRectifyMap(matrix, np.array(FIVE), np.eye(3), matrix, (WIDTH, HEIGHT), cv2.CV_32FC1)
    for source, places in zip(maps, (np.arange(WIDTH)[None], np.arange(HEIGHT)[:, None]), strict=True):
        plane = np.broadcast_to(places, (HEIGHT, WIDTH)).astype(np.float32)
        taken = camera.rectify_plane(plane, np.nan)
        assert np.isnan(taken[~camera.valid]).all()
        error = (taken - source)[camera.valid]
        assert np.abs(error).max() < 0.5 + 1 / 32
        assert abs(error.mean()) < 0.1
