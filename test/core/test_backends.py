"""Every backend runs the one graph and gives the one answer; the fastest is found once, and remembered."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_images import detailed_images
from tiny_network import tiny_checkpoint

from cinet_core import threads
from cinet_core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cinet_core.cli import main
from cinet_core.inference import availability, selection
from cinet_core.inference.agreement import FLOAT16, difference
from cinet_core.inference.availability import COMPILED, TORCH, missing_requirement
from cinet_core.inference.backend import BackendOutput
from cinet_core.inference.choices import BACKENDS
from cinet_core.inference.engine_cache import EngineCache
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import METADATA_KEY
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.runtimes import RUNTIMES, openvino_has_bfloat16, processor_has_int8
from cinet_core.inference.selection import CANDIDATES, needs_preparation, select
from cinet_core.inference.torch_backend import TorchBackend

IMAGE, NETWORK = (96, 128), (48, 64)
CPU = torch.device("cpu")
ON_CPU = CANDIDATES["cpu"]
LACKING = [missing_requirement(name, CPU) for name in ON_CPU if missing_requirement(name, CPU)]
needs_onnx = pytest.mark.skipif(bool(LACKING), reason=str(LACKING))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Weights that are not called random, or nothing would be prepared for them."""
    made = tiny_checkpoint(seed=3)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    facts = {**made.metadata.to_dict(), "random_weights": False}
    save_checkpoint(path, made.model, type(made.metadata).from_dict(facts))
    return load_checkpoint(path)


@pytest.fixture
def graph(checkpoint: Checkpoint) -> DeployableGraph:
    return DeployableGraph(checkpoint.model, checkpoint.metadata.camera, IMAGE, NETWORK)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: an export takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def exported(checkpoint: Checkpoint, graph: DeployableGraph, cache: Path, tmp_path: Path) -> Path:
    """A cache that holds the ONNX file and no times."""
    EngineCache(cache, checkpoint, graph, "float32").onnx()
    for file in cache.glob("*/graph.onnx"):
        (tmp_path / "cinet" / file.parent.name).mkdir(parents=True)
        shutil.copy(file, tmp_path / "cinet" / file.parent.name)
    return tmp_path / "cinet"


