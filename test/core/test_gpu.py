"""What only a real CUDA device can show (`make test-gpu`): its answers are the CPU's, and nothing waits for it."""

from __future__ import annotations

import copy
import csv
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import CAMERA, TINY, tiny_checkpoint, trained_checkpoint

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.availability import missing_requirement
from cinet_core.inference.backend import Backend, OutOfDeviceMemoryError
from cinet_core.inference.choices import FLOAT32, HALF
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.torch_backend import CompiledTorchBackend, TorchBackend
from cinet_core.losses import STAGES, MultiTaskLoss, Stage
from cinet_core.losses.consistency import MEASURED_BATCHES
from cinet_core.rooms.raycast.dataset import SyntheticRooms
from cinet_core.rooms.raycast.sensor import PLAIN_SENSOR
from cinet_core.tasks.learning import task_learning
from cinet_core.training.optimization import ExponentialAverage, make_optimizer

pytestmark = pytest.mark.gpu

TASKS = ("depth", "segmentation", "normals", "boundaries")
SIZE = (48, 64)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
INTRINSICS = np.tile(np.array([[70, 70, 40, 30]], dtype=np.float32), (2, 1))


@pytest.fixture(autouse=True)
def _full_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """TF32 rounds to 10 bits, which would hide what is wrong."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return trained_checkpoint(tasks=TASKS)


def graph_on(checkpoint: Checkpoint, device: str) -> DeployableGraph:
    model = copy.deepcopy(checkpoint.model).to(device).eval()
    return DeployableGraph(model, CAMERA, (60, 80), SIZE)


def expected(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    return TorchBackend(graph_on(checkpoint, "cpu")).run(IMAGES, INTRINSICS).outputs


def agree(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], half: bool = False) -> None:
    """Depth to a tolerance, labels in nearly all pixels: near-ties fall either way."""
    assert found.keys() == wanted.keys()
    relative = 0.03 if half else 1e-3
    assert np.isclose(found["depth"], wanted["depth"], rtol=relative, equal_nan=True).mean() > 0.99
    assert (found["labels"] == wanted["labels"]).mean() > (0.9 if half else 0.99)
    assert np.isclose(found["normals"], wanted["normals"], atol=relative * 3, equal_nan=True).mean() > 0.99


@pytest.mark.parametrize("precision", [FLOAT32, HALF])
def test_the_graph_answers_as_on_the_cpu(checkpoint: Checkpoint, precision: str) -> None:
    agree(
        TorchBackend(graph_on(checkpoint, "cuda"), precision).run(IMAGES, INTRINSICS).outputs,
        expected(checkpoint),
        precision == HALF,
    )


@pytest.mark.parametrize("replayed", [False, True], ids=["compiled", "CUDA graph"])
@pytest.mark.parametrize("precision", [FLOAT32, HALF])
def test_compiled_and_replayed_it_answers_alike(checkpoint: Checkpoint, precision: str, replayed: bool) -> None:
    reason = missing_requirement("torch_compile", torch.device("cuda:0"), precision)
    if reason:
        pytest.skip(str(reason))
    backend = CompiledTorchBackend(graph_on(checkpoint, "cuda"), precision, replayed=replayed)
    wanted = expected(checkpoint)
    first = backend.run(IMAGES, INTRINSICS).outputs
    kept = {name: value.copy() for name, value in first.items()}
    backend.run(255 - IMAGES, INTRINSICS)
    agree(first, wanted, precision == HALF)
    assert all(np.array_equal(first[name], kept[name], equal_nan=True) for name in kept), "the caller's own arrays"
    backend.close()


@pytest.mark.parametrize("name", ["tensorrt", "onnxruntime"])
def test_the_runtimes_of_files_answer_alike(checkpoint: Checkpoint, name: str, tmp_path: Path) -> None:
    from cinet_core.inference.engine_cache import EngineCache
    from cinet_core.inference.runtimes import RUNTIMES

    device = torch.device("cuda:0")
    reason = missing_requirement(name, device, FLOAT32)
    if reason:
        pytest.skip(str(reason))
    graph = graph_on(checkpoint, "cuda")
    backend: Backend = RUNTIMES[name](EngineCache(tmp_path, checkpoint, graph, FLOAT32).onnx(), device, FLOAT32)
    agree(backend.run(IMAGES, INTRINSICS).outputs, expected(checkpoint))
    backend.close()


def test_out_of_memory_the_predictor_goes_on_on_the_cpu(checkpoint: Checkpoint, monkeypatch: Any) -> None:
    predictor = Predictor(checkpoint, "cuda", network_size=SIZE)
    before = predictor.predict(IMAGES[0])
    free, _ = torch.cuda.mem_get_info()
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved()
    # What is left of the allowance is less than an image takes.
    torch.cuda.set_per_process_memory_fraction((held + 2**21) / torch.cuda.get_device_properties(0).total_memory)
    try:
        with pytest.raises(OutOfDeviceMemoryError, match="cuda:0 is out of memory"):
            predictor.predict_batch([IMAGES[0]] * 256, [None] * 256)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert free > 0
    predictor.fall_back_to_cpu()
    assert predictor.device == "cpu"
    np.testing.assert_allclose(predictor.predict(IMAGES[0]).depth, before.depth, rtol=1e-3)


def batch_on(device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    depth = 0.5 + 4 * torch.rand(4, *SIZE, generator=generator)
    labels = torch.randint(0, 40, (4, 6, 8), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[1, :8], depth[0, :5] = 255, 0
    targets = {
        "normals": torch.nn.functional.normalize(torch.randn(4, 3, *SIZE, generator=generator), dim=1),
        "boundaries": torch.randint(0, 2, (4, *SIZE), generator=generator, dtype=torch.uint8),
    }
    images = torch.randn(4, 3, *SIZE, generator=generator)
    seeds = torch.tensor([1, 2, 3, 4])
    moved = {name: value.to(device) for name, value in targets.items()}
    return images.to(device), depth.to(device), labels.to(device), seeds.to(device), moved


class Trained:
    """A tiny network, its losses, optimiser and average on a device."""

    def __init__(self, device: str, stage: Stage) -> None:
        model = tiny_checkpoint(tasks=TASKS).model
        config = model.config
        self.model = model.to(device).train()
        self.loss = MultiTaskLoss(task_learning(TASKS), config.num_classes, config.decoder_channels[-1], pair_pixels=50)
        self.loss.to(device).feature_variance.batches.fill_(MEASURED_BATCHES)
        self.stage, self.batch = stage, batch_on(device)
        self.optimizer = make_optimizer(self.model, self.loss, stage, 1e-3)
        self.average = ExponentialAverage(self.model).to(device)

    def step(self) -> dict[str, torch.Tensor]:
        images, depth, labels, seeds, targets = self.batch
        output = self.model(images, teacher_labels=labels if self.stage.ideal_attention else None)
        losses = self.loss(output, depth, labels, seeds, self.stage, targets)
        losses["total"].backward()
        return losses

    def update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.model)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"stage {stage.number}")
def test_losses_and_gradients_are_the_cpus(stage: Stage) -> None:
    here, there = Trained("cpu", stage), Trained("cuda", stage)
    expected, found = here.step(), there.step()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name].cpu(), value, rtol=1e-3, atol=1e-5, msg=name)
    gradients = dict(there.model.named_parameters())
    for name, parameter in here.model.named_parameters():
        if parameter.grad is not None:
            ours = gradients[name].grad.cpu()
            assert (ours - parameter.grad).norm() <= 0.02 * parameter.grad.norm() + 1e-6, name


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"stage {stage.number}")
def test_a_step_waits_for_the_device_where_only_it_knows_a_size(stage: Stage) -> None:
    trained = Trained("cuda", stage)
    for _ in range(2):  # what happens once
        trained.step()
        trained.update()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trained.step()
            trained.update()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    places = Counter(f"{Path(entry.filename).name}:{entry.lineno}" for entry in caught)
    assert sum(places.values()) <= (1 if stage.consistency else 0), places


def test_rooms_are_the_cpus() -> None:
    here, there = (SyntheticRooms(4, 0, 96, 72, sensor=PLAIN_SENSOR, device=name) for name in ("cpu", "cuda"))
    expected, found = here.render(range(4)), there.render(range(4))
    assert float((expected.depth - found.depth.cpu()).abs().gt(1e-3).float().mean()) < 1e-3
    assert float((expected.labels != found.labels.cpu()).float().mean()) < 1e-3
    assert float((expected.images.float() - found.images.cpu().float()).abs().mean()) < 1.0


@pytest.mark.usefixtures("_lightning")
def test_a_batch_of_rooms_is_made_and_varied_as_on_the_cpu() -> None:
    from cinet_core.data.augmentation import Augmentation
    from cinet_core.data.camera_artifacts import CameraArtifacts
    from cinet_core.training.data import TrainingData
    from cinet_core.training.settings_data import DataSettings

    rooms = {"length": 4, "validation_length": 1, "width": 96, "height": 72, "sensor": {"noise": 0.0}}
    settings = DataSettings(
        "synthetic", options=rooms, label_set="nyu13", width=64, height=48, workers=0, on_device=True,
        augmentation=Augmentation(artifacts=CameraArtifacts(white_balance=0.3, gamma=0.3)),
    )  # fmt: skip
    data = TrainingData(settings, batch_size=4, seed=1)
    data.tasks = task_learning(TASKS)
    (undrawn,) = data.train_dataloader()
    here, there = undrawn.to("cpu"), undrawn.to("cuda")
    assert {value.device.type for value in (there.images, there.focal, *there.targets.values())} == {"cuda"}
    found = there.to("cpu")
    torch.testing.assert_close(found.focal, here.focal)
    # A ray that grazes an edge, and a pixel halfway between two, may fall to either side.
    assert float((found.depth - here.depth).abs().gt(1e-3).float().mean()) < 0.01
    for one, other in ((found.labels, here.labels), (found.targets["boundaries"], here.targets["boundaries"])):
        assert float((one != other).float().mean()) < 0.01
    assert float((found.targets["normals"] - here.targets["normals"]).abs().gt(1e-2).float().mean()) < 0.02
    # The lens, exposure and white balance of each image are drawn by the device's own generator.
    assert found.images.dtype == torch.uint8
    assert 5 < float(found.images.float().std()) < 120


@pytest.fixture
def _lightning() -> None:
    pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")


def small_recipe(folder: Path, precision: Any, accelerator: Any) -> Any:
    """20 steps of two stages; nothing of chance but the order in which a GPU adds up."""
    from cinet_core.training.settings import Recipe
    from cinet_core.training.settings_data import DataSettings
    from cinet_core.training.settings_losses import LossSettings
    from cinet_core.training.settings_model import ModelSettings
    from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings, StagesSettings
    from cinet_core.training.settings_run import RunSettings

    rooms = {"length": 20, "validation_length": 2, "test_length": 2, "width": 64, "height": 48, "shadows": False}
    return Recipe(
        "on a GPU",
        data=DataSettings("synthetic", options=rooms, label_set="nyu13", width=64, height=48, workers=0, cache=True),
        model=ModelSettings(config="lite", overrides=TINY, pretrained_encoder=False),
        # A median would jump by a step of its histogram; test_training_parallel.py has it, exactly.
        losses=LossSettings(balance="gradients", teacher="annealed"),
        stages=StagesSettings(*(StageSettings(count, 1e-3) for count in (0, 1, 1))),
        optimizer=OptimizerSettings(batch_size=2),
        run=RunSettings(
            str(folder), accelerator=accelerator, devices=1, precision=precision, pictures=0, checkpoint_minutes=0,
            log_every=1, loggers=("csv",), deterministic=True,
        ),
    )  # fmt: skip


def losses_of(folder: Path) -> dict[int, float]:
    """The total by step."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {int(row["step"]): float(row["value"]) for row in rows if row["name"] == "train/total"}


