"""Eq. 11 and 13: the sum of the terms, the stages, missing supervision, processes, and gradients at the start."""

import math
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from cinet_core.losses import (
    STAGES,
    LossTerm,
    LossWeights,
    MultiTaskLoss,
    class_weights,
    global_maximum,
    global_means,
)
from cinet_core.model import CINetOutput, build_model, get_config
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.tasks.learning import task_learning

REPOSITORY = Path(__file__).parents[2]
CLASSES = 5
TASKS = task_learning(DEFAULT_TASKS)
CHANNELS = 6
SEEDS = [1, 2, 3, 4]
VOID = 255
DEPTH_TERMS = {"berhu", "pair", "normal", "depth"}


class SmallNetwork(nn.Module):
    """Everything that the losses read, from a few convolutions without batch statistics, and the loss itself."""

    def __init__(self) -> None:
        super().__init__()
        self.depth_features, self.semantic_features = (nn.Conv2d(3, CHANNELS, 3, padding=1) for _ in range(2))
        self.query, self.key = (nn.Conv2d(3, 4, 8, stride=8) for _ in range(2))
        self.depth_head, self.segmentation_head = nn.Conv2d(CHANNELS, 1, 1), nn.Conv2d(CHANNELS, CLASSES, 1)
        self.criterion = MultiTaskLoss(
            TASKS, CLASSES, CHANNELS, class_weights(torch.tensor([5, 4, 3, 2, 0])), pair_pixels=50
        )

    def predict(self, image: torch.Tensor) -> CINetOutput:
        depth, semantic = self.depth_features(image), self.semantic_features(image)
        query, key = (projection(image).flatten(2).mT for projection in (self.query, self.key))
        logits = self.segmentation_head(semantic)
        return CINetOutput(F.softplus(self.depth_head(depth)), logits, depth, semantic, query, key, None)

    def forward(
        self, image: torch.Tensor, depth: torch.Tensor, labels: torch.Tensor, seeds: list[int], stage: int = 3
    ) -> dict[str, torch.Tensor]:
        return self.criterion(self.predict(image), depth, labels, seeds, STAGES[stage - 1])


def make_network() -> SmallNetwork:
    torch.manual_seed(0)
    return SmallNetwork()