def rgb_images(count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Images and intrinsics."""
    return detailed_images(IMAGE, count), np.tile(np.float32([[300, 310, 64, 48]]), (count, 1))


@needs_onnx
@pytest.mark.parametrize("name", ON_CPU)
@pytest.mark.parametrize("count", [1, 3])
def test_the_answer_is_that_of_pytorch(
    name: str, count: int, checkpoint: Checkpoint, graph: DeployableGraph, cache: Path
) -> None:
    images, intrinsics = rgb_images(count)
    backend = select(name, checkpoint, graph, folder=cache)
    assert (backend.name, backend.device) == (name, "cpu")
    got, expected = backend.run(images, intrinsics), TorchBackend(graph).run(images, intrinsics)
    assert list(got.outputs) == list(expected.outputs) == ["depth", "labels", "confidence"]
    for mine, theirs in zip(got.outputs.values(), expected.outputs.values(), strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
    found = difference(got, expected)
    assert found["depth"] < 1e-3
    assert found["labels"] >= 0.999
    assert np.abs(got["confidence"].astype(int) - expected["confidence"]).max() <= 1
    before = got["depth"].copy()
    got["depth"][:] += 1  # the caller's own
    np.testing.assert_array_equal(backend.run(images, intrinsics)["depth"], before)
    backend.close()


@needs_onnx
def test_a_runtime_uses_the_threads_that_the_process_is_given(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime
    import openvino

    (path,) = exported.glob("*/graph.onnx")
    seen: dict[str, int] = {}
    session, compiled = onnxruntime.InferenceSession, openvino.Core.compile_model

    def start_session(file: str, options: Any, **kwargs: Any) -> Any:
        made = session(file, options, **kwargs)
        seen["onnxruntime"] = made.get_session_options().intra_op_num_threads
        return made

    def compile_model(core: Any, *arguments: Any) -> Any:
        made = compiled(core, *arguments)
        seen["openvino"] = made.get_property("INFERENCE_NUM_THREADS")
        return made

    monkeypatch.setattr(onnxruntime, "InferenceSession", start_session)
    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    monkeypatch.setattr(threads, "_in_use", 1)
    for name in ON_CPU:
        RUNTIMES[name](path, CPU).close()
    assert seen == dict.fromkeys(ON_CPU, 1)


@needs_onnx
def test_the_fastest_is_measured_once_and_loaded_from_then_on(
    checkpoint: Checkpoint, graph: DeployableGraph, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = select("auto", checkpoint, graph, folder=exported)
    assert first.reason.startswith("fastest here: ")
    assert all(name in first.reason for name in ("torch", *ON_CPU))
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("exported again"))
    monkeypatch.setattr(selection, "measured_times", lambda *a: pytest.fail("measured again"))
    again = select("auto", checkpoint, graph, folder=exported)
    assert again.name == first.name
    assert again.reason.startswith("fastest here when measured")


@needs_onnx
def test_what_was_measured_decides(checkpoint: Checkpoint, graph: DeployableGraph, exported: Path) -> None:
    select("auto", checkpoint, graph, folder=exported)
    (measured,) = exported.glob("*/times-*.json")
    for fastest in ("torch", *ON_CPU):
        times = {name: 1.0 if name == fastest else 50.0 for name in ("torch", *ON_CPU)}
        measured.write_text(json.dumps(times), encoding="utf-8")
        assert select("auto", checkpoint, graph, folder=exported).name == fastest
    measured.write_text("[broken", encoding="utf-8")
    assert select("auto", checkpoint, graph, folder=exported).reason.startswith("fastest here: ")


@needs_onnx
def test_a_runtime_that_answers_otherwise_is_not_taken(
    checkpoint: Checkpoint, graph: DeployableGraph, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RUNTIMES["openvino"].run

    def wrong(*arguments: Any) -> BackendOutput:
        output = run(*arguments)
        output.outputs["depth"] *= 1.01
        return output

    monkeypatch.setattr(RUNTIMES["openvino"], "run", wrong)
    with pytest.raises(RuntimeError, match="otherwise than PyTorch: depth differs by up to 1 % in 100 of 100 pixels"):
        select("openvino", checkpoint, graph, folder=cache)


def test_random_weights_and_other_devices_are_left_to_pytorch(graph: DeployableGraph, tmp_path: Path) -> None:
    random = tiny_checkpoint()
    assert not needs_preparation("auto", random, graph)
    backend = select("auto", random, graph, folder=tmp_path)
    assert backend.name == "torch"
    assert "random weights" in backend.reason
    assert not list(tmp_path.iterdir())


def test_what_is_unknown_or_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    random = tiny_checkpoint()
    with pytest.raises(ValueError, match="backend is 'caffe': it must be one of auto, torch"):
        Predictor(random, "cpu", backend="caffe")
    with pytest.raises(ValueError, match="precision is 'int4': it must be one of auto, float32, half, int8"):
        Predictor(random, "cpu", precision="int4")
    with pytest.raises(ValueError, match="backend tensorrt does not run on cpu"):
        Predictor(random, "cpu", backend="tensorrt")
    with pytest.raises(ValueError, match="onnxruntime has no precision half on cpu: set precision to float32"):
        Predictor(random, "cpu", backend="onnxruntime", precision="half")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install openvino onnx onnxscript"):
        Predictor(random, "cpu", backend="openvino")
    assert "pip install onnxruntime-gpu onnx onnxscript" in str(missing_requirement("tensorrt", torch.device("cuda:0")))
    assert "pip install triton" in str(missing_requirement("torch_compile", torch.device("cuda:0")))
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "apt install g++" in str(missing_requirement("torch_compile", CPU))


def test_the_names_to_choose_from_are_those_that_there_are() -> None:
    assert ("auto", TORCH, COMPILED, *RUNTIMES) == BACKENDS


@needs_onnx
def test_a_provider_that_is_not_there_is_told() -> None:
    """This ONNX Runtime is the CPU's."""
    for name in ("onnxruntime", "tensorrt"):
        assert "pip install onnxruntime-gpu in place of onnxruntime" in str(
            missing_requirement(name, torch.device("cuda:0"))
        )


@pytest.mark.parametrize("name", ["torch", pytest.param("openvino", marks=needs_onnx)])
def test_half_precision_is_near(name: str, checkpoint: Checkpoint, graph: DeployableGraph, cache: Path) -> None:
    if name == "openvino" and not openvino_has_bfloat16():
        pytest.skip("this processor has no bfloat16 instructions")
    images, intrinsics = rgb_images()
    expected = TorchBackend(graph).run(images, intrinsics)
    got = select(name, checkpoint, graph, "half", cache).run(images, intrinsics)
    assert not np.array_equal(got["depth"], expected["depth"])  # it is half precision
    found = difference(got, expected, FLOAT16.percentile)
    assert found["depth"] < FLOAT16.error
    assert found["labels"] >= FLOAT16.equal


@needs_onnx
def test_half_precision_without_the_instructions_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "openvino_has_bfloat16", lambda: False)
    with pytest.raises(ValueError, match="no bfloat16 instructions: set precision to float32"):
        Predictor(tiny_checkpoint(), "cpu", backend="openvino", precision="half")


