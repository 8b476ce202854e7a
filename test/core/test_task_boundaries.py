"""The task of occlusion boundaries: loss and metrics against references, targets under variations, drawing."""

import math

import numpy as np
import pytest
import torch

from cinet_core.data.augmentation import NO_AUGMENTATION, Variation
from cinet_core.data.sample import Sample
from cinet_core.data.transforms import TrainingTransform
from cinet_core.metrics.boundaries import BoundaryMetrics, depth_edge_errors, edges_of_depth
from cinet_core.tasks.boundaries import BOUNDARIES, COLOR, draw_boundaries
from cinet_core.tasks.learning.boundaries import BOUNDARY_WEIGHT, BoundariesLearning, boundary_loss, resized_boundaries
from cinet_core.tasks.learning.surfaces import UNKNOWN


def box_depth(height: int = 60, width: int = 80) -> torch.Tensor:
    """A box before a wall; its rim has 2 (30 + 25) - 4 pixels."""
    depth = torch.full((height, width), 3.0)
    depth[15:40, 20:50] = 2.0
    return depth


def sample_of(depth: torch.Tensor) -> Sample:
    size = depth.shape
    labels = torch.full(size, 255, dtype=torch.uint8)
    return Sample("sample", torch.zeros(3, *size, dtype=torch.uint8), depth, labels)


def test_loss_against_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(2, 5, 6, dtype=torch.float64, generator=generator)).requires_grad_()
    target = torch.randint(0, 2, (2, 5, 6), generator=generator).to(torch.uint8)
    target[0, 0, 0] = target[1, 2, 3] = UNKNOWN
    total = 0.0
    for logit, true in zip(logits.detach().flatten().tolist(), target.flatten().tolist(), strict=True):
        probability = 1 / (1 + math.exp(-logit))
        total -= {1: BOUNDARY_WEIGHT * math.log(probability), 0: math.log(1 - probability), UNKNOWN: 0}[true]
    term = boundary_loss(logits, target)
    assert term.count.item() == 58
    assert term.sum.item() == pytest.approx(total, rel=1e-9)
    assert torch.autograd.gradcheck(lambda x: boundary_loss(x, target).sum, (logits,))
    unknown = boundary_loss(logits, torch.full_like(target, UNKNOWN))
    assert (unknown.sum.item(), unknown.count.item()) == (0, 0)
    with pytest.raises(ValueError, match="must both be"):
        boundary_loss(logits[:, None], target)


def test_the_weight_moves_the_answer_of_one_half() -> None:
    """The best constant answer where a fifth of the pixels is a boundary, at weight 4, is 0.5."""
    target = torch.zeros(1, 1, 10, dtype=torch.uint8)
    target[..., :2] = 1
    logit = torch.zeros(1, 1, 1, dtype=torch.float64, requires_grad=True)
    boundary_loss(logit.expand(1, 1, 10), target).sum.backward()
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(0)


def test_lines_stay_whole_in_a_smaller_image() -> None:
    boundaries = torch.zeros(40, 60, dtype=torch.uint8)
    boundaries[:, 31] = boundaries[7] = 1
    boundaries[30:, 50:] = UNKNOWN
    for height, width in ((40, 60), (20, 30), (17, 23), (13, 41)):
        resized = resized_boundaries(boundaries, height, width)
        assert resized.shape == (height, width)
        column, row = int(31.5 * width / 60), int(7.5 * height / 40)
        expected = torch.zeros(height, width, dtype=torch.bool)
        expected[:, column] = expected[row] = True
        assert torch.equal(resized == 1, expected)
        assert resized[-1, -1] == UNKNOWN
    larger = resized_boundaries(boundaries, 80, 120) == 1
    assert larger[:, 62:64].all()
    assert larger[14:16].all()
    assert larger.sum() == 2 * 80 + 2 * 120 - 4


def test_targets_under_variations() -> None:
    sample, learning = sample_of(box_depth()), BoundariesLearning()
    transform = TrainingTransform(80, 60, 60.0, NO_AUGMENTATION)
    whole = learning.target(sample, Variation(0.0, 1.0, 0.5, 0.5, False, (), 0), transform)
    assert whole.dtype == torch.uint8
    assert (whole == 1).sum() == 2 * (30 + 25) - 4
    mirrored = learning.target(sample, Variation(0.0, 1.0, 0.5, 0.5, True, (), 0), transform)
    assert torch.equal(mirrored, whole.flip(-1))
    zoomed = learning.target(sample, Variation(0.0, 2.0, 0.5, 0.5, False, (), 0), transform)
    assert torch.equal(zoomed[::2, ::2], whole[15:45, 20:60])
    small = TrainingTransform(40, 30, 30.0, NO_AUGMENTATION)
    halved = learning.target(sample, Variation(0.0, 1.0, 0.5, 0.5, False, (), 0), small)
    assert torch.equal(halved, torch.nn.functional.max_pool2d(whole[None].float(), 2)[0].to(torch.uint8))
    turned = learning.target(sample, Variation(20.0, 1.0, 0.5, 0.5, False, (), 0), transform)
    assert (turned == UNKNOWN).any()  # corners that the image does not reach
    assert (turned == 1).sum() > 80


def scored(probability: np.ndarray, truth: np.ndarray, depth: np.ndarray | None = None) -> dict[str, float]:
    metric = BoundaryMetrics()
    depth = np.ones(truth.shape, dtype=np.float32) if depth is None else depth
    metric.update(*(torch.from_numpy(np.ascontiguousarray(value))[None] for value in (probability, truth, depth)))
    return metric.compute()


