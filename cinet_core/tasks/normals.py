"""Surface normals, as everybody sees them who does not train them."""

from __future__ import annotations

import math

import numpy as np

from cinet_core.tasks.spec import (
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

__all__ = ["INVALID_COLOR", "NORMALS", "SHORTEST", "colorize_normals"]

INVALID_COLOR = (40, 40, 40)
TOWARDS_CAMERA = (0.0, 0.0, -1.0)
SHORTEST = 1e-6
"""Length below which a predicted vector has no direction: its normal is not valid."""


def colorize_normals(normals: Array) -> Array:
    """Normals as colours: red is to the right, green upwards, blue towards the camera, each from -1 (dark) to 1.

    A floor is light green, a wall that faces the camera light blue.

    Args:
        normals: (H, W, 3) unit vectors x right, y down, z forward; NaN is drawn dark grey.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    valid = np.isfinite(normals.sum(axis=-1))
    seen = np.where(valid[..., None], normals, 0.0) * np.array([1.0, -1.0, -1.0], dtype=np.float32)
    colors = np.rint((seen + 1.0) * 127.5).astype(np.uint8)
    colors[~valid] = INVALID_COLOR
    return colors


def _stored(outputs: Outputs) -> Array:
    normals = outputs["normals"]
    valid = np.isfinite(normals).all(axis=-1, keepdims=True)
    return np.where(valid, np.rint((np.where(valid, normals, 0.0) + 1.0) * 32767.5), 0).astype(np.uint16)


def _finish(outputs: dict[str, Array], depth_range: tuple[float, float]) -> dict[str, Array]:
    """Of length 1 again after resizing; NaN where a vector had no direction."""
    normals = outputs["normals"]
    squared = np.square(normals).sum(axis=-1, keepdims=True)
    valid = squared > SHORTEST
    unit = normals / np.sqrt(np.where(valid, squared, np.float32(1)))
    return {"normals": np.where(valid, unit, np.float32(np.nan))}


def _render(outputs: Outputs, settings: RenderSettings) -> list[Tile]:
    """Normals in colours."""
    import cv2

    height, width = settings.image.shape[:2]
    colors = cv2.resize(colorize_normals(outputs["normals"]), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return [Tile("normals: red right, green up, blue towards us", (colors,))]


NORMALS = TaskSpec(
    name="normals",
    title="Surface normals",
    outputs=(
        OutputSpec(
            name="normals",
            dtype="float32",
            invalid=math.nan,
            description="Unit normals x right, y down, z forward, facing the camera; NaN where there is none.",
            channels=3,
            resize="bilinear",
            agreement="absolute",
        ),
    ),
    metrics=(
        MetricSpec("angle_mean", "mean", better=-1, unit="°", headline=True),
        MetricSpec("angle_median", "median", better=-1, unit="°"),
        MetricSpec("within_11.25", "11.25° %", better=1, percent=True),
        MetricSpec("within_22.5", "22.5° %", better=1, percent=True),
        MetricSpec("within_30", "30° %", better=1, percent=True),
    ),
    topics=(
        # No compressed form: no codec of image_transport's takes three floats a pixel.
        ImageTopic(
            "normals/image_raw",
            encoding="32FC3",
            fill=lambda buffer, result, settings, label_set: buffer.fill(result["normals"], result.header),
        ),
    ),
    files=(ImageFile("normals", _stored, "16-bit RGB, (n + 1) * 32767.5 of x, y and z, (0, 0, 0) = invalid"),),
    render=_render,
    # Normals are slopes of depth: they are read from its features. Training starts from surfaces that face the camera.
    head=HeadSpec("depth", channels=3, bias=TOWARDS_CAMERA),
    finish=_finish,
)