@pytest.mark.parametrize(
    ("facts", "there"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu sse4_2 avx2\n", False),
        ("Features\t: fp asimd asimddp\n", True),
        (None, True),
    ],
)
def test_integers_need_instructions(tmp_path: Path, facts: str | None, there: bool) -> None:
    """Without them sums of products saturate: 8.7 % of the labels were others, where 6 % are with room for the sums."""
    if facts is not None:
        (tmp_path / "cpuinfo").write_text("processor\t: 0\n" + facts)
    assert processor_has_int8(tmp_path / "cpuinfo") is there


@needs_onnx
def test_integers_without_the_instructions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "processor_has_int8", lambda: False)
    with pytest.raises(ValueError, match=r"no instructions for int8 \(VNNI\).*: set precision to float32"):
        Predictor(tiny_checkpoint(), "cpu", backend="openvino", precision="int8")
    with Predictor(tiny_checkpoint(), "cpu", backend="auto", precision="int8") as predictor:
        assert predictor.backend_name == "torch"


@pytest.mark.soak  # compiling takes most of a minute
def test_compiled_the_answer_is_that_of_pytorch(checkpoint: Checkpoint, graph: DeployableGraph) -> None:
    images, intrinsics = rgb_images(2)
    backend = select("torch_compile", checkpoint, graph)
    got, expected = backend.run(images, intrinsics), TorchBackend(graph).run(images, intrinsics)
    found = difference(got, expected)
    assert found["depth"] < 1e-3
    assert found["labels"] >= 0.999
    assert got["depth"].shape == expected["depth"].shape


@needs_onnx
def test_a_predictor_takes_over_without_a_pause(
    checkpoint: Checkpoint, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(exported.parent))
    predictor = Predictor(checkpoint, "cpu", NETWORK, backend="openvino", background=True)
    (image,), _ = rgb_images()
    first = predictor.predict(image)
    assert predictor.backend_name == "torch"
    deadline = time.monotonic() + 120
    while predictor.backend_name == "torch":
        assert time.monotonic() < deadline, predictor.backend_reason
        time.sleep(0.1)
        last = predictor.predict(image)
    np.testing.assert_allclose(last.depth, first.depth, rtol=1e-3)
    predictor.close()


@needs_onnx
def test_export_writes_the_graph_with_its_metadata(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At sizes that are no multiple of anything, which take another way through the resampling."""
    import onnx

    weights, output = tmp_path / "w.safetensors", tmp_path / "graph.onnx"
    save_checkpoint(weights, checkpoint.model, checkpoint.metadata)
    sizes = ["--image-size", "100", "60", "--network-size", "51", "37", "--output-size", "50", "40"]
    assert main(["export", str(weights), str(output), *sizes]) == 0
    assert "image 100x60, network 51x37, output 50x40" in capsys.readouterr().out
    model = onnx.load(output)
    onnx.checker.check_model(model)
    facts = json.loads({item.key: item.value for item in model.metadata_props}[METADATA_KEY])
    assert facts["sha256"] == load_checkpoint(weights).sha256
    assert facts["label_set"]["classes"] == list(checkpoint.metadata.label_set.classes)
    assert facts["network_size"] == [37, 51]
    assert [node.name for node in model.graph.input] == ["image", "intrinsics"]
    assert [node.name for node in model.graph.output] == ["depth", "labels", "confidence"]
    assert not {"TopK", "ArgMax"} & {node.op_type for node in model.graph.node}  # slow

    graph = DeployableGraph(checkpoint.model, checkpoint.metadata.camera, (60, 100), (37, 51), (40, 50))
    images = np.random.default_rng(2).integers(0, 256, (1, 60, 100, 3), dtype=np.uint8)
    intrinsics = np.float32([[300, 300, 50, 30]])
    expected = TorchBackend(graph).run(images, intrinsics)
    for name in ON_CPU:
        found = difference(RUNTIMES[name](output, CPU).run(images, intrinsics), expected)
        assert found["depth"] < 1e-3
        assert found["labels"] >= 0.995  # noise in, near ties out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--image-size", "8", "480"], "image_size is 8x480"), (["--output-size", "0", "4"], "output_size is 0x4")],
)
def test_export_refuses_with_the_limit(
    arguments: list[str], words: str, checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "w.safetensors"
    save_checkpoint(weights, checkpoint.model, checkpoint.metadata)
    assert main(["export", str(weights), str(tmp_path / "graph.onnx"), *arguments]) == 2
    assert words in capsys.readouterr().err
