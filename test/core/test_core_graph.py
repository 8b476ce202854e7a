"""The core graph: one file for every size, which gives PyTorch's answer without PyTorch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_images import detailed_images

from cinet_core.checkpoint import Checkpoint, CheckpointError, load_checkpoint, read_metadata, weights_path
from cinet_core.cli import main
from cinet_core.inference import core_selection
from cinet_core.inference.agreement import difference
from cinet_core.inference.background import BackgroundBackend
from cinet_core.inference.core_backend import CoreBackend, GraphSizes
from cinet_core.inference.core_graph import CoreGraph, load_core_graph
from cinet_core.inference.core_selection import CANDIDATES, check_reference, select_core
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.networks import named_network
from cinet_core.inference.numpy_resampling import Shrink, resized
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.resampling import AntialiasedResize, NearestResize
from cinet_core.inference.torch_backend import TorchBackend
from cinet_core.model_metadata import default_graph
from cinet_core.tasks import TASKS
from cinet_core.tasks.learning import GraphContext, task_learning

onnx = pytest.importorskip("onnx")
for runtime in CANDIDATES:
    pytest.importorskip(runtime)

ROOT = Path(__file__).parents[2]
ALL_TASKS = tuple(task.name for task in TASKS)
# Image, network and output: a camera's usual halving, other aspects, odd sides, nothing to resize, and an enlargement.
SIZES = [
    ((96, 128), (48, 64), (96, 128)),
    ((90, 160), (51, 90), (90, 160)),
    ((75, 101), (49, 67), (37, 50)),
    ((48, 64), (48, 64), (48, 64)),
    ((40, 56), (64, 96), (40, 56)),
]


@pytest.fixture(scope="module")
def checkpoint(all_tasks_checkpoint: Checkpoint) -> Checkpoint:
    return all_tasks_checkpoint


@pytest.fixture(scope="module")
def graph(core_graph_file: Path) -> CoreGraph:
    return load_core_graph(core_graph_file)


def images(size: tuple[int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images, and intrinsics: every camera is another."""
    focal = np.linspace(40, 70, count, dtype=np.float32)
    intrinsics = np.stack([focal, focal * 1.1, focal * 0 + size[1] / 2, focal * 0 + size[0] / 2], axis=1)
    return detailed_images(size, count), intrinsics


@pytest.mark.parametrize("name", CANDIDATES)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_answer_is_that_of_the_deployable_graph(
    name: str, sizes: tuple[tuple[int, int], ...], checkpoint: Checkpoint, graph: CoreGraph
) -> None:
    image, network, output = sizes
    given = images(image, 2)
    parts = checkpoint.model, checkpoint.metadata.camera, image, network, output
    everything = TorchBackend(DeployableGraph(*parts, (1e-3, 1e3))).run(*given)["depth"]
    limits = tuple(np.quantile(everything, (0.2, 0.8)).tolist())  # so that there are invalid pixels
    whole = DeployableGraph(*parts, limits)
    backend = CoreBackend(graph, GraphSizes(image, network, output, limits), name)
    got, expected = backend.run(*given), TorchBackend(whole).run(*given)
    assert list(got.outputs) == list(expected.outputs)
    for one, values in expected.outputs.items():
        assert (got[one].shape, got[one].dtype) == (values.shape, values.dtype)
    assert 0.5 < np.isfinite(expected["depth"]).mean() < 0.7
    found = difference(got, expected)
    assert found["depth"] < 1e-4
    assert found["labels"] > 0.98  # random logits are near each other, and each pixel where they are decided is several
    differ = got["labels"] != expected["labels"]
    sure = got["confidence"].astype(int) - expected["confidence"]
    assert np.abs(sure[differ]).max(initial=0) <= 1, "labels may differ only where two classes tie"
    assert found["normals"] < 1e-3
    assert found["boundaries"] <= 1.01 / 255
    assert np.abs(got["confidence"].astype(int) - expected["confidence"]).mean() < 0.1
    before = got["depth"].copy()
    got["depth"][:] += 1  # the caller's own
    np.testing.assert_array_equal(backend.run(*given)["depth"], before)
    backend.close()


