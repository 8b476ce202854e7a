"""Precision int8: the network in 8-bit integers, with ranges from synthetic rooms."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_network import tiny_checkpoint

from cinet_core.checkpoint import DEFAULT_WEIGHTS, Checkpoint, load_checkpoint, save_checkpoint
from cinet_core.cli import main
from cinet_core.inference import quantization
from cinet_core.inference.agreement import INTEGERS, difference
from cinet_core.inference.availability import check_backend, missing_requirement
from cinet_core.inference.choices import INT8
from cinet_core.inference.engine_cache import EngineCache
from cinet_core.inference.example_rooms import CALIBRATION, COMPARISON, example_rooms
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import METADATA_KEY, ExportError
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.runtimes import RUNTIMES
from cinet_core.inference.selection import select
from cinet_core.inference.torch_backend import TorchBackend
from cinet_core.rooms.raycast import SyntheticRooms

CPU = torch.device("cpu")
SIZE = (120, 160)
RUNTIMES_HERE = ("openvino", "onnxruntime")
LACKING = [text for name in RUNTIMES_HERE if (text := missing_requirement(name, CPU, INT8))]

needs_int8 = pytest.mark.skipif(bool(LACKING), reason=str(LACKING))


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load_checkpoint(DEFAULT_WEIGHTS)


@pytest.fixture(scope="module")
def graph(checkpoint: Checkpoint) -> DeployableGraph:
    return DeployableGraph(checkpoint.model, checkpoint.metadata.camera, SIZE, SIZE)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: export and quantisation take ten seconds each."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def quantized(checkpoint: Checkpoint, graph: DeployableGraph, cache: Path) -> Path:
    return EngineCache(cache, checkpoint, graph, INT8).onnx()


def other_rooms(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rooms that were seen neither in the calibration nor in the comparison."""
    rooms = SyntheticRooms(count, 7, SIZE[1], SIZE[0])
    views = [rooms.view(index) for index in range(count)]
    cameras = [view.camera.intrinsics for view in views]
    images = rooms.render_views(views).images.permute(0, 2, 3, 1).numpy()
    return images, np.array([(k.fx, k.fy, k.cx, k.cy) for k in cameras], dtype=np.float32)


def test_stored_rooms_are_those_of_the_generator() -> None:
    """But for what WebP loses; those of the calibration are others than those that backends are compared on."""
    assert not set(COMPARISON) & set(CALIBRATION)
    for seed, stored in ((0, COMPARISON), (1, CALIBRATION)):
        rooms = SyntheticRooms(len(stored), seed, 320, 240)
        view = rooms.view(2)
        (image,), ((fx, fy, cx, cy),) = example_rooms((240, 320), stored[2:3])
        rendered = rooms.render_views([view]).images[0].permute(1, 2, 0).numpy()
        assert np.abs(image.astype(float) - rendered).mean() < 6
        camera = view.camera.intrinsics
        assert (fx, fy, cx, cy) == pytest.approx((camera.fx, camera.fy, camera.cx, camera.cy), abs=1e-3)
    with pytest.raises(IndexError):
        example_rooms((24, 32), range(CALIBRATION.stop, CALIBRATION.stop + 1))


def test_stored_rooms_take_their_cameras_with_them() -> None:
    images, intrinsics = example_rooms((120, 160), COMPARISON)
    assert images.shape == (4, 120, 160, 3)
    assert images.dtype == np.uint8
    np.testing.assert_allclose(example_rooms((480, 640), COMPARISON)[1], 4 * intrinsics, rtol=1e-6)


@needs_int8
@pytest.mark.parametrize("name", RUNTIMES_HERE)
def test_the_answer_is_near_that_of_pytorch(
    name: str, checkpoint: Checkpoint, graph: DeployableGraph, cache: Path, quantized: Path
) -> None:
    images, intrinsics = other_rooms(3)
    backend = select(name, checkpoint, graph, INT8, cache)
    got, expected = backend.run(images, intrinsics), TorchBackend(graph).run(images, intrinsics)
    backend.close()
    assert not np.array_equal(got["depth"], expected["depth"])
    found = difference(got, expected, INTEGERS.percentile)
    assert found["depth"] < INTEGERS.error
    assert found["labels"] > INTEGERS.equal
    assert difference(got, expected, 99)["depth"] < 0.15  # no far wall cut off


