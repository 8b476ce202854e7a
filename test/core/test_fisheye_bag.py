"""A fisheye camera whose driver writes five coefficients, in a bag: its frames are rectified with four."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from field_cases import field_cases

from cinet_core.bags.frames import RecordedImages
from cinet_core.bags.reader import BagReader
from cinet_core.bags.topics import CAMERA_INFO
from cinet_core.messages.settings import OutputSettings

K = np.array([[140.0, 0.0, 79.5], [0.0, 140.0, 59.5], [0.0, 0.0, 1.0]])
D = np.array([-0.009, 0.046, -0.043, 0.008])


@pytest.fixture
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return field_cases(tmp_path_factory) / "bags" / "fisheye_five"


def test_the_frames_of_the_shared_bag_are_rectified(bag: Path) -> None:
    with BagReader(str(bag)) as reader:
        messages = {item.msgtype: data for item, _, data in reader.messages(reader.connections)}
        topics = sorted(reader.connections, key=lambda item: item.msgtype == CAMERA_INFO)
    image, info = (messages[item.msgtype] for item in topics)
    (recorded, prepared) = (
        RecordedImages(topics[0], topics[1].topic, OutputSettings(input_rectified=rectified))(image, info)
        for rectified in ("true", "false")
    )
    u, v = cv2.fisheye.initUndistortRectifyMap(K, D, np.eye(3), K, (160, 120), cv2.CV_32FC1)
    expected = cv2.remap(recorded.image, u, v, cv2.INTER_LINEAR)[4:-4, 4:-4].astype(int)
    assert np.abs(prepared.image[4:-4, 4:-4] - expected).mean() < 1
    assert np.abs(recorded.image[4:-4, 4:-4] - expected).mean() > 3
    assert prepared.intrinsics is not None
    assert prepared.intrinsics.fx == 140.0