@pytest.mark.parametrize(
    "sizes", [((96, 128), (48, 64)), ((90, 99), (30, 33)), ((75, 101), (49, 67)), ((40, 56), (64, 96))]
)
def test_resampling_is_that_of_the_graph(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    before, after = sizes
    image = np.random.default_rng(2).integers(0, 256, (*before, 3), dtype=np.uint8)
    ours, theirs = Shrink(before, after)(image), AntialiasedResize(before, after)
    expected = theirs(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0)
    np.testing.assert_allclose(ours, expected, atol=5e-3)  # of 255; torch has weights of float32
    nearest = NearestResize(before, after)(torch.from_numpy(image[None, ..., 0]))[0]
    np.testing.assert_array_equal(resized(image[..., 0], after, "nearest"), nearest)
    depth = image.astype(np.float32)
    smooth = torch.nn.functional.interpolate(
        torch.from_numpy(depth).permute(2, 0, 1)[None], size=after, mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(resized(depth, after, "bilinear"), smooth[0].permute(1, 2, 0), atol=5e-3)


@pytest.mark.parametrize("task", task_learning(ALL_TASKS), ids=ALL_TASKS)
def test_every_task_is_finished_as_the_graph_does(task: Any) -> None:
    """With what is out of range, and what has no direction."""
    generator = np.random.default_rng(3)
    context = GraphContext(torch.ones(1, 4), torch.ones(1, 1, 1), (1.0, 2.0), in_one_pass=True)
    values = {}
    for spec in task.spec.outputs:
        shape = (24, 32, spec.channels) if spec.channels else (24, 32)
        values[spec.name] = generator.uniform(-1, 3, shape).astype(np.float32)
        if spec.dtype == "uint8":
            values[spec.name] = np.clip(100 * values[spec.name], 0, 255)
        values[spec.name][:2] = 0
        if spec.resize == "nearest":
            values[spec.name] = values[spec.name].astype(spec.dtype)
    tensors = {
        name: torch.from_numpy(array.copy() if array.ndim == 2 else np.moveaxis(array, 2, 0).copy())[None]
        for name, array in values.items()
    }
    expected = task.finish(tensors, context)
    found = values if task.spec.finish is None else task.spec.finish(values, context.depth_range)
    assert found.keys() == expected.keys()
    for spec in task.spec.outputs:
        theirs = expected[spec.name][0]
        theirs = theirs.permute(1, 2, 0) if theirs.dim() == 3 else theirs
        assert found[spec.name].dtype == spec.dtype
        np.testing.assert_allclose(found[spec.name], theirs, rtol=1e-6)


# The file that ships


def test_the_graph_that_ships_is_of_the_weights_that_ship() -> None:
    """Where this fails: cinet export default cinet_core/weights/lite.onnx --any-size."""
    shipped, weights = load_core_graph(), weights_path("default")
    assert shipped.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert shipped.metadata == read_metadata(weights) == read_metadata(default_graph())
    assert default_graph().stat().st_size < 1.1 * weights.stat().st_size


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_graph_that_ships_answers_as_its_weights_did(name: str) -> None:
    check_reference(load_core_graph(), name, "float32")


@pytest.mark.parametrize("size", [(48, 64), (45, 80)])
def test_the_graph_that_ships_has_the_weights_answer(size: tuple[int, int]) -> None:
    checkpoint, shipped = load_checkpoint("default"), load_core_graph()
    image = (2 * size[0], 2 * size[1])
    whole = DeployableGraph(checkpoint.model, checkpoint.metadata.camera, image, size)
    backend = CoreBackend(shipped, GraphSizes(image, size, image, whole.depth_range), "openvino")
    given = images(image, 1)
    found = difference(backend.run(*given), TorchBackend(whole).run(*given))
    assert found["depth"] < 1e-3
    assert found["labels"] > 0.999


# Without PyTorch


def test_without_torch_the_default_weights_answer_as_they_did(tmp_path: Path) -> None:
    """In a process where torch cannot be imported: the stored answer of the weights, and what was not imported."""
    code = """
import json, sys
for name in ("torch", "timm", "torchvision", "safetensors", "open3d", "onnx"):
    sys.modules[name] = None
import cinet_core
with cinet_core.load(backend="openvino") as predictor:
    prediction = predictor("docs/example_room.jpg", fov=57)
prediction.save(sys.argv[1])
places = (slice(20, 240, 40), slice(20, 320, 40))
print(json.dumps([prediction.depth[places].tolist(), prediction.labels[places].tolist(), predictor.model_hash]))
"""
    environment = {"XDG_CACHE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    depth, labels, digest = json.loads(done.stdout)
    stored = json.loads((ROOT / "test" / "data" / "shipped_answer.json").read_text(encoding="utf-8"))
    assert np.abs(np.array(depth) / np.array(stored["depth"]) - 1).max() < 0.02
    assert (np.array(labels) == stored["labels"]).sum() >= 46  # of 48
    assert digest == hashlib.sha256(weights_path("default").read_bytes()).hexdigest()
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".ply", ".png", ".png", ".png"]


def test_what_takes_torch_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert named_network("default").sha256 == load_core_graph().sha256
    with pytest.raises(CheckpointError, match=r"cinet export .*model\.safetensors .*model\.onnx --any-size"):
        named_network(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="random weights are made by PyTorch"):
        named_network("random")
    with pytest.raises(ValueError, match="config 'lite' chooses the network"):
        named_network("default", "lite")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "cuda"}, "device 'cuda' takes PyTorch"),
        ({"backend": "torch_compile"}, "takes a checkpoint"),
        ({"backend": "tensorrt"}, "does not run on cpu"),
        ({"backend": "fast"}, "backend is 'fast'"),
        ({"precision": "int8"}, "precision int8 is made of a checkpoint"),
        ({"precision": "double"}, "precision is 'double'"),
    ],
)
def test_what_a_core_graph_cannot_do_is_refused(arguments: dict[str, Any], message: str, graph: CoreGraph) -> None:
    with pytest.raises(ValueError, match=message):
        Predictor(graph, **arguments)


