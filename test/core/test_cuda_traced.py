"""The CUDA path as PyTorch's own tracers see it: in FakeTensorMode on "cuda", and without breaks for `torch.compile`.

Without a CUDA driver FakeTensorMode goes forward only; the backward pass is in test_cuda_path.py.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tiny_network import CAMERA, FIRST_GENERATION, tiny_checkpoint
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.graph import DeployableGraph
from cinet_core.losses import STAGES, MultiTaskLoss
from cinet_core.losses.consistency import MEASURED_BATCHES
from cinet_core.tasks.learning import task_learning

TASKS = ("depth", "segmentation", "normals", "boundaries")
SIZE = (48, 64)
GRAPH_BREAKS = {1: 0, 2: 0, 3: 7}
"""Of network and losses by stage, at most: in the third the number of border pairs is not known beforehand."""


@pytest.fixture(scope="module", autouse=True)
def _asked_once() -> Iterator[None]:
    """Whether there is a GPU is asked at every operator of a FakeTensorMode, which looks for the driver's library."""
    there = torch.cuda.is_available()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: there)
        yield


@pytest.fixture(scope="module", params=[FIRST_GENERATION, {}], ids=["first generation", "second"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return tiny_checkpoint(tasks=TASKS, **request.param)


def make_loss(checkpoint: Checkpoint) -> MultiTaskLoss:
    config = checkpoint.model.config
    loss = MultiTaskLoss(task_learning(TASKS), config.num_classes, config.decoder_channels[-1], pair_pixels=50)
    loss.feature_variance.batches.fill_(MEASURED_BATCHES)
    loss.feature_variance._measured = True  # as after the first step
    return loss


def make_batch() -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 40, (2, 6, 8), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    targets = {
        "normals": torch.randn(2, 3, *SIZE, generator=generator),
        "boundaries": torch.zeros(2, *SIZE, dtype=torch.uint8),
    }
    images, depth = torch.randn(2, 3, *SIZE, generator=generator), torch.ones(2, *SIZE)
    return images, depth, labels, torch.tensor([1, 2]), targets


def faked(module: nn.Module, mode: FakeTensorMode) -> Any:
    """A copy whose weights and buffers claim to be on a GPU and hold nothing."""
    module = copy.deepcopy(module)
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(moved(parameter.detach(), mode))
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = moved(buffer, mode)
    return module


def moved(tensor: Tensor, mode: FakeTensorMode) -> Tensor:
    fake = mode.from_tensor(tensor, static_shapes=True)
    with mode:
        return fake.to("cuda")


def fake_mode() -> FakeTensorMode:
    return FakeTensorMode(shape_env=ShapeEnv(allow_scalar_outputs=True, allow_dynamic_output_shape_ops=True))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: f"stage {stage.number}")
def test_network_and_losses_stay_on_the_device(checkpoint: Checkpoint, stage: Any) -> None:
    mode = fake_mode()
    model, loss = faked(checkpoint.model.train(), mode), faked(make_loss(checkpoint), mode)
    images, depth, labels, seeds, targets = make_batch()
    images, depth, labels, seeds = (moved(value, mode) for value in (images, depth, labels, seeds))
    targets = {name: moved(value, mode) for name, value in targets.items()}
    with mode:
        output = model(images, teacher_labels=labels if stage.ideal_attention else None)
        losses = loss(output, depth, labels, seeds, stage, targets)
    assert {value.device.type for value in losses.values()} == {"cuda"}
    assert {"berhu", "pair", "normal", "segmentation", "normals", "boundaries", "total"} <= losses.keys()


@pytest.mark.parametrize("half", [False, True])
def test_the_deployable_graph_stays_on_the_device(checkpoint: Checkpoint, half: bool) -> None:
    mode = fake_mode()
    graph = faked(DeployableGraph(checkpoint.model.eval(), CAMERA, (60, 80), SIZE), mode)
    with mode, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autocast finds no CUDA
        image = torch.zeros(2, 60, 80, 3, dtype=torch.uint8, device="cuda")
        outputs = (graph.in_half() if half else graph)(image, torch.ones(2, 4, device="cuda"))
    assert {value.device.type for value in outputs.values()} == {"cuda"}
    assert outputs["depth"].shape == (2, 60, 80)


def test_what_mixes_devices_is_an_error_there(checkpoint: Checkpoint) -> None:
    mode = fake_mode()
    model = faked(checkpoint.model.eval(), mode)
    with mode, pytest.raises(RuntimeError, match="device"):
        model(torch.zeros(1, 3, *SIZE))


def test_the_deployable_graph_compiles_as_one(checkpoint: Checkpoint) -> None:
    graph = DeployableGraph(checkpoint.model.eval(), CAMERA, (60, 80), SIZE).in_half()
    torch._dynamo.reset()
    found = torch._dynamo.explain(graph)(torch.zeros(1, 60, 80, 3, dtype=torch.uint8), torch.ones(1, 4))
    assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons


@pytest.mark.parametrize("stage", STAGES[1:], ids=lambda stage: f"stage {stage.number}")
def test_breaks_of_a_training_step_are_bounded(checkpoint: Checkpoint, stage: Any) -> None:
    model, loss = checkpoint.model.train(), make_loss(checkpoint)
    images, depth, labels, seeds, targets = make_batch()

    def step(images: Tensor, labels: Tensor, seeds: Tensor) -> Tensor:
        output = model(images, teacher_labels=labels if stage.ideal_attention else None)
        return loss(output, depth, labels, seeds, stage, targets)["total"]

    torch._dynamo.reset()
    found = torch._dynamo.explain(step)(images, labels, seeds)
    # Counted, not explained: the second generation has one break more there.
    more = int(stage.number == 3 and checkpoint.model.config.logit_stride > 1)
    assert found.graph_break_count <= GRAPH_BREAKS[stage.number] + more, found.break_reasons
