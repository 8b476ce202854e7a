"""The light runtime on the wire (`make test-light`): no PyTorch in the node, and the full environment's answers."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from light_network import light_network
from output_arrays import pixels
from sensor_msgs.msg import CameraInfo, Image

pytestmark = pytest.mark.skipif(
    light_network("small") is None or importlib.util.find_spec("torch") is not None,
    reason="for an environment without PyTorch: make test-light",
)

DEPTH, LABELS, CONFIDENCE = "depth_registered/image_rect", "semantic/image_raw", "semantic/confidence"
# What a node does without while it predicts: by the names of shared libraries and of Python packages.
ABSENT = ("torch", "timm", "safetensors", "open3d", "sympy", "onnx/", "mpmath")
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    """What PyTorch predicted in the full environment, in float32 with the weights that ship."""
    path = Path(os.environ["CINET_LIGHT_NETWORKS"]) / "answers.npz"
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_its_answers_are_those_of_the_full_environment(
    backend: str,
    start: Callable[..., Any],
    own_wire: Any,
    make_image: Callable[..., Image],
    make_info: Callable[..., CameraInfo],
    expected: dict[str, np.ndarray],
) -> None:
    """The installed node with the weights that ship; a function of its own, so that it ends before the next."""
    node = start("perception_node", {"weights": "default", "backend": backend}, until="activated", installed=True)
    for topic in (DEPTH, LABELS, CONFIDENCE):
        own_wire.subscribe(topic, Image)
    image = make_image(expected["image"])
    height, width = expected["image"].shape[:2]
    info = make_info(image, width, height, fx=float(expected["fx"]))
    got = own_wire.exchange(image, info, [DEPTH, LABELS, CONFIDENCE])
    np.testing.assert_allclose(pixels(got[DEPTH]), expected["depth"], rtol=1e-3)
    assert (pixels(got[LABELS]) == expected["labels"]).mean() >= 0.999
    difference = np.abs(pixels(got[CONFIDENCE]).astype(int) - expected["confidence"])
    assert difference.max() <= 2
    maps = Path(f"/proc/{node.process.pid}/maps").read_text(encoding="utf-8")
    loaded = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if ".so" in line}
    assert any(backend in path for path in loaded), "the process that was looked at is the node"
    assert not [path for path in loaded if any(f"/{name}" in path for name in ABSENT)]


def test_at_rest_the_node_is_small(start: Callable[..., Any], own_wire: Any) -> None:
    """Without the shared memory that Fast DDS has for what it sends."""
    node = start("perception_node", {"weights": "default", "backend": "openvino"}, until="activated", installed=True)
    time.sleep(1.0)
    status = Path(f"/proc/{node.process.pid}/status").read_text(encoding="utf-8")
    kilobytes = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in status.splitlines())
                 if name in ("VmRSS", "RssShmem")}  # fmt: skip
    assert (kilobytes["VmRSS"] - kilobytes["RssShmem"]) * 1024 < 350 * MEBIBYTE
