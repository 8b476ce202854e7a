"""BatchNorm in training: frozen statistics, and statistics over all GPUs."""

import copy

import pytest
import torch
from timm.layers import SyncBatchNormAct
from torch import nn

from cinet_core.model import build_model, get_config
from cinet_core.training.batch_norm import (
    freeze_as_set,
    freeze_statistics,
    has_frozen_statistics,
    normalised_together,
    synchronise,
)
from cinet_core.training.settings_optimizer import OptimizerSettings


def test_synchronising_keeps_activations_names_and_values() -> None:
    """torch's own conversion drops them: timm's layers of norm and activation become plain norms."""
    config = get_config("lite", encoder="test_efficientnet", num_classes=3)
    image = torch.randn(1, 3, 32, 32)
    model = build_model(config, seed=0)
    expected, parameters = copy.deepcopy(model).eval()(image).depth, dict(model.named_parameters())
    on_gpu = copy.deepcopy(model)
    synchronise(on_gpu, torch.device("cuda"))
    assert torch.equal(on_gpu.eval()(image).depth, expected)
    assert {name: value.shape for name, value in on_gpu.named_parameters()} == {
        name: value.shape for name, value in parameters.items()
    }
    assert list(on_gpu.state_dict()) == list(model.state_dict())
    norms = [layer for layer in on_gpu.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(layer, (nn.SyncBatchNorm, SyncBatchNormAct)) for layer in norms)
    dropped = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model)).eval()(image).depth
    assert not torch.allclose(dropped, expected)


def test_without_a_gpu_each_process_normalises_its_own_images() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    synchronise(model, torch.device("cpu"))
    assert type(model[0]) is nn.BatchNorm2d
    assert normalised_together(4, 3, torch.device("cpu")) == 4
    assert normalised_together(4, 3, torch.device("cuda")) == 12


def test_synchronised_layers_can_be_frozen() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    synchronise(model, torch.device("cuda"))
    freeze_statistics(model)
    model.train()(torch.randn(4, 3, 5, 5))  # a layer that trained would refuse these: they are not on a GPU
    assert model[0].num_batches_tracked == 0


def test_frozen_statistics_stay_and_scale_and_shift_still_learn() -> None:
    encoder = build_model(get_config("lite", encoder="test_efficientnet"), seed=0).encoder
    layers = [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert freeze_statistics(encoder) == freeze_statistics(encoder) == len(layers) > 0
    assert all(len(layer._forward_pre_hooks) == 1 and has_frozen_statistics(layer) for layer in layers)
    encoder.train()
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    images = 3 + torch.randn(2, 3, 32, 32)
    first = encoder(images[:1])
    encoder.train()
    both = encoder(images)
    both.square().mean().backward()
    torch.testing.assert_close(both[:1], first)  # an image does not depend on the others of its batch
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_buffers())
    for layer in layers:
        assert layer.weight.grad is not None
        assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("settings", "encoder", "others"),
    [
        ({"batch_size": 8}, True, False),
        ({"batch_size": 8, "frozen_statistics": "network"}, True, True),
        ({"batch_size": 16, "frozen_statistics": "network"}, False, False),
    ],
)
def test_what_is_frozen_is_what_the_settings_say(settings: dict, encoder: bool, others: bool) -> None:
    model = build_model(get_config("lite", encoder="test_efficientnet", num_classes=3), seed=0)
    freeze_as_set(model, OptimizerSettings(**settings), 1, torch.device("cpu"))
    parts = {"encoder": set(), "others": set()}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            parts["encoder" if name.startswith("encoder.") else "others"].add(has_frozen_statistics(layer))
    assert parts == {"encoder": {encoder}, "others": {others}}


def test_copies_of_a_frozen_network_are_frozen_too() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3))
    freeze_statistics(network)
    duplicate = copy.deepcopy(network).train()
    duplicate(torch.randn(4, 3, 5, 5))
    assert duplicate[0].num_batches_tracked == 0
    assert list(network.state_dict()) == list(nn.Sequential(nn.BatchNorm2d(3)).state_dict())
