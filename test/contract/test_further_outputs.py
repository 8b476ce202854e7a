"""The topics of weights that have learnt surface normals and occlusion boundaries, on the wire."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from light_network import HAS_TORCH
from output_arrays import pixels
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

WIDTH, HEIGHT = 160, 120
FRAME_ID = "front_camera_optical_frame"
TOPICS = ("normals/image_raw", "boundaries/image_raw", "boundaries/image_raw/compressed", "depth_registered/image_rect")


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any], all_tasks_weights: Path) -> Any:
    """The node with a tiny network of all tasks."""
    backend = "torch" if HAS_TORCH else "onnxruntime"
    parameters = {"weights": str(all_tasks_weights), "network_width": 80, "network_height": 64, "backend": backend}
    return start_for_module("perception_node", parameters, until="configured")


def test_normals_and_boundaries(
    wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> None:
    for topic in TOPICS:
        wire.subscribe(topic, CompressedImage if topic.endswith("compressed") else Image)
    rgb = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image = make_image(rgb, FRAME_ID)
    got = wire.exchange(image, make_info(image, width=WIDTH, height=HEIGHT), list(TOPICS))
    for topic in TOPICS:
        assert got[topic].header == image.header, topic
    message = got["normals/image_raw"]
    assert (message.width, message.height, message.encoding, message.step) == (WIDTH, HEIGHT, "32FC3", 12 * WIDTH)
    assert message.is_bigendian == (sys.byteorder == "big")
    normals = np.frombuffer(message.data, np.float32).reshape(HEIGHT, WIDTH, 3)
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 1e-5
    assert (normals[..., 2] < 0).all()  # towards the camera: the answer of an untrained head
    message = got["boundaries/image_raw"]
    assert (message.width, message.height, message.encoding, message.step) == (WIDTH, HEIGHT, "mono8", WIDTH)
    boundaries = pixels(message)
    assert boundaries.max() < 128  # likewise
    compressed = got["boundaries/image_raw/compressed"]
    assert compressed.format == "mono8; png compressed "
    decoded = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded, boundaries)
