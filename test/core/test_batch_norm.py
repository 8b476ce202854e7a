"""BatchNorm in training: frozen statistics, and statistics over all processes."""

import copy
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d, SyncBatchNormAct
from torch import nn

from cinet_core.model import build_model, get_config
from cinet_core.training.batch_norm import (
    GlobalBatchNorm2d,
    freeze_statistics,
    has_frozen_statistics,
    synchronise,
)

REPOSITORY = Path(__file__).parents[2]
PARTS = (slice(0, 3), slice(3, 5))
STEPS = 3


def make_network(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """A norm of each kind: with activation, with cumulative statistics, without affine; the last one frozen."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        BatchNormAct2d(6, act_layer=nn.ReLU),
        nn.Conv2d(6, 4, 3),
        nn.BatchNorm2d(4, momentum=None),
        nn.BatchNorm2d(4, affine=False, momentum=0.3),
        nn.Conv2d(4, 2, 1),
        nn.BatchNorm2d(2),
    )
    freeze_statistics(network[-1])
    with torch.no_grad():
        network[1].weight.uniform_(0.5, 2)
        network[1].bias.uniform_(-1, 1)
        network[-1].running_var.fill_(3)
    return network.to(dtype)


def make_batch() -> torch.Tensor:
    """Five images whose mean is far from zero and differs between the processes."""
    images = torch.randn(5, 3, 8, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return images + 5 * torch.arange(5)[:, None, None, None]


def loss_of(output: torch.Tensor) -> torch.Tensor:
    weights = torch.randn(output.shape[1:], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return ((output - 0.3).pow(3) * weights).sum()


def train(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Outputs, gradients of weights and images, and buffers, after a few batches."""
    for step in range(STEPS):
        network.zero_grad()
        leaf = (images * (1 + step)).requires_grad_()
        output = network(leaf)
        loss_of(output).backward()
    assert leaf.grad is not None
    gradients = {f"gradient of {name}": value.grad for name, value in network.named_parameters()}
    norm = copy.deepcopy(network[1]).float()(images.bfloat16().repeat(1, 2, 1, 1)).detach()
    assert norm.dtype == torch.bfloat16
    return {"output": output.detach(), "images": leaf.grad, "half": norm, **gradients, **dict(network.named_buffers())}


def test_two_processes_equal_one_with_the_whole_batch(tmp_path: Path) -> None:
    """On gloo, with three images here and two in another process, in float64."""
    expected = train(make_network(), make_batch())
    other = subprocess.Popen([sys.executable, __file__, str(tmp_path)], cwd=REPOSITORY)
    try:
        train_in_parallel(0, tmp_path)
        assert other.wait(timeout=60) == 0
    finally:
        other.kill()
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert results[0].keys() == expected.keys()
    for name, value in expected.items():
        if name in ("output", "images", "half"):
            found = torch.cat([result[name] for result in results])
        elif name.startswith("gradient"):
            found = results[0][name] + results[1][name]  # the sum of the processes' losses is what is minimised
        else:
            torch.testing.assert_close(results[0][name], results[1][name], rtol=0, atol=0)
            found = results[0][name]
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


def train_in_parallel(rank: int, folder: Path) -> None:
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", rendezvous, timedelta(seconds=60), rank=rank, world_size=2)
    try:
        network = synchronise(make_network(), "cpu")
        torch.save(train(network, make_batch()[PARTS[rank]]), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def test_with_one_process_nothing_changes() -> None:
    plain, synchronised = make_network(), synchronise(make_network(), "cpu")
    found = train(synchronised, make_batch())
    for name, value in train(plain, make_batch()).items():
        assert torch.equal(found[name], value), name
    assert torch.equal(synchronised.eval()(make_batch()), plain.eval()(make_batch()))


def test_synchronising_keeps_names_values_and_what_is_frozen() -> None:
    network = make_network()
    before = copy.deepcopy(network.state_dict())
    parameters = list(network.parameters())
    assert synchronise(network, "cpu") is network
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(new is old for new, old in zip(network.parameters(), parameters, strict=True))
    kinds = [type(layer) for layer in network if not isinstance(layer, nn.Conv2d)]
    assert kinds == [GlobalBatchNorm2d, GlobalBatchNorm2d, GlobalBatchNorm2d, nn.BatchNorm2d]
    assert synchronise(network, "cpu")[1] is network[1]


def test_activations_of_the_whole_network_survive_on_cpu_and_cuda() -> None:
    """torch's own conversion drops them: timm's layers of norm and activation become plain norms."""
    config = get_config("lite", encoder="test_efficientnet", num_classes=3)
    image = torch.randn(1, 3, 32, 32)
    model = build_model(config, seed=0)
    expected = copy.deepcopy(model).eval()(image).depth
    assert torch.equal(synchronise(copy.deepcopy(model), "cpu").eval()(image).depth, expected)
    on_cuda = synchronise(copy.deepcopy(model), "cuda")
    assert torch.equal(on_cuda.eval()(image).depth, expected)
    norms = [layer for layer in on_cuda.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(layer, (nn.SyncBatchNorm, SyncBatchNormAct)) for layer in norms)
    dropped = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model)).eval()(image).depth
    assert not torch.allclose(dropped, expected)


def test_layers_that_are_not_for_images_are_refused_on_the_cpu() -> None:
    with pytest.raises(ValueError, match="BatchNorm1d cannot be synchronised on the CPU"):
        synchronise(nn.Sequential(nn.BatchNorm1d(3)), "cpu")


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
    torch.testing.assert_close(both[:1], first)  # a picture does not depend on the others of its batch
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_buffers())
    for layer in layers:
        assert layer.weight.grad is not None
        assert layer.weight.grad.abs().sum() > 0


def test_copies_of_a_frozen_network_are_frozen_too() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3))
    freeze_statistics(network)
    duplicate = copy.deepcopy(network).train()
    duplicate(torch.randn(4, 3, 5, 5))
    assert duplicate[0].num_batches_tracked == 0
    assert list(network.state_dict()) == list(nn.Sequential(nn.BatchNorm2d(3)).state_dict())


if __name__ == "__main__":
    train_in_parallel(1, Path(sys.argv[1]))
