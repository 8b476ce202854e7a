"""Occlusion boundaries, as everybody sees them who does not train them."""

from __future__ import annotations

import numpy as np

from cinet_core.tasks.spec import (
    PNG,
    Array,
    HeadSpec,
    ImageFile,
    ImageTopic,
    MetricSpec,
    Outputs,
    OutputSpec,
    RenderSettings,
    TaskSpec,
    Tile,
)

__all__ = ["BOUNDARIES", "COLOR", "draw_boundaries"]

COLOR = (255, 40, 40)

PRIOR_LOGIT = -3.0
"""About one pixel in twenty is a boundary at the sizes of networks."""


def draw_boundaries(image: Array, boundaries: Array) -> Array:
    """Boundaries over an image: red, the more opaque the more likely.

    Args:
        image: (H, W, 3) uint8 RGB.
        boundaries: (H, W) uint8, 255 times the probability.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: sizes differ.
    """
    if image.shape[:2] != boundaries.shape:
        raise ValueError(
            f"boundaries are {boundaries.shape} and the image is {image.shape[:2]}: resize one to the other"
        )
    opacity = (boundaries / np.float32(255.0))[..., None]
    return np.rint(image * (1.0 - opacity) + np.array(COLOR, dtype=np.float32) * opacity).astype(np.uint8)


def _finish(outputs: dict[str, Array], depth_range: tuple[float, float]) -> dict[str, Array]:
    """As bytes."""
    return {"boundaries": np.rint(outputs["boundaries"]).astype(np.uint8)}


def _render(outputs: Outputs, settings: RenderSettings) -> list[Tile]:
    """Boundaries over the image."""
    import cv2

    height, width = settings.image.shape[:2]
    boundaries = cv2.resize(outputs["boundaries"], (width, height), interpolation=cv2.INTER_AREA)
    # Dimmed, so that red stands out on any image.
    return [Tile("occlusion boundaries", (draw_boundaries(settings.image // 2, boundaries),))]


BOUNDARIES = TaskSpec(
    name="boundaries",
    title="Occlusion boundaries",
    outputs=(
        OutputSpec(
            name="boundaries",
            dtype="uint8",
            invalid=0,
            description="Likelihood, 0 to 255, that a surface ends here in front of another; take 128 as the limit.",
            resize="bilinear",
            agreement="absolute",
        ),
    ),
    metrics=(
        MetricSpec("boundary_precision", "precision %", better=1, percent=True),
        MetricSpec("boundary_recall", "recall %", better=1, percent=True),
        MetricSpec("boundary_f", "F %", better=1, percent=True, headline=True),
        MetricSpec("boundary_best_f", "best F %", better=1, percent=True),
        MetricSpec("edge_accuracy", "ε_acc", better=-1, unit="px", headline=True),
        MetricSpec("edge_completeness", "ε_comp", better=-1, unit="px", headline=True),
    ),
    topics=(
        ImageTopic(
            "boundaries/image_raw",
            encoding="mono8",
            fill=lambda buffer, result, settings, label_set: buffer.fill(result["boundaries"], result.header),
            codec=PNG,
        ),
    ),
    files=(ImageFile("boundaries", lambda outputs: outputs["boundaries"], "8-bit, 255 times the likelihood"),),
    render=_render,
    # Where one object ends before another both depth and class change: either decoder may know what the other does not.
    head=HeadSpec("both", channels=1, bias=(PRIOR_LOGIT,)),
    finish=_finish,
)
