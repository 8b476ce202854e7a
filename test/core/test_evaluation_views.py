"""Test-time augmentation: mirrored views cancel exactly, and zoomed views are of one metric depth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from tiny_network import FIRST_GENERATION, tiny_checkpoint
from torch import Tensor

import cinet_core
from cinet_core.checkpoint import TrainingCamera
from cinet_core.evaluation.augmented_graph import AugmentedGraph
from cinet_core.evaluation.evaluation_graph import EvaluationGraph
from cinet_core.evaluation.views import PLAIN, Views
from cinet_core.geometry import Intrinsics
from cinet_core.model.cinet import CINetOutput

CAMERA = TrainingCamera(width=96, height=64, canonical_focal=80.0)
SIZE = (64, 96)
LENS = Intrinsics(70.0, 90.0, 40.0, 33.0, 96, 64)


def images(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, 3, *SIZE), generator=generator, dtype=torch.uint8)


class Pinhole(torch.nn.Module):
    """Knows the truth: metric depth is what the image's red says, and canonical depth d f_c / f_net is what it answers.

    It sees how far the image is zoomed by its width, as a network does by the size of things. Odd columns of logits
    lean to the left, which a mirrored view takes back.
    """

    def __init__(self, lens: Intrinsics, camera: TrainingCamera, lean: float = 0.0) -> None:
        super().__init__()
        self.config = tiny_checkpoint().model.config
        self.register_buffer("image_mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("image_std", torch.ones(1, 3, 1, 1))
        self.lens, self.camera, self.lean = lens, camera, lean

    def forward(self, image: Tensor) -> CINetOutput:
        height, width = image.shape[-2:]
        f_net = self.lens.resized(width, height).focal
        left_is_near = torch.linspace(-1, 1, width).mul(self.lean).exp()
        depth = (1 + image[:, :1]) * left_is_near * self.camera.canonical_focal / f_net
        logits = image.repeat(1, 14, 1, 1)[:, : self.config.num_classes] + 1
        return CINetOutput(depth, logits, image, image, None, None, None)


def graph(model: torch.nn.Module, views: Views) -> AugmentedGraph:
    return AugmentedGraph(model.eval(), CAMERA, SIZE, views)  # type: ignore[arg-type]


@pytest.mark.parametrize("exact", [True, False], ids=["at the input's size", "second generation"])
def test_a_mirrored_image_has_the_mirrored_prediction(exact: bool) -> None:
    """The average over an image and its mirror image is symmetric, whatever the network is.

    To the last bit where the network answers at its input's size. Logits of half that size are enlarged bilinearly,
    which adds what lies left before what lies right: they are symmetric up to rounding.
    """
    model = tiny_checkpoint(seed=1, **(FIRST_GENERATION if exact else {})).model
    both = graph(model, Views(flip=True))
    with torch.inference_mode():
        straight, outputs = both.predict(images(), [LENS, LENS])
        mirrored, other = both.predict(images().flip(-1), [LENS.flipped(), LENS.flipped()])
        plain, _ = graph(model, PLAIN).predict(images(), [LENS, LENS])
    limits = {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(straight.logits, mirrored.logits.flip(-1), **limits)
    for name in ("depth", "confidence"):
        torch.testing.assert_close(outputs[name], other[name].flip(-1), **limits)
    assert torch.equal(outputs["labels"], other["labels"].flip(-1))
    assert not torch.equal(plain.logits, straight.logits)


def test_a_symmetric_image_has_a_symmetric_prediction() -> None:
    half = images()[..., :48]
    symmetric = torch.cat((half, half.flip(-1)), dim=-1)
    with torch.inference_mode():
        _, outputs = graph(tiny_checkpoint(seed=2).model, Views(flip=True)).predict(symmetric, [LENS, LENS])
    assert torch.equal(outputs["depth"], outputs["depth"].flip(-1))
    assert torch.equal(outputs["labels"], outputs["labels"].flip(-1))


def test_one_view_is_the_graph_that_it_was() -> None:
    model = tiny_checkpoint(seed=1).model
    with torch.inference_mode():
        expected, outputs = EvaluationGraph(model.eval(), CAMERA, SIZE).predict(images(), [LENS, None])
        found, again = graph(model, PLAIN).predict(images(), [LENS, None])
    assert torch.equal(expected.depth, found.depth)
    assert all(torch.equal(outputs[name], again[name]) for name in outputs)


@pytest.mark.parametrize("scales", [(1.0, 0.5), (1.0, 0.75, 1.25), (1.0, 2.0)])
@pytest.mark.parametrize("lens", [LENS, None], ids=["known camera", "unknown camera"])
def test_every_zoom_has_its_own_f_net(scales: tuple[float, ...], lens: Intrinsics | None) -> None:
    """Wherever one view is right, all are. Without the size of f_net in each, 0.5 would halve, or double, the depth."""
    canonical = Intrinsics(80.0, 80.0, 47.5, 31.5, 96, 64)
    model = Pinhole(lens or canonical, CAMERA)
    even = torch.full((1, 3, *SIZE), 102, dtype=torch.uint8)
    views = graph(model, Views(scales=scales))
    assert len(set(views.network_sizes)) == len(scales)
    _, outputs = views.predict(even, [lens])
    torch.testing.assert_close(outputs["depth"], torch.full((1, *SIZE), 1 + 102 / 255), rtol=1e-6, atol=0)
    for scale in scales:
        one = EvaluationGraph(model, CAMERA, SIZE, scale)  # type: ignore[arg-type]
        output = one.network_output(even.permute(0, 2, 3, 1))
        depth = one.metric_depth(output, views.plain.intrinsics([lens]))
        torch.testing.assert_close(depth, torch.full_like(depth, 1 + 102 / 255), rtol=1e-6, atol=0)


def test_depth_is_averaged_in_logarithms() -> None:
    """A factor e^x on the left and e^-x on the right cancels in the mirror image; in metres cosh(x) would remain."""
    model = Pinhole(LENS, CAMERA, lean=0.7)
    even = torch.full((1, 3, *SIZE), 51, dtype=torch.uint8)
    _, outputs = graph(model, Views(flip=True)).predict(even, [LENS])
    torch.testing.assert_close(outputs["depth"], torch.full((1, *SIZE), 1.2), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("flop", "'flop': give none, or flip"),
        ("0.1", "scale is 0.1"),
        ("flip,0.5,0.5", "once"),
        ("nan", "scale is nan"),
    ],
)
def test_what_is_no_view(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Views.parse(text)


@pytest.mark.parametrize("text", ["none", "flip", "flip,0.75,1.25", "0.5"])
def test_views_are_read_as_they_are_written(text: str) -> None:
    assert str(Views.parse(text)) == text
    assert Views.parse(f"1,{text}" if text != "none" else "1") == Views.parse(text)


def test_the_report_names_it(tmp_path: Path) -> None:
    options = {"test_length": 2, "width": 64, "height": 48}
    plain, augmented = (
        cinet_core.evaluate("synthetic", "default", options=options, device="cpu", tta=tta)
        for tta in ("none", "flip,0.75")
    )
    assert "| ours, TTA flip,0.75, " in augmented.markdown()
    assert "- Test-time augmentation flip,0.75: depth is the geometric mean" in augmented.markdown()
    assert augmented.to_dict()["evaluation"]["tta"] == "flip,0.75"
    assert "test-time augmentation: none" in plain.markdown()
    assert "TTA" not in plain.markdown()
    assert len(augmented.evaluation.network_sizes) == 2
    one, other = plain.evaluation.metrics(), augmented.evaluation.metrics()
    assert one.keys() == other.keys()
    assert one["full/abs_rel"] != other["full/abs_rel"]
    assert one["attention/bce"] == other["attention/bce"]
    assert dataclasses.asdict(plain.evaluation.counts) == dataclasses.asdict(augmented.evaluation.counts)


def test_a_backend_has_no_logits() -> None:
    with pytest.raises(ValueError, match=r"flip averages logits.*PyTorch in float32"):
        cinet_core.evaluate(
            "synthetic",
            "random",
            options={"test_length": 1, "width": 64, "height": 48},
            device="cpu",
            precision="half",
            tta="flip",
        )
