"""The CUDA path on a machine without CUDA: on a device that is pretended (test/support/pretend_cuda.py).

Every value must be the CPU's, no operation may mix devices, and what makes the host wait for the device is bounded.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretend_cuda import CUDA, DeviceTensor, on_pretended, pretended_cuda
from tiny_network import CAMERA, tiny_checkpoint

from cinet_core.checkpoint import Checkpoint
from cinet_core.data.sample import Batch
from cinet_core.evaluation.batch_metrics import BatchMetrics
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.torch_backend import TorchBackend
from cinet_core.losses import STAGES, MultiTaskLoss, Stage
from cinet_core.losses.consistency import MEASURED_BATCHES
from cinet_core.metrics.attention import AttentionMetrics
from cinet_core.model.scene_understanding import ideal_attention_labels
from cinet_core.rooms.raycast.dataset import SyntheticRooms
from cinet_core.rooms.raycast.renderer import Rendering
from cinet_core.tasks.learning import task_learning
from cinet_core.training.divergence import DivergenceWatch
from cinet_core.training.errors import TrainingDivergedError
from cinet_core.training.optimization import Algorithm, ExponentialAverage, make_optimizer

TASKS = ("depth", "segmentation", "normals", "boundaries")
FURTHER_STAGE = dataclasses.replace(STAGES[0], annealed=True)
SIZE = (48, 64)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return tiny_checkpoint(tasks=TASKS)


@pytest.fixture(scope="module")
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    height, width = SIZE
    depth = 0.5 + 4 * torch.rand(2, *SIZE, generator=generator)
    depth[0, :5] = 0
    blocks = torch.randint(0, 40, (2, height // 8, width // 8), generator=generator)
    labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2).to(torch.uint8)
    labels[1, :8] = 255
    return Batch(
        names=("a", "b"),
        images=torch.randint(0, 256, (2, 3, *SIZE), generator=generator, dtype=torch.uint8),
        depth=depth,
        labels=labels,
        focal=torch.tensor([50.0, 60.0]),
        random_seeds=torch.tensor([3, 4]),
        has_depth=torch.tensor([True, True]),
        has_labels=torch.tensor([True, True]),
        targets={
            "normals": torch.nn.functional.normalize(torch.randn(2, 3, *SIZE, generator=generator), dim=1),
            "boundaries": torch.randint(0, 2, (2, *SIZE), generator=generator, dtype=torch.uint8),
        },
    )


def make_loss(checkpoint: Checkpoint, space: Any = "metres") -> MultiTaskLoss:
    config = checkpoint.model.config
    return MultiTaskLoss(
        task_learning(TASKS), config.num_classes, config.decoder_channels[-1], pair_pixels=50, depth_space=space
    )


def losses_of(model: Any, loss: MultiTaskLoss, batch: Batch, stage: Stage) -> dict[str, torch.Tensor]:
    images = (batch.images.float() / 255 - model.image_mean) / model.image_std
    output = model(images, teacher_labels=batch.labels.long() if stage.ideal_attention else None)
    return loss(output, batch.depth, batch.labels.long(), batch.random_seeds, stage, batch.targets)


@pytest.mark.parametrize("stage", [FURTHER_STAGE, STAGES[2]], ids=["annealed", "stage 3"])
def test_a_step_of_the_training_module_waits_for_the_step_before(
    checkpoint: Checkpoint, batch: Batch, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")
    from cinet_core.training.data import TrainingData
    from cinet_core.training.module import CINetModule
    from cinet_core.training.settings import PlannedStage
    from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings

    loss = make_loss(checkpoint)
    loss.feature_variance.batches.fill_(MEASURED_BATCHES)
    plan = [PlannedStage(stage, StageSettings(1, 1e-3), 0)]
    module: Any = CINetModule(checkpoint.model.train(), loss, plan, OptimizerSettings(), 52.5)
    logged: list[torch.Tensor] = []
    monkeypatch.setattr(CINetModule, "global_step", 5)
    monkeypatch.setattr(CINetModule, "_progress", lambda self, index: 0.5)
    monkeypatch.setattr(CINetModule, "log", lambda self, name, value, **options: logged.append(value))
    monkeypatch.setattr(CINetModule, "log_dict", lambda self, values, **options: logged.extend(values.values()))
    with pretended_cuda() as waits:
        there = on_pretended(module)
        for _ in range(2):
            waits.clear()
            on_device = TrainingData.transfer_batch_to_device(Any, batch, CUDA, 0)
            there.training_step(on_device, 0).backward()
    assert waits == {"event": 1} | ({"nonzero": 1} if stage.consistency else {})
    assert logged
    assert all(value.device == CUDA for value in logged), "a number would be copied there"


def on_losses(watch: DivergenceWatch, total: float, step: int) -> None:
    losses = {"depth": torch.full((), 2.0, device="cuda"), "total": torch.full((), total, device="cuda")}
    watch.look_at(losses, f"step {step}")


def test_a_run_that_diverged_on_the_device_ends_a_step_later() -> None:
    with pretended_cuda() as waits:
        watch = DivergenceWatch()
        on_losses(watch, 1.0, 1)
        on_losses(watch, float("nan"), 2)
        with pytest.raises(TrainingDivergedError, match=r"not finite at step 2: depth 2, total nan; start anew"):
            on_losses(watch, 1.0, 3)
    assert waits == {"event": 2}, "of the steps before"


TABLE = Path(__file__).parents[2] / "docs" / "gpu.md"
ASKS = re.compile(r"torch\.cuda\.|\.type [!=]= \"c(uda|pu)\"|\"cuda\":|pin_memory")


def test_every_module_that_asks_for_the_device_is_in_the_documentation() -> None:
    root = TABLE.parents[1]
    asking = {
        str(path.relative_to(root)) for path in root.glob("cinet_core/**/*.py") if ASKS.search(path.read_text("utf-8"))
    }
    rows = [line.split("|")[1:4] for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| `cinet_core/")]
    listed = {module.strip(" `") for module, _, _ in rows}
    assert asking == listed
    for module, _, tests in rows:
        named = re.findall(r"`(test/[^`]+)`", tests)
        assert named, module
        assert all((root / name).is_file() for name in named), module


def here(value: Any) -> Any:
    """Its values, wherever it is, without counting."""
    return value.here if isinstance(value, DeviceTensor) else value


def test_the_device_refuses_and_counts_what_a_gpu_would() -> None:
    with pretended_cuda() as waits:
        there = torch.zeros(3, 4, device="cuda")
        assert there.device == CUDA
        assert there.is_cuda
        with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
            there + torch.ones(4)
        with pytest.raises(RuntimeError, match="same device"):
            torch.stack([there, torch.zeros(3, 4)])
        with pytest.raises(TypeError, match="to numpy"):
            there.numpy()
        assert (there + torch.tensor(2.0)).device == CUDA, "scalars may come from the CPU"
        assert not waits
        _ = there[there > 0], there.sum().item(), there.cpu(), torch.ones(2).to("cuda"), torch.tensor(1, device="cuda")
        _ = there.to("cpu", non_blocking=True), torch.ones(2).to(CUDA, non_blocking=True), there.to(torch.float64)
    assert waits == {"mask as index": 1, "item": 1, "copy to the host": 1, "copy to the device": 2}


@pytest.mark.parametrize(("number", "algorithm"), [(1, "sgd"), (2, "adamw"), (3, "sgd")])
def test_a_training_step_is_the_cpus_and_waits_for_nothing(
    checkpoint: Checkpoint, batch: Batch, number: int, algorithm: Algorithm
) -> None:
    stage = STAGES[number - 1]
    model, loss = checkpoint.model.train(), make_loss(checkpoint, "log" if number == 2 else "metres")
    loss.feature_variance.batches.fill_(MEASURED_BATCHES)
    average = ExponentialAverage(model)
    with pretended_cuda() as waits:
        there = on_pretended(model), on_pretended(loss), on_pretended(average)
        on_device = batch.to("cuda", non_blocking=True)
        found = []
        for step in range(2):
            if step == 1:  # only a first step may ask what is the same in all that follow
                waits.clear()
            found.append(_step(*there, on_device, stage, algorithm))
        waited = dict(waits)
    # How many pairs lie along borders of classes only the device knows.
    assert waited == ({"nonzero": 1} if stage.consistency else {})
    model = copy.deepcopy(model)
    for ours in found:
        expected = _step(model, loss, average, batch, stage, algorithm)
        assert ours.keys() == expected.keys()
        for name, value in ours.items():
            torch.testing.assert_close(here(value), expected[name], rtol=1e-5, atol=1e-6, msg=name)
    for ours_module, theirs in zip(there, (model, loss, average), strict=True):
        state = ours_module.state_dict()
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(here(state[name]), value, rtol=1e-4, atol=1e-5, msg=name)


def _step(
    model: Any, loss: MultiTaskLoss, average: ExponentialAverage, batch: Batch, stage: Stage, algorithm: Algorithm
) -> dict[str, torch.Tensor]:
    optimizer = make_optimizer(model, loss, stage, 1e-4, algorithm=algorithm)
    losses = losses_of(model, loss, batch, stage)
    losses["total"].backward()
    optimizer.step()
    optimizer.zero_grad()
    average.update_parameters(model)
    return {name: value.detach() for name, value in losses.items()}


def test_validation_on_the_device_gives_the_cpus_figures(checkpoint: Checkpoint, batch: Batch) -> None:
    model = checkpoint.model.eval()

    def metrics(network: Any, data: Batch) -> dict[str, float]:
        tasks, attention = BatchMetrics(task_learning(TASKS), 40, 52.5), AttentionMetrics(40)
        with torch.no_grad():
            output = network((data.images.float() / 255 - network.image_mean) / network.image_std)
        tasks.update(output, data)
        attention.update(output.query, output.key, ideal_attention_labels(data.labels.long(), 6, 8))
        return tasks.compute() | attention.compute()

    with pretended_cuda():
        found = metrics(on_pretended(model), batch.to("cuda"))
    assert found == pytest.approx(metrics(model, batch), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("output_size", [None, (24, 32)])
def test_the_deployable_graph_is_the_cpus_and_waits_only_for_its_answer(
    checkpoint: Checkpoint, half: bool, output_size: tuple[int, int] | None
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
    intrinsics = np.tile(np.float32([70, 70, 40, 30]), (2, 1))
    graph = DeployableGraph(checkpoint.model.eval(), CAMERA, (60, 80), SIZE, output_size)
    expected = TorchBackend(graph, "half" if half else "float32").run(images, intrinsics)
    with pretended_cuda() as waits:
        backend = TorchBackend(on_pretended(graph), "half" if half else "float32")
        waits.clear()
        found = backend.run(images, intrinsics)
        backend.close()
    assert backend.device == "cuda:0"
    assert set(found.seconds) == {"upload", "network", "download"}
    assert waits == {"event": 1}, "one wait, for the last output"
    for name, value in expected.outputs.items():
        if half:  # bfloat16 here, float16 there
            assert np.isclose(found.outputs[name], value, rtol=0.1, atol=3, equal_nan=True).mean() > 0.9, name
        else:
            np.testing.assert_allclose(found.outputs[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_rooms_rendered_on_the_device_are_the_cpus() -> None:
    def rendered(**options: Any) -> Rendering:
        return SyntheticRooms(2, 0, 48, 32, **options).render(range(2))

    expected = rendered()
    with pretended_cuda() as waits:
        found = rendered(device="cuda")
        sample = SyntheticRooms(2, 0, 48, 32, device="cuda")[0]
    assert waits["nonzero"] > 0
    assert sample.image.device.type == "cpu"
    for field in dataclasses.fields(Rendering):
        value = getattr(found, field.name)
        assert value.device == CUDA
        assert torch.equal(here(value), getattr(expected, field.name)), field.name