@needs_int8
def test_depth_follows_the_focal_length_as_before(graph: DeployableGraph, quantized: Path) -> None:
    """Its scale is outside of what is quantised, or it would be kept in the range of the calibration's cameras."""
    images, intrinsics = example_rooms(SIZE, COMPARISON[:1])
    backend = RUNTIMES["openvino"](quantized, CPU, INT8)
    once, thrice = (backend.run(images, intrinsics * np.float32([[k, k, 1, 1]]))["depth"] for k in (1, 3))
    both = np.isfinite(once) & np.isfinite(thrice)
    assert both.mean() > 0.2
    np.testing.assert_allclose(thrice[both], 3 * once[both], rtol=1e-3)


@needs_int8
def test_what_is_quantised_is_what_is_said(quantized: Path) -> None:
    import onnx

    model = onnx.load(quantized)
    onnx.checker.check_model(model)
    weights = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    floating = [name for name in weights if name.endswith("weight")]
    encoder = [name for name in floating if name.startswith("model.encoder.")]
    last = [f"model.decoders.stages.2.depth.conv_{kind}.weight" for kind in ("dw", "pw")]
    assert set(floating) - set(encoder) == {*last, "model.depth_head.conv.weight"}
    assert any("conv_stem" in name for name in encoder)
    late = [name for name in encoder if any(f"blocks.{block}." in name for block in (3, 4, 5, 6))]
    assert late
    assert all("conv_dw" in name for name in late)
    integers = [item for item in model.graph.initializer if item.data_type == onnx.TensorProto.INT8]
    assert sum(np.prod(item.dims) for item in integers) > 2_000_000  # of 3.3 million parameters


@needs_int8
def test_the_file_says_of_what_it_is(quantized: Path, checkpoint: Checkpoint) -> None:
    import onnx

    model = onnx.load(quantized)
    facts = json.loads({item.key: item.value for item in model.metadata_props}[METADATA_KEY])
    assert facts["sha256"] == checkpoint.sha256
    assert [node.name for node in model.graph.input] == ["image", "intrinsics"]
    assert [node.name for node in model.graph.output] == ["depth", "labels", "confidence"]
    assert quantized.stat().st_size < 0.5 * (quantized.parent / "graph.onnx").stat().st_size


@needs_int8
def test_it_is_quantised_once(
    checkpoint: Checkpoint, graph: DeployableGraph, cache: Path, quantized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("written again"))
    assert EngineCache(cache, checkpoint, graph, INT8).onnx() == quantized
    assert EngineCache(cache, checkpoint, graph, "float32").onnx() == quantized.parent / "graph.onnx"
    backend = select("auto", checkpoint, graph, INT8, cache)
    assert "openvino" in backend.reason
    backend.close()


@needs_int8
def test_a_file_that_cannot_be_quantised_is_told(tmp_path: Path) -> None:
    broken, target = tmp_path / "graph.onnx", tmp_path / "int8.onnx"
    broken.write_bytes(b"no such thing")
    with pytest.raises(ExportError, match="Error parsing message"):
        quantization.quantize_in_child(broken, target)
    assert not target.exists()


@needs_int8
def test_export_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At sizes that are no multiple of anything."""
    checkpoint = tiny_checkpoint(seed=3)
    weights, output = tmp_path / "w.safetensors", tmp_path / "graph.onnx"
    save_checkpoint(weights, checkpoint.model, checkpoint.metadata)
    sizes = ["--image-size", "100", "60", "--network-size", "51", "37", "--output-size", "50", "40"]
    assert main(["export", str(weights), str(output), *sizes, "--precision", "int8"]) == 0
    assert "image 100x60, network 51x37, output 50x40" in capsys.readouterr().out
    for name in RUNTIMES_HERE:
        output_of = RUNTIMES[name](output, CPU, INT8).run(*example_rooms((60, 100), COMPARISON[:1]))
        assert output_of["depth"].shape == (1, 40, 50)


def test_where_there_are_none_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    random = tiny_checkpoint()
    with pytest.raises(ValueError, match="backend torch has no int8: set precision to float32, or backend to openvino"):
        Predictor(random, "cpu", precision=INT8)
    with pytest.raises(ValueError, match="precision is int8, which is for a CPU, but the device is cuda"):
        check_backend("auto", INT8, torch.device("cuda:0"))

    def find_spec(name: str) -> object | None:
        return None if name == "onnxruntime" else object()

    monkeypatch.setattr("importlib.util.find_spec", find_spec)
    with pytest.raises(ValueError, match="backend openvino needs: pip install onnxruntime"):
        Predictor(random, "cpu", backend="openvino", precision=INT8)
