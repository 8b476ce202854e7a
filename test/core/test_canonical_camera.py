"""One canonical camera at every input size: what is as large in pixels is as far away."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from cinet_core.checkpoint import TrainingCamera
from cinet_core.data.augmentation import NO_AUGMENTATION
from cinet_core.data.sample import Sample
from cinet_core.data.transforms import TrainingTransform
from cinet_core.geometry import CANONICAL_FOCAL, Intrinsics
from cinet_core.inference.graph import DeployableGraph
from cinet_core.model import CINetOutput, get_config
from cinet_core.training.settings_data import DataSettings

WIDTHS = (160, 256, 320, 480)
# An upright bar of this height in metres, seen by a camera of 640x480: what a network can know the size of.
HEIGHT = 0.5
CAMERA = Intrinsics(560.0, 540.0, 319.5, 239.5, 640, 480)


def scene(distance: float) -> Tensor:
    """(1, 480, 640, 3) uint8: the bar, white on black, at this distance in metres."""
    rows = (torch.arange(480) - 239.5).abs() <= CAMERA.focal * HEIGHT / distance / 2
    return (255 * rows.to(torch.uint8)).reshape(1, 480, 1, 1).expand(1, 480, 640, 3).contiguous()


class Ideal(nn.Module):
    """Knows one thing: how large the bar is. From its height in pixels follows how far the canonical camera sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("image_mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("image_std", torch.ones(1, 3, 1, 1))
        self.config = get_config("lite")

    def forward(self, image: Tensor) -> CINetOutput:
        pixels = image[:, 0].mean(dim=2).sum(dim=1)  # partly covered rows count in part
        depth = (CANONICAL_FOCAL * HEIGHT / pixels).reshape(-1, 1, 1, 1).expand(-1, 1, *image.shape[-2:])
        logits = torch.zeros(len(image), self.config.num_classes, *image.shape[-2:])
        return CINetOutput(depth, logits, depth, depth, None, None, None)


@pytest.mark.parametrize("distance", [0.8, 2.0, 6.0])
@pytest.mark.parametrize("width", WIDTHS)
def test_an_ideal_network_is_right_at_every_size(width: int, distance: float) -> None:
    size = (width * 3 // 4, width)
    graph = DeployableGraph(Ideal(), TrainingCamera(), (480, 640), size)  # type: ignore[arg-type]
    depth = graph(scene(distance), torch.tensor([[CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy]]))["depth"]
    # The bar's ends fall within a pixel of the network's input.
    assert depth.median().item() == pytest.approx(distance, rel=0.01)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_what_training_teaches_at_that_size(width: int) -> None:
    """The target at each size is what the ideal network answers, whatever size the settings name."""
    distance = 2.0
    settings = DataSettings("rooms", width=width, height=width * 3 // 4)
    assert settings.canonical_focal == CANONICAL_FOCAL
    sample = Sample(
        "bar", scene(distance)[0].permute(2, 0, 1).contiguous(), torch.full((480, 640), distance),
        torch.zeros(480, 640, dtype=torch.uint8), CAMERA,
    )  # fmt: skip
    transform = TrainingTransform(settings.width, settings.height, settings.canonical_focal, NO_AUGMENTATION)
    taught = transform(sample)
    answered = Ideal()(taught.image[None].float() / 255).depth[0, 0]
    torch.testing.assert_close(answered, taught.depth, rtol=0.01, atol=0.0)


def test_proportional_focal_lengths_would_not_be() -> None:
    """What recipes had before, 131.25 pixels at 160 wide, teaches the same bar two sizes: the test sees it."""
    sample = Sample(
        "bar", scene(2.0)[0].permute(2, 0, 1).contiguous(), torch.full((480, 640), 2.0),
        torch.zeros(480, 640, dtype=torch.uint8), CAMERA,
    )  # fmt: skip
    taught = TrainingTransform(160, 120, CANONICAL_FOCAL / 2, NO_AUGMENTATION)(sample)
    answered = Ideal()(taught.image[None].float() / 255).depth[0, 0]
    assert (answered / taught.depth).median().item() == pytest.approx(2.0, rel=0.01)


def test_a_checkpoint_keeps_the_focal_length_it_was_trained_with() -> None:
    """Older files name their own f_c; metric depth follows it."""
    old = dataclasses.replace(TrainingCamera(), canonical_focal=CANONICAL_FOCAL / 2)
    inputs = (scene(2.0), torch.tensor([[CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy]]))
    now, then = (
        DeployableGraph(Ideal(), camera, (480, 640), (240, 320))(*inputs)["depth"]  # type: ignore[arg-type]
        for camera in (TrainingCamera(), old)
    )
    torch.testing.assert_close(then, 2 * now)
