"""The deployable graph: camera image in; metric depth, labels and confidence out, at the size asked for."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_network import TINY
from torch import Tensor, nn

from cinet_core.checkpoint import TrainingCamera
from cinet_core.inference.graph import DeployableGraph
from cinet_core.model import CINet, build_model, get_config
from cinet_core.model.cinet import CINetOutput
from cinet_core.tasks.learning.label_decision import decide, decide_in_one_pass, first_largest

CAMERA = TrainingCamera()
IMAGE, NETWORK = (48, 64), (24, 32)


@pytest.fixture(scope="module")
def model() -> CINet:
    return build_model(get_config("lite", **TINY), seed=0).eval()


@pytest.fixture
def image() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 6, 8, generator=generator) * 255
    return F.interpolate(coarse, size=IMAGE, mode="bilinear").permute(0, 2, 3, 1).to(torch.uint8)


def intrinsics_of(fx: float, fy: float | None = None) -> Tensor:
    return torch.tensor([[fx, fy or fx, 31.5, 23.5]] * 2)


@torch.inference_mode()
def test_equals_the_steps_of_the_method(model: CINet, image: Tensor) -> None:
    """Everything around the network, written out, with f_net as a number."""
    graph = DeployableGraph(model, CAMERA, IMAGE, NETWORK)
    result = graph(image, intrinsics_of(100.0, 121.0))

    pixels = F.interpolate(image.permute(0, 3, 1, 2).float(), size=NETWORK, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    output = model((pixels / 255 - mean) / std)
    f_net = math.sqrt(100.0 * 0.5 * 121.0 * 0.5)
    depth = F.interpolate(output.depth, size=IMAGE, mode="bilinear", align_corners=False)[:, 0] * f_net / 262.5
    depth[(depth < 0.1) | (depth > 10)] = math.nan
    torch.testing.assert_close(result["depth"], depth, equal_nan=True)

    probabilities = output.logits.softmax(dim=1)
    factor = IMAGE[0] // probabilities.shape[-2]  # twice the network's size, of which the logits have half
    assert factor == 4
    labels = probabilities.argmax(dim=1).repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
    confidence = (255 * probabilities.amax(dim=1)).repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    assert torch.equal(result["labels"].long(), labels)
    assert (result["confidence"] - confidence).abs().max() <= 0.51
    assert len(labels.unique()) > 1  # or the comparison shows little


@torch.inference_mode()
def test_types_and_sizes(model: CINet, image: Tensor) -> None:
    for output_size in (None, IMAGE, (30, 41), (96, 128), (24, 32), (1, 1)):
        result = DeployableGraph(model, CAMERA, IMAGE, NETWORK, output_size)(image, intrinsics_of(300.0))
        for tensor, dtype in zip(result.values(), (torch.float32, torch.uint8, torch.uint8), strict=True):
            assert tensor.shape == (2, *(output_size or IMAGE))
            assert tensor.dtype == dtype


@torch.inference_mode()
def test_odd_sizes_throughout(model: CINet) -> None:
    image = torch.zeros(1, 37, 51, 3, dtype=torch.uint8)
    result = DeployableGraph(model, CAMERA, (37, 51), (25, 33))(image, intrinsics_of(60.0)[:1])
    assert result["depth"].shape == result["labels"].shape == (1, 37, 51)


@torch.inference_mode()
def test_metric_depth_doubles_with_the_focal_length_and_labels_stay(model: CINet, image: Tensor) -> None:
    graph = DeployableGraph(model, CAMERA, IMAGE, NETWORK, depth_range=(1e-6, 1e6))
    single, double = graph(image, intrinsics_of(200.0)), graph(image, intrinsics_of(400.0))
    torch.testing.assert_close(double["depth"], 2 * single["depth"])
    assert torch.equal(single["labels"], double["labels"])
    mixed = graph(image, torch.cat([intrinsics_of(200.0)[:1], intrinsics_of(400.0)[:1]]))
    torch.testing.assert_close(mixed["depth"][1], 2 * single["depth"][1])


@torch.inference_mode()
def test_one_camera_at_two_resolutions_has_one_depth(model: CINet) -> None:
    """The same view taken with twice the pixels has twice f, and the same f_net at the network's input."""
    small = torch.full((1, *NETWORK, 3), 90, dtype=torch.uint8)
    large = torch.full((1, *IMAGE, 3), 90, dtype=torch.uint8)
    low = DeployableGraph(model, CAMERA, NETWORK, NETWORK, NETWORK)(small, intrinsics_of(131.0)[:1])
    high = DeployableGraph(model, CAMERA, IMAGE, NETWORK, NETWORK)(large, intrinsics_of(262.0)[:1])
    torch.testing.assert_close(low["depth"], high["depth"])


