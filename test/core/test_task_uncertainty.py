"""Uncertainty of depth: a Laplace scale of ln depth that is learnt, scored, and deployed in metres."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cinet_core.inference.graph import DeployableGraph
from cinet_core.losses.reduction import global_means
from cinet_core.messages.settings import OutputSettings
from cinet_core.metrics.uncertainty import UncertaintyMetrics
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.tasks import UNCERTAINTY, output_names
from cinet_core.tasks.learning.uncertainty import laplace_loss, predicted_scale
from cinet_core.tasks.uncertainty import ONE_SIGMA, TWO_SIGMA
from test.support.tiny_network import tiny_checkpoint

TASKS = (*DEFAULT_TASKS, "uncertainty")


def laplace_errors(scale: float, count: int = 20_000) -> torch.Tensor:
    uniform = torch.rand(count, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    return -scale * uniform.sign() * (1 - 2 * uniform.abs()).log()


def test_the_loss_is_least_where_the_scale_is_that_of_the_errors() -> None:
    truth = torch.full((1, 100, 200), 2.0, dtype=torch.float64)
    prediction = truth * laplace_errors(0.1).reshape(truth.shape).exp()
    answer = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([answer], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        term = laplace_loss(prediction, truth, predicted_scale(answer).expand(truth.shape))
        global_means({"uncertainty": term})["uncertainty"].backward()
        optimizer.step()
    assert predicted_scale(answer).item() == pytest.approx(0.1, rel=0.05)


def test_what_has_no_truth_has_no_part() -> None:
    prediction = torch.full((1, 2, 2), 3.0, requires_grad=True)
    truth = torch.tensor([[[0.0, math.nan], [math.inf, 0.0]]])
    term = laplace_loss(prediction, truth, torch.full((1, 2, 2), 0.1))
    term.sum.backward()
    assert (term.sum.item(), term.count.item()) == (0.0, 0)
    assert prediction.grad is not None
    assert not prediction.grad.any()


@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (0.5, False)])
def test_coverage_tells_the_right_scale_from_one_that_is_too_sure(factor: float, right: bool) -> None:
    truth = torch.full((1, 100, 200), 2.0, dtype=torch.float64)
    prediction = truth * laplace_errors(0.1).reshape(truth.shape).exp()
    metric = UncertaintyMetrics()
    assert metric.is_empty
    metric.update(prediction, truth, torch.full_like(truth, 0.1 * factor))
    found = metric.compute()
    assert (abs(found["within_1_sigma"] - ONE_SIGMA) < 0.01) == right
    assert (abs(found["within_2_sigma"] - TWO_SIGMA) < 0.01) == right


def test_the_graph_gives_metres_where_the_checkpoint_has_it_and_nothing_where_not() -> None:
    checkpoint = tiny_checkpoint(tasks=list(TASKS))
    image = torch.randint(0, 256, (1, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    cameras = torch.tensor([[80.0, 80.0, 31.5, 23.5]])
    graph = DeployableGraph(checkpoint.model, checkpoint.metadata.camera, (48, 64), (48, 64))
    with torch.inference_mode():
        outputs = graph(image, cameras)
        answer = graph.network_output(image).extra["uncertainty"][:, 0]
    assert tuple(outputs) == output_names(TASKS) == ("depth", "labels", "confidence", "depth_uncertainty")
    torch.testing.assert_close(outputs["depth_uncertainty"], math.sqrt(2) * answer.exp() * outputs["depth"])
    assert (
        "depth_uncertainty"
        not in DeployableGraph(tiny_checkpoint().model, checkpoint.metadata.camera, (48, 64), (48, 64)).output_names
    )


def test_it_follows_what_the_settings_do_to_depth() -> None:
    assert UNCERTAINTY.adjust is not None
    outputs = {
        "depth": np.array([[2.0, np.nan]], dtype=np.float32),
        "depth_uncertainty": np.array([[0.1, 0.2]], dtype=np.float32),
    }
    UNCERTAINTY.adjust(outputs, OutputSettings(depth_scale=2.0))
    np.testing.assert_allclose(outputs["depth_uncertainty"], [[0.2, np.nan]], rtol=1e-6)
