"""Parameter groups by stage, schedules by iteration, and the average of the weights."""

import copy
import math

import pytest
import torch
from torch import nn

from cinet_core.losses import STAGES, MultiTaskLoss
from cinet_core.model import CINet, build_model, get_config
from cinet_core.tasks.learning import task_learning
from cinet_core.training.batch_norm import freeze_statistics
from cinet_core.training.optimization import (
    ExponentialAverage,
    make_optimizer,
    make_schedule,
    parameter_groups,
    unused_parameters,
)

CLASSES = 4


def make_model(**overrides: object) -> tuple[CINet, MultiTaskLoss]:
    settings = {"encoder": "test_efficientnet", "feature_channels": 16, "decoder_channels": [8, 8, 8], **overrides}
    model = build_model(get_config("lite", num_classes=CLASSES, **settings), seed=0)
    return model, MultiTaskLoss(task_learning(model.config.tasks), CLASSES, 8)


def backward(model: CINet, loss: MultiTaskLoss, stage: int) -> None:
    generator = torch.Generator().manual_seed(0)
    image, depth = torch.randn(2, 3, 32, 48, generator=generator), 1 + torch.rand(2, 32, 48, generator=generator)
    labels = torch.randint(0, CLASSES, (2, 4, 6), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    settings = STAGES[stage - 1]
    output = model(image, teacher_labels=labels if settings.ideal_attention else None)
    loss(output, depth, labels, [0, 1], settings)["total"].backward()


@pytest.mark.parametrize("overrides", [{}, {"scene_understanding": False, "sharing": "none"}], ids=["full", "baseline"])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_the_groups_hold_exactly_what_the_losses_of_a_stage_reach(stage: int, overrides: dict[str, object]) -> None:
    model, loss = make_model(**overrides)
    backward(model, loss, stage)
    reached = {
        id(parameter)
        for parameter in [*model.parameters(), *loss.parameters()]
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }
    groups = parameter_groups(model, loss, STAGES[stage - 1], 0.01)
    trained = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(trained) == len(set(trained))
    assert set(trained) == reached
    frozen = {id(parameter) for parameter in unused_parameters(model, loss, STAGES[stage - 1])}
    assert set(trained) | frozen == {id(parameter) for parameter in [*model.parameters(), *loss.parameters()]}
    assert not set(trained) & frozen


def test_rates_and_decay_of_the_groups() -> None:
    model, loss = make_model()
    groups = parameter_groups(model, loss, STAGES[2], 0.01, weight_decay=0.002, encoder_factor=0.25)
    assert [(group["name"], group["lr"], group["weight_decay"]) for group in groups] == [
        ("encoder", 0.0025, 0.002),
        ("rest", 0.01, 0.002),
        ("sigma", 0.01, 0.0),
    ]
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    assert {id(parameter) for parameter in groups[0]["params"]} == encoder
    assert [*groups[2]["params"]] == [loss.feature_variance.log_sigma]
    assert [group["name"] for group in parameter_groups(model, loss, STAGES[1], 0.01)] == ["encoder", "rest"]
    model.encoder.requires_grad_(False)
    assert [group["name"] for group in parameter_groups(model, loss, STAGES[2], 0.01)] == ["rest", "sigma"]


def test_a_step_leaves_what_a_stage_freezes_exactly_where_it_was() -> None:
    model, loss = make_model()
    settings = STAGES[0]
    optimizer = make_optimizer(model, loss, settings, 0.01)
    frozen = unused_parameters(model, loss, settings)
    before = [parameter.detach().clone() for parameter in frozen]
    value = model.scene_understanding.value.weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        backward(model, loss, 1)
        sum(0 * parameter.sum() for parameter in frozen).backward()  # as under DistributedDataParallel
        optimizer.step()
    assert all(torch.equal(now, then) for now, then in zip(frozen, before, strict=True))
    assert not torch.equal(model.scene_understanding.value.weight, value)
    assert {group["momentum"] for group in optimizer.param_groups} == {0.9}
    assert isinstance(optimizer, torch.optim.SGD)


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 0.0), ("learning_rate", math.nan), ("weight_decay", -1.0), ("encoder_factor", 0.0)],
)
def test_rates_out_of_range_are_refused(name: str, value: float) -> None:
    model, loss = make_model()
    settings = {"learning_rate": 0.01, name: value}
    with pytest.raises(ValueError, match=name):
        parameter_groups(model, loss, STAGES[0], **settings)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, math.nan])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match="momentum"):
        make_optimizer(*make_model(), STAGES[0], 0.01, momentum=momentum)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("constant", [1.0] * 5),
        ("poly", [(1 - step / 5) ** 0.9 for step in range(5)]),
        ("cosine", [(1 + math.cos(math.pi * step / 5)) / 2 for step in range(5)]),
    ],
)
def test_schedules(kind: str, expected: list[float]) -> None:
    model, loss = make_model()
    optimizer = make_optimizer(model, loss, STAGES[2], 0.02)
    schedule = make_schedule(optimizer, kind, total_steps=5)  # type: ignore[arg-type]
    for factor in expected:
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([0.002 * factor, 0.02 * factor, 0.02 * factor])
        optimizer.step()
        schedule.step()
    end = 0.02 if kind == "constant" else 0.0
    assert optimizer.param_groups[1]["lr"] == pytest.approx(end)


