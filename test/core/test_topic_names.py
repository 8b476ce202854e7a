"""What names of image topics say, word by word."""

from __future__ import annotations

import pytest

from cinet_core.messages.topic_names import arrive_rectified, base_topic, is_rectified, words


@pytest.mark.parametrize(
    "topic",
    [
        "image_rect",
        "/image_rect",
        "/camera/image_rect_color",
        "/camera/color/image_rect_color/compressed",
        "/camera/infra1/image_rect_raw",
        "/camera/infra1/image_rect_raw/compressed",
        "/camera/aligned_depth/image_rect/compressedDepth",
        "/camera/image_rectified",
        "/camera/rect_image",
        "/camera/imageRect",
        "/camera/IMAGE_RECT",
        "/stereo/left_rect/image",
        "/camera/rect/image",
        "/camera/rect/image_raw",
        "/zed/zed_node/rgb/color/rect/image",
        "/zed/zed_node/rgb/color/rect/image/compressed",
        "/kinect2/hd/image_color_rect",
    ],
)
def test_a_rectified_image_is_named_so_in_the_last_parts(topic: str) -> None:
    assert is_rectified(topic)
    assert arrive_rectified("auto", topic)
    assert not arrive_rectified("false", topic)


@pytest.mark.parametrize(
    "topic",
    [
        "/direct_drive/camera/image_raw",
        "/direct_drive/image",
        "/camera/direct/image",
        "/camera/direct",
        "/rectangle/image",
        "/camera/rectangles",
        "/corrected/image_raw",
        "/erect/image",
        "/rectified_cam/image_raw",
        "/rectified_cam/image_raw/compressed",
        "/rect_robot/camera/image",
        "/rect/robot/camera/image_raw",
        "/camera/image_unrectified",
        "/zed/zed_node/rgb/color/raw/image",
        "image",
        "/image",
    ],
)
def test_rect_within_a_word_or_in_front_says_nothing(topic: str) -> None:
    assert not is_rectified(topic)
    assert not arrive_rectified("auto", topic)
    assert arrive_rectified("true", topic)


def test_a_transport_is_no_part_of_the_image_topic() -> None:
    assert base_topic("/cam/image_raw/compressed") == "/cam/image_raw"
    assert base_topic("/cam/depth/image/compressedDepth") == "/cam/depth/image"
    assert base_topic("/cam/image_raw") == "/cam/image_raw"
    assert base_topic("/compressed") == "/compressed"
    assert base_topic("image/theora") == "image"


def test_words_end_at_underscores_capitals_and_digits() -> None:
    assert words("aligned_depth_to_infra1") == ["aligned", "depth", "to", "infra", "1"]
    assert words("imageRawColor") == ["image", "raw", "color"]
    assert words("RGBImage_2") == ["rgb", "image", "2"]
    assert words("depth2rgb") == ["depth", "2", "rgb"]