class FixedNetwork(nn.Module):
    """Stands in for the network where a test has to choose what it says: depth and logits, at the network's size."""

    def __init__(self, depth: Tensor, logits: Tensor) -> None:
        super().__init__()
        self.register_buffer("image_mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("image_std", torch.ones(1, 3, 1, 1))
        self.config = get_config("lite", num_classes=logits.shape[1])
        self.depth, self.logits = depth, logits
        self.seen: Tensor | None = None

    def forward(self, image: Tensor) -> CINetOutput:
        self.seen = image
        return CINetOutput(self.depth, self.logits, self.depth, self.logits, None, None, None)


def run_fixed(
    depth: list[float], logits: list[list[float]], depth_range: tuple[float, float] = (0.1, 10.0)
) -> dict[str, Tensor]:
    """A network of one row, one value a column, run where f_net = f_c."""
    columns = len(depth)
    network = FixedNetwork(torch.tensor(depth).reshape(1, 1, 1, columns), torch.tensor(logits).T[None, :, None])
    graph = DeployableGraph(network, CAMERA, (1, columns), (1, columns), depth_range=depth_range)  # type: ignore[arg-type]
    return graph(torch.zeros(1, 1, columns, 3, dtype=torch.uint8), intrinsics_of(262.5)[:1])


def test_depth_outside_the_range_is_nan() -> None:
    result = run_fixed([0.4, 0.5, 3.0, 8.0, 8.1, math.inf, math.nan], [[1.0]] * 7, (0.5, 8.0))
    np.testing.assert_array_equal(result["depth"][0, 0], [math.nan, 0.5, 3.0, 8.0, math.nan, math.nan, math.nan])


def test_confidence_is_the_probability_of_the_label() -> None:
    result = run_fixed([1.0] * 4, [[0.0, 0.0], [math.log(3), 0.0], [-50.0, 50.0], [1e4, -1e4]])
    assert result["labels"][0, 0].tolist()[1:] == [0, 1, 0]
    assert result["confidence"][0, 0].tolist() == [128, 191, 255, 255]


def test_labels_are_decided_alike_where_the_graph_is_exported() -> None:
    logits = torch.randint(-3, 4, (2, 5, 30, 40), generator=torch.Generator().manual_seed(0)).float()  # many are equal
    best, labels = first_largest(logits)
    expected_best, expected = logits.max(dim=1)
    assert torch.equal(best, expected_best)
    assert torch.equal(labels, logits.argmax(dim=1).float())
    assert torch.equal(labels, expected.float())


@pytest.mark.parametrize("classes", [1, 2, 13, 40, 255])
@pytest.mark.parametrize("spread", [0.01, 3.0, 60.0])
def test_in_one_pass_labels_are_decided_alike(classes: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    logits = (spread * torch.randn(2, classes, 30, 40, generator=generator)).clamp(-70, 70)
    labels, confidence = decide_in_one_pass(logits)
    expected, expected_confidence = decide(logits)
    lost = logits.amax(dim=1) - logits.gather(1, labels[:, None].long())[:, 0]
    steps = 2 ** (24 - max((classes - 1).bit_length(), 1))
    assert (lost <= (4 + logits.abs().amax(dim=1)) ** 2 / 4 / steps * 2).all()
    assert (labels == expected).float().mean() > (0.95 if spread < 0.1 else 0.999)
    assert (confidence.int() - expected_confidence.int()).abs().max() <= 1


def test_in_one_pass_of_equal_ones_it_is_the_first() -> None:
    logits = torch.randint(-3, 4, (2, 5, 30, 40), generator=torch.Generator().manual_seed(0)).float()
    labels, _ = decide_in_one_pass(logits)
    assert torch.equal(labels.long(), logits.argmax(dim=1))


def test_in_one_pass_logits_of_any_size_have_a_label() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0, 70.0], [3e38, -3e38, 1.0, 90.0], [-50.0, 200.0, 0.0, -1e30]])
    labels, confidence = decide_in_one_pass(logits.T[None, :, :, None])
    assert labels.flatten().tolist() == [0, 0, 1]
    assert confidence.flatten().tolist()[2] == 255
    assert confidence.min() > 0


def test_in_one_pass_the_answer_of_a_graph_is_the_same(model: CINet, image: Tensor) -> None:
    graph = DeployableGraph(model, CAMERA, IMAGE, NETWORK)
    with torch.no_grad():
        depth, labels, confidence = graph(image, intrinsics_of(300.0)).values()
        same_depth, near_labels, near_confidence = graph.in_one_pass()(image, intrinsics_of(300.0)).values()
    assert torch.equal(depth.nan_to_num(), same_depth.nan_to_num())
    assert (labels == near_labels).float().mean() > 0.995
    assert (confidence.int() - near_confidence.int()).abs().max() <= 1


def test_pixels_reach_the_network_as_rgb_from_0_to_1() -> None:
    network = FixedNetwork(torch.ones(1, 1, 1, 2), torch.zeros(1, 2, 1, 2))
    graph = DeployableGraph(network, CAMERA, (1, 2), (1, 2))  # type: ignore[arg-type]
    graph(torch.tensor([[[[255, 0, 51], [0, 102, 255]]]], dtype=torch.uint8), intrinsics_of(262.5)[:1])
    torch.testing.assert_close(network.seen, torch.tensor([[[[1.0, 0.0]], [[0.0, 0.4]], [[0.2, 1.0]]]]))


def test_a_fine_pattern_is_averaged_and_not_aliased() -> None:
    columns = 64
    network = FixedNetwork(torch.ones(1, 1, 8, 8), torch.zeros(1, 2, 8, 8))
    graph = DeployableGraph(network, CAMERA, (64, columns), (8, 8))  # type: ignore[arg-type]
    stripes = (torch.arange(columns) % 2 * 255).to(torch.uint8).reshape(1, 1, columns, 1).expand(1, 64, columns, 3)
    graph(stripes, intrinsics_of(262.5)[:1])
    assert (network.seen - 0.5).abs().max() < 0.05


def test_exports_as_one_program(model: CINet, image: Tensor) -> None:
    """Fixed shapes, no Python left: what ONNX and the compiled backends start from."""
    graph = DeployableGraph(model, CAMERA, IMAGE, NETWORK)
    inputs = (image, intrinsics_of(300.0))
    with torch.no_grad():
        program = torch.export.export(graph, inputs)
        exported, eager = program.module()(*inputs), graph(*inputs)
    assert list(exported) == list(eager) == list(graph.output_names)
    for name in eager:
        torch.testing.assert_close(exported[name], eager[name], equal_nan=True)
