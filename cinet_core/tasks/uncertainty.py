"""How sure the network is of depth, as everybody sees it who does not train it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cinet_core.tasks.spec import Array, HeadSpec, MetricSpec, Outputs, OutputSpec, RenderSettings, TaskSpec, Tile

if TYPE_CHECKING:
    from cinet_core.messages.frame import OutputSettings

__all__ = ["LOG_SCALE_RANGE", "ONE_SIGMA", "TWO_SIGMA", "UNCERTAINTY"]

LOG_SCALE_RANGE = (math.log(0.002), math.log(2.0))
"""ln b, b the Laplace scale of ln depth: from .2 % to where nothing is known."""
ONE_SIGMA, TWO_SIGMA = 1 - math.exp(-math.sqrt(2)), 1 - math.exp(-2 * math.sqrt(2))
"""Share of errors within one and two standard deviations of a Laplace distribution: .757 and .941."""
# Where training starts: about what a network is off by before it has learnt much.
START = 0.2
# Of depth, at which the colours of a panel end.
DRAWN_UP_TO = 0.25


def _adjust(outputs: dict[str, Array], settings: OutputSettings) -> None:
    """Follow depth: its scale, and where it is invalid (depth is adjusted first)."""
    uncertainty = outputs["depth_uncertainty"]
    if settings.depth_scale != 1.0:
        uncertainty *= np.float32(settings.depth_scale)
    uncertainty[np.isnan(outputs["depth"])] = np.nan


def _render(outputs: Outputs, settings: RenderSettings) -> list[Tile]:
    """Standard deviation by depth in grey, white where it is a quarter or more."""
    import cv2

    depth, uncertainty = outputs["depth"], outputs["depth_uncertainty"]
    known = np.isfinite(depth) & (depth > 0) & np.isfinite(uncertainty)
    share = np.divide(uncertainty, depth, out=np.zeros_like(uncertainty), where=known)
    grey = np.rint(np.clip(share / DRAWN_UP_TO, 0, 1) * 255).astype(np.uint8)
    height, width = settings.image.shape[:2]
    grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return [
        Tile(f"uncertainty of depth, white: {DRAWN_UP_TO:.0%}".replace("%", " %"), (np.repeat(grey[..., None], 3, 2),))
    ]


UNCERTAINTY = TaskSpec(
    name="uncertainty",
    title="Depth uncertainty",
    outputs=(
        OutputSpec(
            name="depth_uncertainty",
            dtype="float32",
            invalid=math.nan,
            description="Standard deviation of the error of depth.",
            unit="m",
            resize="bilinear",
            agreement="relative",
        ),
    ),
    metrics=(
        MetricSpec("depth_nll", "NLL of ln depth", better=-1),
        MetricSpec("within_1_sigma", "within 1 sd %", better=1, percent=True),
        MetricSpec("within_2_sigma", "within 2 sd %", better=1, percent=True),
    ),
    topics=(),
    files=(),
    render=_render,
    adjust=_adjust,
    # ln of the Laplace scale of ln depth, from the features that depth is read from.
    head=HeadSpec("depth", channels=1, bias=(math.log(START),)),
)
