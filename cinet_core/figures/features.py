"""Fig. 7: the features that sharing adds to each branch, by FSM and by LSU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from cinet_core.data.sample import Sample
from cinet_core.figures.image_grid import add_bar, image_grid, image_height, show_image, show_values
from cinet_core.figures.observer import Features, Observer, Shared, SharedBlock, image_of, random_warning

__all__ = ["TILE", "Reduction", "draw_features", "features_figure", "reduced"]

TILE = 160
Reduction = Literal["magnitude", "sum"]

REDUCTIONS: Mapping[Reduction, str] = {
    "magnitude": "mean absolute value over the channels, each map divided by its largest",
    "sum": "sum over the channels, each map stretched from its smallest (0) to its largest (1)",
}
"""How (C, h, w) features become an image. "sum" is the paper's; in it, channels of opposite sign cancel."""


def draw_features(
    observers: Sequence[Observer],
    sample: Sample,
    caption: str = "",
    reduction: Reduction = "magnitude",
    tile: int = TILE,
) -> Figure:
    """Run the networks on a sample, and draw the `features_figure`.

    Args:
        observers: the networks, each with a name of its own.
        sample: the frame.
        caption: over all of it, behind a warning where weights are random and before the name of the reduction.
        reduction: of the channels to one image, see `REDUCTIONS`.
        tile: width of each image, in pixels.

    Raises:
        MissingPartError: a network shares no features.
        ValueError: there is no network, or no such reduction.
    """
    for observer in observers:
        observer.require_sharing()
    blocks = {_titled(observer): observer.sharing(sample) for observer in observers}
    warning = random_warning(observers)
    text = ". ".join(filter(None, (caption, f"Shown: {REDUCTIONS[reduction]}")))
    return features_figure(image_of(sample), blocks, reduction, tile, warning + text, bool(warning))


def features_figure(
    image: npt.NDArray[np.uint8],
    blocks: Mapping[str, Sequence[SharedBlock]],
    reduction: Reduction = "magnitude",
    tile: int = TILE,
    caption: str = "",
    warning: bool = False,
) -> Figure:
    """For every block and branch: the input, then by network the features before sharing, those added, and the result.

    Each map has its own scale from 0 to 1; above it stands what these stand for.

    Args:
        image: (H, W, 3) uint8 RGB.
        blocks: by the name of the network; all have the same number of blocks.
        reduction: of the channels, see `REDUCTIONS`.
        tile: width of each image, in pixels.
        caption: over all of it.
        warning: the caption stands on red.

    Raises:
        ValueError: there is no network, or they have different blocks; no such reduction.
    """
    strides = {name: [block.stride for block in own] for name, own in blocks.items()}
    if not strides or any(own != next(iter(strides.values())) for own in strides.values()):
        raise ValueError(f"blocks at strides {strides}: at least one network is needed, all with the same blocks")
    shown = [(number, branch) for number in range(len(next(iter(blocks.values())))) for branch in ("depth", "semantic")]
    titles = ["input", *(f"{name}: {what}" for name in blocks for what in ("before", "added", "after"))]
    heights = [image_height(image.shape, tile)] * len(shown)
    figure, axes = image_grid(titles, heights, tile, [len(titles) - 1], caption, warning)
    for (number, branch), row in zip(shown, axes, strict=True):
        first = next(iter(blocks.values()))[number]
        show_image(row[0], image, f"block {number + 1} at 1/{first.stride}: {branch}")
        sharings: list[Shared] = [getattr(own[number], branch) for own in blocks.values()]
        maps = [features for own in sharings for features in (own.before, own.added, own.after)]
        for place, features in zip(row[1:], maps, strict=True):
            values, text = reduced(features, reduction)
            drawn = show_values(place, values, "inferno", (0.0, 1.0), text)
    add_bar(axes[0, -1], drawn, "share of its range")
    return figure


def reduced(features: Features, reduction: Reduction) -> tuple[npt.NDArray[np.float32], str]:
    """(C, h, w) features as a map (h, w) in 0..1, and the range that it stood for, as text.

    Raises:
        ValueError: there is no such reduction.
    """
    if reduction == "magnitude":
        values = np.abs(features).mean(axis=0)
        low, high = 0.0, float(values.max())
        text = f"largest {high:.3g}"
    elif reduction == "sum":
        values = features.sum(axis=0)
        low, high = float(values.min()), float(values.max())
        text = f"{low:.3g} to {high:.3g}"
    else:
        raise ValueError(f"there is no reduction {reduction!r}: choose one of {', '.join(REDUCTIONS)}")
    return ((values - low) / ((high - low) or 1.0)).astype(np.float32), text


def _titled(observer: Observer) -> str:
    """The network's name with its kind of sharing, unless that is the name."""
    kind = observer.metadata.config.sharing.upper()
    return observer.name if kind.lower() in observer.name.lower() else f"{observer.name} ({kind})"
