"""A second view of a batch: zoomed, shifted, rolled and blurred, with depth, labels and camera that follow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.data.sample import Batch
from cinet_core.label_sets import UNLABELLED
from cinet_core.training.settings_losses import ViewSettings

__all__ = ["SecondView", "ViewChange", "draw_change", "second_view", "warped"]

# Beside the seed of a sample, from which other random numbers are drawn too.
_KEY = 2


@dataclass(frozen=True)
class ViewChange:
    """How the second view differs from the first.

    Attributes:
        zoom: 1 or above; the focal length in pixels grows by it.
        angle: of the roll, degrees.
        right, down: where the middle of the second view is in the first, pixels off its middle.
        blur: length of the motion blur, pixels; below 2 there is none.
        direction: of it, degrees.
    """

    zoom: float = 1.0
    angle: float = 0.0
    right: float = 0.0
    down: float = 0.0
    blur: float = 0.0
    direction: float = 0.0


class SecondView(NamedTuple):
    """What `second_view` returns.

    Attributes:
        batch: the second view, with its truth.
        grid: (B, h, w, 2), for `warped`: where each of its pixels is in the first view.
        visible: (B, h, w) bool: that lies within the first view.
    """

    batch: Batch
    grid: Tensor
    visible: Tensor


def draw_change(settings: ViewSettings, seed: int, width: int, height: int) -> ViewChange:
    """The change that a sample's seed stands for, at this size of the network's input."""
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _KEY])))
    zoom = math.exp(random.uniform(0.0, math.log(settings.zoom)))
    # A zoom leaves room to look elsewhere within the first view.
    room = (1 - 1 / zoom) / 2
    right, down = (length * (settings.shift + room) * random.uniform(-1, 1) for length in (width, height))
    angle = settings.roll * random.uniform(-1, 1)
    blurred = random.uniform() < settings.blur_probability
    blur, direction = settings.blur * width * random.uniform(), random.uniform(0, 180)
    return ViewChange(zoom, angle, right, down, blur if blurred else 0.0, direction)


def second_view(batch: Batch, changes: list[ViewChange]) -> SecondView:
    """Look at a batch once more.

    Zooming multiplies f_net and leaves metric depth alone, so canonical depth is divided by it; a roll about the
    optical axis and a shift of the window leave it as it is (spec/method.md, "The canonical camera").

    Args:
        batch: without targets of further tasks, which are not turned here.
        changes: of each of its samples.

    Raises:
        ValueError: the batch has such targets, or there is not one change for each sample.
    """
    if batch.targets or len(changes) != len(batch):
        raise ValueError(
            f"{len(changes)} changes for {len(batch)} samples with targets {sorted(batch.targets)}: give one for each, "
            "and leave tasks out that have targets of their own"
        )
    height, width = batch.images.shape[-2:]
    device = batch.images.device
    places = torch.stack([_places(change, width, height) for change in changes])
    grid = ((2 * places + 1) / torch.tensor([width, height]) - 1).to(device)
    visible = ((places > -0.5) & (places < torch.tensor([width, height]) - 0.5)).all(dim=-1).to(device)
    zoom = torch.tensor([change.zoom for change in changes], device=device)
    images = F.grid_sample(batch.images.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    images = torch.stack([_blurred(image, change) for image, change in zip(images, changes, strict=True)])
    depth = _nearest(batch.depth, grid, visible) / zoom.reshape(-1, 1, 1)
    labels = _nearest(batch.labels.float() - UNLABELLED, grid, visible) + UNLABELLED
    trust = None
    if batch.trust is not None:
        planes = [_nearest(batch.trust[:, part].float(), grid, visible) for part in range(2)]
        trust = torch.stack(planes, dim=1).to(torch.uint8)
    view = replace(
        batch,
        images=images.round().clamp(0, 255).to(torch.uint8),
        depth=depth,
        labels=labels.to(batch.labels.dtype),
        focal=batch.focal * zoom,
        trust=trust,
    )
    return SecondView(view, grid, visible)


def warped(values: Tensor, grid: Tensor) -> Tensor:
    """(B, h, w) of the first view, bilinearly at the pixels of the second: (B, h, w)."""
    return F.grid_sample(values[:, None].float(), grid, mode="bilinear", padding_mode="border", align_corners=False)[
        :, 0
    ]


def _places(change: ViewChange, width: int, height: int) -> Tensor:
    """(h, w, 2): column and row in the first view of each pixel of the second."""
    x = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    y = (torch.arange(height, dtype=torch.float64) - (height - 1) / 2)[:, None]
    cos, sin = math.cos(math.radians(change.angle)), math.sin(math.radians(change.angle))
    columns = (cos * x - sin * y) / change.zoom + (width - 1) / 2 + change.right
    rows = (sin * x + cos * y) / change.zoom + (height - 1) / 2 + change.down
    return torch.stack([columns, rows], dim=-1).float()


def _nearest(values: Tensor, grid: Tensor, visible: Tensor) -> Tensor:
    """(B, h, w) at the nearest pixels of the first view; 0 outside of it."""
    found = F.grid_sample(values[:, None], grid, mode="nearest", padding_mode="border", align_corners=False)[:, 0]
    return torch.where(visible, found, 0.0)


def _blurred(image: Tensor, change: ViewChange) -> Tensor:
    """(3, h, w), averaged along a line."""
    if change.blur < 2:
        return image
    reach = math.ceil(change.blur / 2)
    side = 2 * reach + 1
    steps = np.linspace(-change.blur / 2, change.blur / 2, 8 * side)
    kernel = np.zeros((side, side), dtype=np.float32)
    angle = math.radians(change.direction)
    columns, rows = (np.rint(reach + steps * part).astype(int) for part in (math.cos(angle), math.sin(angle)))
    np.add.at(kernel, (rows, columns), 1.0 / len(steps))
    weights = torch.from_numpy(kernel).to(image).expand(3, 1, side, side)
    padded = F.pad(image[None], (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(padded, weights, groups=3)[0]
