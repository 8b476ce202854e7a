"""Activations that are computed twice: the same gradients and statistics from less memory."""

from __future__ import annotations

import copy
import functools
import types

import pytest
import torch
from tiny_network import tiny_checkpoint

from cinet_core.model import CINet, build_model, get_config
from cinet_core.training.recomputation import recompute_activations
from cinet_core.training.settings_run import RunSettings


def kept_bytes(model: CINet, image: torch.Tensor) -> int:
    """Of the activations that a forward pass keeps for the backward pass, which is then run."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(image)
    total = sum(kept.values())
    (output.depth.mean() + output.logits.square().mean()).backward()
    return total


@pytest.mark.parametrize("encoder", ["test_efficientnet", "test_resnet"])
def test_gradients_and_statistics_are_the_same_and_less_is_kept(encoder: str) -> None:
    plain = tiny_checkpoint(encoder=encoder).model.train()
    other = copy.deepcopy(plain)
    names = recompute_activations(other)
    assert sum(name.startswith("encoder.") for name in names) >= 4
    assert sum(name.startswith("decoders.") for name in names) == 3
    image = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    whole, less = kept_bytes(plain, image), kept_bytes(other, image)
    assert less < 0.6 * whole
    assert list(other.state_dict()) == list(plain.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    for (name, ours), theirs in zip(other.named_parameters(), plain.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), name
        if ours.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7, msg=name)


def test_the_stages_of_the_papers_encoder() -> None:
    with torch.device("meta"):
        model = build_model(get_config("resnet101"))
    names = [name for name in recompute_activations(model) if name.startswith("encoder.")]
    assert names == [f"encoder.backbone.layer{number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("option", ["compiled", "recompute"])
def test_a_module_trains_so_and_its_state_keeps_its_names(option: str) -> None:
    pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")
    from cinet_core.losses import STAGES, MultiTaskLoss
    from cinet_core.tasks.learning import task_learning
    from cinet_core.training.module import CINetModule
    from cinet_core.training.settings import PlannedStage
    from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings

    model = tiny_checkpoint().model
    loss = MultiTaskLoss(task_learning(model.config.tasks), 40, 8)
    plan = [PlannedStage(STAGES[2], StageSettings(1, 1e-3), 0)]
    module = CINetModule(model, loss, plan, OptimizerSettings(), 52.5, **{option: True})
    names = list(module.state_dict())
    strategy = types.SimpleNamespace(root_device=torch.device("cpu"))
    module._trainer = types.SimpleNamespace(world_size=1, strategy=strategy)  # type: ignore[assignment]
    module.setup("fit")
    assert list(module.state_dict()) == names
    assert (module.model._compiled_call_impl is not None) == (option == "compiled")
    assert isinstance(module.model.decoders.stages[0].forward, functools.partial) == (option == "recompute")
    assert not isinstance(module.average.module.decoders.stages[0].forward, functools.partial)


def test_a_compiled_network_decides_itself_what_it_computes_twice() -> None:
    with pytest.raises(ValueError, match=r"recompute.*compile"):
        RunSettings(compile=True, recompute=True)
