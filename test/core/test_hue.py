"""The hue of training images: the colour circle turned, against torchvision and against the definition."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from cinet_core.data.hue import shift_hue


def noise(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 40, 50), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("shift", [-0.5, -0.05, -0.003, 0.04, 0.31, 0.5])
def test_torchvisions_hue_to_a_grey_level(shift: float) -> None:
    image = noise()
    ours, theirs = shift_hue(image, shift), TF.adjust_hue(image, shift)
    assert (ours.int() - theirs.int()).abs().max() <= 1
    assert (ours != theirs).float().mean() < 0.1
    assert ours.is_contiguous()
    assert ours.shape == image.shape


def test_the_definition_to_the_nearest_grey_level() -> None:
    image = noise(1)[:, :8, :8]
    expected = np.empty((3, 8, 8))
    for row, column in np.ndindex(8, 8):
        h, s, v = colorsys.rgb_to_hsv(*(image[:, row, column].double() / 255).tolist())
        expected[:, row, column] = colorsys.hsv_to_rgb((h + 0.04) % 1, s, v)
    assert np.abs(shift_hue(image, 0.04).numpy() - 255 * expected).max() <= 0.5 + 1e-3


def test_nothing_and_whole_turns_leave_every_colour() -> None:
    levels = torch.arange(0, 256, 15, dtype=torch.uint8)
    colours = torch.cartesian_prod(levels, levels, levels).T.reshape(3, 18, -1)
    for shift in (0.0, 1.0, -1.0):
        assert torch.equal(shift_hue(colours, shift), colours)


def test_a_third_of_a_turn_swaps_the_primaries_and_leaves_grey() -> None:
    image = torch.tensor([[[200, 0, 77]], [[0, 200, 77]], [[0, 0, 77]]], dtype=torch.uint8)
    assert shift_hue(image, 1 / 3).tolist() == [[[0, 0, 77]], [[200, 0, 77]], [[0, 200, 77]]]


def test_a_mirrored_view_is_read_right_and_left_as_it_was() -> None:
    image = noise(2)
    before = image.clone()
    assert torch.equal(shift_hue(image.flip(-1), 0.1), shift_hue(image, 0.1).flip(-1))
    assert torch.equal(image, before)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"torch.float32: its hue is shifted in uint8"):
        shift_hue(torch.zeros(3, 2, 2), 0.1)