# Selection


def sizes_of(graph: CoreGraph) -> GraphSizes:
    size = graph.metadata.camera.size
    return GraphSizes(size, size, size, graph.metadata.depth_range)


def test_auto_measures_once_and_remembers(graph: CoreGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = select_core("auto", graph, sizes_of(graph), folder=tmp_path)
    assert all(name in first.reason for name in CANDIDATES)
    monkeypatch.setattr(core_selection, "check_reference", None)  # would be called
    monkeypatch.setattr(core_selection, "measured_times", None)
    again = select_core("auto", graph, sizes_of(graph), folder=tmp_path)
    assert (again.name, again.reason.startswith("fastest here when measured")) == (first.name, True)


def test_in_the_background_the_first_runtime_predicts_meanwhile(graph: CoreGraph, tmp_path: Path) -> None:
    backend = select_core("auto", graph, sizes_of(graph), background=True, folder=tmp_path)
    assert isinstance(backend, BackgroundBackend)
    assert backend.name == CANDIDATES[0]
    assert backend.wait(60)
    backend.run(*images(sizes_of(graph).image, 1))
    assert "fastest here" in backend.reason
    backend.close()


def test_a_runtime_that_answers_otherwise_is_not_taken(graph: CoreGraph, tmp_path: Path) -> None:
    depth = graph.reference["depth"]
    other = dataclasses.replace(graph, reference={**graph.reference, "depth": depth * np.float32(1.01)})
    with pytest.raises(RuntimeError, match="depth differs by up to"):
        select_core("openvino", other, sizes_of(graph), folder=tmp_path)
    with pytest.raises(RuntimeError, match="none of openvino, onnxruntime runs this graph"):
        select_core("auto", other, sizes_of(graph), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_done_without(graph: CoreGraph, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    backend = select_core("onnxruntime", graph, sizes_of(graph), folder=tmp_path / "file" / "cache")
    assert backend.run(*images(sizes_of(graph).image, 1))["depth"].shape == (1, *sizes_of(graph).image)


# The command


def test_the_command_writes_what_is_read(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cinet_core.checkpoint import save_checkpoint

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights, path = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    save_checkpoint(weights, checkpoint.model, checkpoint.metadata)
    assert main(["export", str(weights), str(path), "--any-size"]) == 0
    assert "every size" in capsys.readouterr().out
    assert load_core_graph(path).sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert main(["info", str(path)]) == 0
    assert "64x48" in capsys.readouterr().out
    to = ["--weights", str(path), "--output", str(tmp_path), "--backend", "onnxruntime"]
    assert main(["predict", "docs/example_room.jpg", "--fov", "57", *to]) == 0
    assert (tmp_path / "example_room_normals.png").is_file()
    assert main(["export", str(weights), str(tmp_path / "model.graph"), "--any-size"]) == 2
    assert "does not end in .onnx" in capsys.readouterr().err