def test_metrics_against_counting() -> None:
    """Each predicted and each true pixel against every other one."""
    generator = np.random.default_rng(0)
    probability = generator.random((40, 50), dtype=np.float32) ** 4
    truth = (generator.random((40, 50)) < 0.01).astype(np.uint8)
    truth[:, 45:] = UNKNOWN
    limit = 0.0075 * math.hypot(40, 50)

    def counted(threshold: float) -> tuple[float, float, float]:
        predicted, true = np.argwhere((probability >= threshold) & (truth <= 1)), np.argwhere(truth == 1)
        distance = np.linalg.norm(predicted[:, None] - true[None], axis=-1)
        precision, recall = (distance.min(1) <= limit).mean(), (distance.min(0) <= limit).mean()
        return precision, recall, 2 * precision * recall / (precision + recall)

    found = scored(probability, truth)
    names = ("boundary_precision", "boundary_recall", "boundary_f")
    assert [found[name] for name in names] == pytest.approx(counted(0.5))
    assert found["boundary_best_f"] == pytest.approx(max(counted(step / 20)[2] for step in range(1, 20)))
    assert found.keys() == {spec.name for spec in BOUNDARIES.metrics}


def test_metrics_of_the_truth_and_of_nothing() -> None:
    truth = np.zeros((60, 80), dtype=np.uint8)
    truth[:, 30] = 1
    perfect = scored(truth.astype(np.float32), truth)
    assert [perfect[f"boundary_{name}"] for name in ("precision", "recall", "f", "best_f")] == [1, 1, 1, 1]
    assert perfect["edge_accuracy"] == perfect["edge_completeness"] == 10  # flat depth has no edge
    beside = scored(np.roll(truth, 1, axis=1).astype(np.float32), truth)  # tolerance is 0.75 pixels
    assert [beside["boundary_precision"], beside["boundary_recall"], beside["boundary_f"]] == [0, 0, 0]
    nothing = scored(np.zeros((60, 80), dtype=np.float32), truth)
    assert nothing["boundary_precision"] == nothing["boundary_recall"] == nothing["boundary_best_f"] == 0
    metric = BoundaryMetrics()
    unknown = torch.full((1, 6, 8), UNKNOWN, dtype=torch.uint8)
    metric.update(torch.ones(1, 6, 8), unknown, torch.ones(1, 6, 8))
    assert metric.is_empty
    with pytest.raises(ValueError, match="must agree"):
        metric.update(torch.ones(1, 6, 8), unknown, torch.ones(1, 6, 9))


def test_edges_of_a_step_lie_on_it() -> None:
    depth = np.full((60, 80), 4.0, dtype=np.float32)
    depth[:, :33] = 2.0
    edges = edges_of_depth(depth)
    assert set(np.argwhere(edges)[:, 1].tolist()) <= {32, 33}
    assert edges.any(axis=1).all()
    assert np.array_equal(edges_of_depth(7 * depth), edges)
    depth[5, 5] = np.nan
    assert not edges_of_depth(np.full((8, 8), 2.0)).any()
    assert not edges_of_depth(np.full((8, 8), np.nan)).any()
    ramp = np.tile(np.linspace(1, 5, 80, dtype=np.float32), (60, 1))
    assert not edges_of_depth(ramp).any()


@pytest.mark.parametrize(
    ("predicted", "accuracy", "completeness"),
    [
        ([20], 0.0, 0.0),
        ([23], 3.0, 3.0),
        ([23, 21], 2.0, 1.0),
        ([23, 60], 3.0, 3.0),  # an edge far from any boundary is not judged
        ([30], 10.0, 10.0),
        ([], 10.0, 10.0),
    ],
)
def test_depth_edge_errors_of_parallel_lines(predicted: list[int], accuracy: float, completeness: float) -> None:
    true, edges = np.zeros((30, 80), dtype=bool), np.zeros((30, 80), dtype=bool)
    true[:, 20] = True
    edges[:, predicted] = True
    assert depth_edge_errors(edges, true) == pytest.approx((accuracy, completeness))


def test_depth_edge_errors_against_counting() -> None:
    generator = np.random.default_rng(1)
    edges, true = generator.random((2, 40, 50)) < 0.004
    predicted_at, true_at = np.argwhere(edges), np.argwhere(true)
    distance = np.linalg.norm(predicted_at[:, None] - true_at[None], axis=-1)
    to_true = distance.min(axis=1)
    expected = to_true[to_true < 10].mean(), np.minimum(distance.min(axis=0), 10).mean()
    assert depth_edge_errors(edges, true) == pytest.approx(expected)
    assert 0 < expected[0] < expected[1] < 10


def test_a_frame_is_scored_at_the_size_of_its_truth() -> None:
    depth = box_depth()
    learning, metric = BoundariesLearning(), BoundaryMetrics()
    small = torch.nn.functional.interpolate(depth[None, None], size=(30, 40), mode="nearest-exact")[:, 0]
    outputs = {"boundaries": torch.full((1, 30, 40), 255, dtype=torch.uint8), "depth": small}
    learning.update_on_frame(metric, outputs, sample_of(depth))
    found = metric.compute()
    assert found["boundary_recall"] == 1
    assert found["boundary_precision"] < 0.1
    assert found["edge_accuracy"] < 1.5


def test_drawing() -> None:
    image = np.full((2, 3, 3), 100, dtype=np.uint8)
    boundaries = np.array([[0, 255, 0], [0, 0, 0]], dtype=np.uint8)
    drawn = draw_boundaries(image, boundaries)
    assert drawn[0, 1].tolist() == list(COLOR)
    assert (drawn[1] == 100).all()
    with pytest.raises(ValueError, match="resize one"):
        draw_boundaries(image, boundaries[:1])