@pytest.mark.usefixtures("_lightning")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_twenty_steps_and_on_from_where_they_were_stopped(tmp_path: Path, precision: Any) -> None:
    go_on_from_where_they_were_stopped(tmp_path, precision, "gpu")


def go_on_from_where_they_were_stopped(tmp_path: Path, precision: str, accelerator: str) -> None:
    from cinet_core.training.checkpoints import RESUME_FILE, AtomicCheckpointIO
    from cinet_core.training.preparation import prepare
    from cinet_core.training.run import check_run, fit

    whole, folder = tmp_path / "whole", tmp_path / "stopped"
    undisturbed = fit(prepare(small_recipe(whole, precision, accelerator)))
    assert undisturbed.metrics["step"] == 20
    recipe = small_recipe(folder, precision, accelerator)
    stopped = prepare(recipe)
    stopped.module.on_train_batch_start = _stop_at(stopped.module, 14)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        fit(stopped)
    begun = check_run(recipe, resume=True)
    assert begun is not None
    assert begun.step == 14, "after every step, in the middle of an epoch of stage 3"
    result = fit(prepare(recipe), begun)

    before, after = losses_of(whole), losses_of(folder)
    assert sorted(after) == sorted(before) == list(range(20)), "each step once"
    # What is left is the order in which a GPU adds up.
    near = 1e-3 if precision == "32-true" else 2e-2
    assert after == pytest.approx(before, rel=near)
    for name in ("rms", "abs_rel", "delta1"):
        assert result.metrics[name] == pytest.approx(undisturbed.metrics[name], rel=5 * near, abs=0.01), name
    ends = [AtomicCheckpointIO().load_checkpoint(place / RESUME_FILE) for place in (whole, folder)]
    assert ends[0]["state_dict"]["average.n_averaged"] == ends[1]["state_dict"]["average.n_averaged"] == 20
    for name in ("loss.feature_variance.log_sigma", "loss.balance.factors"):
        torch.testing.assert_close(ends[1]["state_dict"][name], ends[0]["state_dict"][name], rtol=5 * near, atol=near)
    # Asked to go on after its end it has nothing to do, and knows what it knew.
    again = fit(prepare(recipe), check_run(recipe, resume=True))
    assert again.metrics == result.metrics


def _stop_at(module: Any, step: int) -> Any:
    def begun(batch: Any, batch_index: int) -> None:
        if module.global_step == step:
            raise KeyboardInterrupt

    return begun