def make_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Four images of 16x24: depth only, both (with holes), labels only, both."""
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(4, 3, 16, 24, generator=generator)
    depth = 0.5 + 4 * torch.rand(4, 16, 24, generator=generator)
    labels = torch.randint(0, CLASSES, (4, 2, 3), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    labels[1, :9], depth[1, :5], depth[3, 7] = VOID, 0, math.nan
    labels[0], depth[2] = VOID, math.inf
    return image, depth, labels


def gradients(module: nn.Module) -> dict[str, torch.Tensor | None]:
    return {name: parameter.grad for name, parameter in module.named_parameters()}


def test_the_terms_are_weighted_as_in_the_paper() -> None:
    losses = {name: value.item() for name, value in make_network()(*make_batch(), SEEDS).items()}
    depth = losses["berhu"] + 1 * losses["pair"] + 5 * losses["normal"]
    assert losses["depth"] == pytest.approx(depth)
    total = losses["attention"] + 1 * depth + 5 * losses["consistency"] + 0.3 * losses["segmentation"]
    assert losses["total"] == pytest.approx(total)
    assert all(value > 0 for value in losses.values())


def test_log_depth_compares_ratios_and_adds_half_of_silog() -> None:
    network, batch = make_network(), make_batch()
    metres = network(*batch, SEEDS)
    network.criterion.depth_space = "log"
    losses = network(*batch, SEEDS)
    assert set(losses) - set(metres) == {"silog"}
    assert losses["normal"] == metres["normal"]
    depth = losses["berhu"] + losses["pair"] + 5 * losses["normal"] + 0.5 * losses["silog"]
    assert torch.isclose(losses["depth"], depth)
    image, true, labels = batch
    network.criterion.zero_grad()
    losses["depth"].backward()
    assert all(grad is None or torch.isfinite(grad).all() for grad in gradients(network).values())
    # The same scene twice as far, seen by a network whose depth is twice as far: the ratios are what they were.
    output = network.predict(image)
    terms = [
        network.criterion(output._replace(depth=factor * output.depth), factor * true, labels, SEEDS, STAGES[2])
        for factor in (1, 2)
    ]
    for name in ("berhu", "pair", "silog"):
        assert torch.isclose(terms[0][name], terms[1][name], rtol=1e-4)


def test_every_weight_acts_on_its_own_term() -> None:
    network, batch = make_network(), make_batch()
    network.criterion.weights = LossWeights(depth=2, consistency=3, segmentation=5, pair=7, normal=11)
    losses = network(*batch, SEEDS)
    depth = losses["berhu"] + 7 * losses["pair"] + 11 * losses["normal"]
    expected = losses["attention"] + 2 * depth + 3 * losses["consistency"] + 5 * losses["segmentation"]
    assert torch.isclose(losses["total"], expected)


@pytest.mark.parametrize(
    ("name", "silent"),
    [
        ("depth", DEPTH_TERMS),
        ("pair", {"pair"}),
        ("normal", {"normal"}),
        ("segmentation", {"segmentation"}),
        ("consistency", {"consistency"}),
    ],
)
def test_what_weighs_nothing_is_not_computed(name: str, silent: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = make_network(), make_batch()
    before = network(*batch, SEEDS)
    weights = LossWeights(**{name: 0.0})
    network.criterion.weights = weights

    def computed(*arguments: object, **options: object) -> None:
        raise AssertionError(f"{name} weighs nothing")

    function = {
        "depth": "cinet_core.tasks.learning.depth.berhu_loss",
        "pair": "cinet_core.tasks.learning.depth.pair_loss",
        "normal": "cinet_core.tasks.learning.depth.normal_loss",
        "segmentation": "cinet_core.tasks.learning.segmentation.segmentation_loss",
        "consistency": "cinet_core.losses.total.border_distances",
    }[name]
    monkeypatch.setattr(function, computed)
    losses = network(*batch, SEEDS)
    assert set(before) - set(losses) == silent
    part = {"depth": 1.0, "pair": 1.0, "normal": 5.0, "segmentation": 0.3, "consistency": 5.0}[name]
    assert torch.isclose(losses["total"], before["total"] - part * before[name])
    losses["total"].backward()
    # DistributedDataParallel would wait for the others for ever.
    without = {key for key, gradient in gradients(network).items() if gradient is None}
    assert without == ({"criterion.feature_variance.log_sigma"} if name == "consistency" else set())


def test_uncertainty_weighting_learns_no_factor_of_what_weighs_nothing() -> None:
    # Its loss would be 0, and ln sigma^2 fall for ever.
    criterion = MultiTaskLoss(TASKS, CLASSES, CHANNELS, weights=LossWeights(segmentation=0.0), balance="uncertainty")
    assert criterion.balance.log_variance.shape == (1,)
    with pytest.raises(ValueError, match="give one of them a weight"):
        MultiTaskLoss(TASKS, CLASSES, CHANNELS, weights=LossWeights(depth=0.0, segmentation=0.0))


@pytest.mark.parametrize(
    ("stage", "extra"), [(1, set()), (2, {"attention"}), (3, {"attention", "consistency"})], ids=["1", "2", "3"]
)
def test_stages_activate_their_terms(stage: int, extra: set[str]) -> None:
    assert set(make_network()(*make_batch(), SEEDS, stage)) == DEPTH_TERMS | {"segmentation", "total"} | extra
    assert STAGES[stage - 1].number == stage
    assert STAGES[stage - 1].ideal_attention == (stage == 1)


def test_a_network_without_the_module_has_no_attention_loss() -> None:
    network, (image, depth, labels) = make_network(), make_batch()
    output = network.predict(image)._replace(query=None, key=None)
    assert "attention" not in network.criterion(output, depth, labels, SEEDS, STAGES[2])


@pytest.mark.parametrize(
    ("missing", "silent"),
    [
        ("depth", DEPTH_TERMS),
        ("labels", {"segmentation", "attention", "consistency"}),
        ("both", DEPTH_TERMS | {"segmentation", "attention", "consistency", "total"}),
    ],
)
def test_missing_supervision_is_zero_and_still_reaches_every_parameter(missing: str, silent: set[str]) -> None:
    network, (image, depth, labels) = make_network(), make_batch()
    depth = torch.zeros_like(depth) if missing in ("depth", "both") else depth
    labels = torch.full_like(labels, VOID) if missing in ("labels", "both") else labels
    losses = network(image, depth, labels, SEEDS)
    losses["total"].backward()
    assert {name for name, value in losses.items() if value == 0} == silent
    for name, gradient in gradients(network).items():
        assert gradient is not None, name
        assert torch.isfinite(gradient).all(), name


def test_autocast_changes_no_loss() -> None:
    network, (image, depth, labels) = make_network(), make_batch()
    output = network.predict(image)
    expected = network.criterion(output, depth, labels, SEEDS, STAGES[2])
    with torch.autocast("cpu", torch.bfloat16):
        losses = network.criterion(output, depth, labels, SEEDS, STAGES[2])
    for name, value in losses.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[name]), name


def test_means_of_terms() -> None:
    terms = {
        "some": LossTerm(torch.tensor(6.0), torch.tensor(4)),
        "none": LossTerm(torch.tensor(0.0), torch.tensor(0)),
    }
    assert global_means(terms) == {"some": 1.5, "none": 0}
    assert global_maximum(torch.tensor(3.0, requires_grad=True)).requires_grad is False


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_weights_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="loss weight pair"):
        LossWeights(pair=value)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4,\): it must be \(5,\)"):
        MultiTaskLoss(TASKS, CLASSES, CHANNELS, torch.ones(4))
    with pytest.raises(ValueError, match="pair_pixels is 1"):
        MultiTaskLoss(TASKS, CLASSES, CHANNELS, pair_pixels=1)


def test_no_gradient_is_dead_or_explodes_at_the_start() -> None:
    """The untrained network on a furnished room: the norm of each term's gradient over what the term reads.

    Times the square root of the number of elements, so that the size does not depend on how many a mean is over: 1
    means that moving every element by 1 moves the loss by 1. Found: 0.4 to 7, and 0.01 for sigma.
    """
    frame = SyntheticRoom(seed=0, width=128, height=96).render(0)
    model = build_model(get_config("lite"), seed=0)
    image = torch.from_numpy(frame.image).permute(2, 0, 1)[None] / 255
    output = model((image - model.image_mean) / model.image_std)
    criterion = MultiTaskLoss(TASKS, 40, 32)
    depth, labels = torch.from_numpy(frame.depth)[None], torch.from_numpy(frame.labels)[None]
    losses = criterion(output, depth, labels, [0], STAGES[2])

    def size(term: str, leaf: torch.Tensor | None) -> float:
        assert leaf is not None
        (gradient,) = torch.autograd.grad(losses[term], leaf, retain_graph=True)
        return gradient.norm().item() * leaf.numel() ** 0.5

    sizes = {
        **{term: size(term, output.depth) for term in ("berhu", "pair", "normal")},
        "segmentation": size("segmentation", output.logits),
        "attention of the query": size("attention", output.query),
        "attention of the key": size("attention", output.key),
        "consistency of depth": size("consistency", output.depth_features),
        "consistency of semantics": size("consistency", output.semantic_features),
    }
    assert all(0.1 < value < 20 for value in sizes.values()), sizes
    sigma = size("consistency", criterion.feature_variance.log_sigma)
    assert 1e-3 < sigma < 1, sigma


def test_two_processes_equal_one_with_the_whole_batch(tmp_path: Path) -> None:
    """Losses and gradients under DDP on gloo: this process has three images of the four, another one the last."""
    network = make_network()
    losses = network(*make_batch(), SEEDS)
    losses["total"].backward()
    other = subprocess.Popen([sys.executable, __file__, str(tmp_path)], cwd=REPOSITORY)
    try:
        train_in_parallel(0, tmp_path)
        assert other.wait(timeout=60) == 0
    finally:
        other.kill()
    for rank in range(2):
        result = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in losses.items():
            assert result["losses"][name] == pytest.approx(value.item(), rel=1e-6), name
        for name, gradient in gradients(network).items():
            assert gradient is not None
            tolerance = 1e-6 * gradient.abs().max().item()
            assert torch.allclose(result["gradients"][name], gradient, rtol=1e-5, atol=tolerance), name


def train_in_parallel(rank: int, folder: Path) -> None:
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", rendezvous, timedelta(seconds=60), rank=rank, world_size=2)
    try:
        network = nn.parallel.DistributedDataParallel(make_network())
        part = (slice(0, 3), slice(3, 4))[rank]
        losses = network(*(tensor[part] for tensor in make_batch()), SEEDS[part])
        losses["total"].backward()
        values = {name: value.item() for name, value in losses.items()}
        torch.save({"losses": values, "gradients": gradients(network.module)}, folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    train_in_parallel(1, Path(sys.argv[1]))