def test_the_rate_rises_in_a_line_before_the_schedule_begins() -> None:
    optimizer = make_optimizer(*make_model(), STAGES[0], 0.02)
    schedule = make_schedule(optimizer, "cosine", total_steps=8, warmup_steps=4)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[1]["lr"])
        optimizer.step()
        schedule.step()
    rise = [0.25, 0.4375, 0.625, 0.8125]
    fall = [(1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)]
    assert rates == pytest.approx([0.02 * factor for factor in [*rise, *fall]])
    with pytest.raises(ValueError, match="warmup_steps is 8: it must be below the 8 steps"):
        make_schedule(optimizer, "poly", total_steps=8, warmup_steps=8)


def test_adamw_decays_weights_apart_from_the_gradient() -> None:
    model, loss = make_model()
    optimizer = make_optimizer(model, loss, STAGES[2], 0.02, weight_decay=0.5, momentum=0.8, algorithm="adamw")
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {group["betas"] for group in optimizer.param_groups} == {(0.8, 0.999)}
    weight, sigma = model.depth_head.log_depth.weight, loss.feature_variance.log_sigma
    before = weight.detach().clone(), sigma.detach().clone()
    for parameter in [*model.parameters(), *loss.parameters()]:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), before[0] * (1 - 0.02 * 0.5))
    assert torch.equal(sigma.detach(), before[1])


def test_a_schedule_goes_on_where_it_was_saved() -> None:
    model, loss = make_model()
    optimizer = make_optimizer(model, loss, STAGES[2], 0.02)
    schedule = make_schedule(optimizer, "poly", total_steps=7)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    again = make_optimizer(model, loss, STAGES[2], 0.02)
    resumed = make_schedule(again, "poly", total_steps=7)
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    for _ in range(4):
        for pair in ((optimizer, schedule), (again, resumed)):
            pair[0].step()
            pair[1].step()
        assert [group["lr"] for group in again.param_groups] == [group["lr"] for group in optimizer.param_groups]


def test_unknown_schedules_are_refused() -> None:
    optimizer = make_optimizer(*make_model(), STAGES[0], 0.01)
    with pytest.raises(ValueError, match="'step': it must be one of"):
        make_schedule(optimizer, "step", 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="total_steps is 0"):
        make_schedule(optimizer, "poly", 0)


def walk(network: nn.Module, generator: torch.Generator) -> None:
    """A training step's effect on weights and statistics."""
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.randn(value.shape, generator=generator))
            else:
                value.add_(1)


def make_small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.mark.parametrize("decay", [0.999, 0.3])
def test_the_average_follows_its_formula_weights_and_statistics_alike(decay: float) -> None:
    network, generator = make_small(), torch.Generator().manual_seed(1)
    average = ExponentialAverage(network, decay)
    expected: dict[str, torch.Tensor] = {}
    for update in range(30):
        walk(network, generator)
        average.update_parameters(network)
        keep = min(decay, (1 + update) / (10 + update)) if update else 0.0
        for name, value in network.state_dict().items():
            old = expected.get(name, torch.zeros_like(value))
            new = value.clone()
            expected[name] = keep * old.double() + (1 - keep) * new.double() if value.is_floating_point() else new
    for name, value in average.module.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name].double(), rtol=1e-5, atol=1e-6)
    assert average.module[1].num_batches_tracked == 30


def test_the_start_is_forgotten_within_a_short_stage() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    average = ExponentialAverage(network)
    average.update_parameters(network)
    nn.init.zeros_(network.weight)
    for _ in range(40):
        average.update_parameters(network)
    assert average.module.weight.item() < 1e-6


def test_the_average_comes_back_exactly_and_goes_on_alike() -> None:
    network, generator = make_small(), torch.Generator().manual_seed(1)
    average = ExponentialAverage(network)
    for _ in range(5):
        walk(network, generator)
        average.update_parameters(network)
    resumed = ExponentialAverage(make_small())
    resumed.load_state_dict(copy.deepcopy(average.state_dict()))
    for _ in range(3):
        walk(network, generator)
        for each in (average, resumed):
            each.update_parameters(network)
    assert list(resumed.state_dict()) == list(average.state_dict())
    assert all(torch.equal(value, average.state_dict()[name]) for name, value in resumed.state_dict().items())
    assert resumed.n_averaged == 8


def test_the_average_neither_trains_nor_disturbs_the_network() -> None:
    network = make_small().train()
    freeze_statistics(network)
    average = ExponentialAverage(network)
    outer = nn.ModuleList([network, average]).train()
    assert not any(module.training for module in average.modules())
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network[0].training
    before = copy.deepcopy(average.module.state_dict())
    walk(network, torch.Generator())
    assert all(torch.equal(value, before[name]) for name, value in average.module.state_dict().items())
    assert outer[0] is network


def test_the_average_of_a_network_in_channels_last_keeps_its_layout_and_constants() -> None:
    model, _ = make_model()
    average = ExponentialAverage(model)
    for _ in range(3):
        average.update_parameters(model)
    assert average.module.entry.conv_dw.weight.is_contiguous(memory_format=torch.channels_last)
    for name, value in model.state_dict().items():
        assert torch.equal(average.module.state_dict()[name], value), name


@pytest.mark.parametrize("decay", [-0.1, 1.0, math.nan])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        ExponentialAverage(make_small(), decay)
