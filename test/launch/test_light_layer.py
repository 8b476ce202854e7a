"""The light layer: its size, and wheels of it for aarch64."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from scripts import light_layer


def test_packages_are_those_of_the_pinned_set_once_each(tmp_path: Path) -> None:
    path = tmp_path / "pins.txt"
    path.write_text(
        "# heading\nnumpy==1 ; python_full_version < '3.11'\nnumpy==2 ; python_full_version >= '3.11'\nrich==1\n"
    )
    assert light_layer.names(path) == ["numpy", "rich"]
    assert {"numpy", "openvino", "onnxruntime", "opencv-python-headless"} <= set(light_layer.names())


def test_a_package_is_as_large_as_the_files_that_it_brought() -> None:
    part = light_layer.package("numpy")
    assert part is not None
    (folder,) = importlib.util.find_spec("numpy").submodule_search_locations  # type: ignore[union-attr]
    inside = sum(file.stat().st_blocks * 512 for file in Path(folder).rglob("*") if file.is_file()) / 1e6
    assert 0.9 * inside <= part.megabytes <= 2.5 * inside, "with its libraries beside it"
    assert light_layer.package("no-such-package") is None


def test_ours_has_the_default_weights() -> None:
    weights = light_layer.ROOT / "cinet_core" / "weights" / "lite.onnx"
    assert weights.stat().st_size / 1e6 < light_layer.ours().megabytes < 120


def test_the_light_layer_is_small_where_it_is_installed() -> None:
    parts = light_layer.layer()
    if len(parts) < len(light_layer.names()) / 2 or light_layer.package("opencv-python-headless") is None:
        pytest.skip(
            "the light set is not what is installed here: make test-light PYTEST_ARGS=test/launch/test_light_layer.py"
        )
    assert [part.megabytes for part in parts] == sorted((part.megabytes for part in parts), reverse=True)
    assert 200 < sum(part.megabytes for part in parts) < light_layer.LIMIT


@pytest.mark.network
@pytest.mark.parametrize("python", light_layer.PYTHONS)
def test_wheels_for_aarch64_resolve(python: str) -> None:
    pytest.importorskip("uv", reason="uv is not installed")
    assert light_layer.missing_wheels(python) is None
