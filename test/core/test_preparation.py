"""From an image message to what the network takes, for the node and for bags alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags")

import made_bags
from made_bags import FOCAL, HEIGHT, WIDTH

from cinet_core.geometry import Intrinsics
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import decode_image
from cinet_core.messages.preparation import ImagePreparation
from cinet_core.messages.settings import OutputSettings
from cinet_core.messages.stamps import BACKWARD, DUPLICATE, ZERO, StampWatch

BARREL = (0.3, 0.1, 0.0, 0.0, 0.0)


def preparation(topic: str = "/cam/image_raw", info_topic: str | None = "/cam/camera_info") -> ImagePreparation:
    return ImagePreparation(decode_image, topic, info_topic)


def image(width: int = WIDTH, height: int = HEIGHT) -> Any:
    return made_bags.image(made_bags.START, made_bags.rgb_image(1, width, height))


def camera_info(**values: Any) -> Any:
    return made_bags.camera_info(made_bags.START, **values)


def test_an_undistorted_image_is_taken_as_it_is() -> None:
    message = image()
    prepared = preparation()(message, camera_info, OutputSettings())
    np.testing.assert_array_equal(prepared.image, made_bags.rgb_image(1))
    assert prepared.message is message
    assert prepared.valid is None
    assert prepared.intrinsics == Intrinsics(FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, WIDTH, HEIGHT)
    assert prepared.camera is not None
    assert prepared.uncalibrated is None
    assert list(prepared.seconds) == ["decode", "rectify"]


@pytest.mark.parametrize(
    ("topic", "setting", "moved"),
    [
        ("/cam/image_raw", "auto", True),
        ("/cam/image_rect", "auto", False),
        ("/cam/image_raw", "true", False),
        ("/cam/image_rect", "false", True),
    ],
)
def test_a_distorted_image_is_rectified_unless_it_arrives_so(topic: str, setting: str, moved: bool) -> None:
    settings = OutputSettings(input_rectified=setting)
    prepared = preparation(topic)(image(), lambda: camera_info(d=BARREL), settings)
    assert np.array_equal(prepared.image, made_bags.rgb_image(1)) != moved
    assert (prepared.valid is not None) == moved


@pytest.mark.parametrize(
    ("info_topic", "info", "cause"),
    [
        ("/cam/camera_info", None, "no camera_info on /cam/camera_info"),
        (None, None, "there is no camera_info"),
        ("/cam/camera_info", camera_info(focal=0.0), "not calibrated"),
    ],
)
def test_without_a_calibration_the_field_of_view_is_assumed_or_nothing(
    info_topic: str | None, info: Any, cause: str
) -> None:
    prepare = preparation(info_topic=info_topic)
    for fov, intrinsics in ((0.0, None), (70.0, Intrinsics.from_fov(WIDTH, HEIGHT, 70.0))):
        prepared = prepare(image(), lambda: info, OutputSettings(assumed_fov=fov))
        assert prepared.intrinsics == intrinsics
        assert prepared.camera is None
        assert cause in (prepared.uncalibrated or "")
    assert prepare(image(), camera_info, OutputSettings()).uncalibrated is None


@pytest.mark.parametrize(
    ("message", "info", "reason", "words"),
    [
        (image(15, 24), None, "size", "15x24: the network needs 16 pixels a side"),
        (image(), camera_info(width=HEIGHT, height=WIDTH), "aspect", "another aspect"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(message: Any, info: Any, reason: str, words: str) -> None:
    with pytest.raises(ConversionError, match=words) as error:
        preparation()(message, lambda: info, OutputSettings())
    assert error.value.reason == reason


def test_camera_info_is_asked_for_once_the_image_is_decoded() -> None:
    done: list[str] = []

    def decode(message: Any) -> Any:
        done.append("decoded")
        return decode_image(message)

    def ask() -> Any:
        done.append("asked")
        raise ConversionError("waiting", "not yet")

    with pytest.raises(ConversionError, match="not yet"):
        ImagePreparation(decode, "/image", None)(image(), ask, OutputSettings())
    assert done == ["decoded", "asked"]
    broken = image()
    broken.encoding = "nonsense"
    with pytest.raises(ConversionError, match="nonsense"):
        ImagePreparation(decode, "/image", None)(broken, ask, OutputSettings())
    assert done == ["decoded", "asked", "decoded"]


def test_odd_stamps_are_told_by_the_one_before() -> None:
    watch = StampWatch()
    assert [watch.odd(stamp) for stamp in (5, 5, 3, 0, 0, 9)] == [None, DUPLICATE, BACKWARD, ZERO, ZERO, None]
