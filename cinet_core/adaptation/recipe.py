"""The training of an adaptation: fine-tuning on the chosen frames, and on rooms that must not be forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cinet_core.adaptation.settings import AdaptationSettings
from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.label_sets import LABEL_SETS
from cinet_core.model_metadata import ModelMetadata
from cinet_core.training.recipe_file import read_recipe
from cinet_core.training.settings import Recipe

__all__ = ["BASE", "adaptation_recipe"]

BASE: dict[str, Any] = {
    "stages": {
        "ideal": {"epochs": 0, "learning_rate": 5.0e-3},
        "attention": {"epochs": 20, "learning_rate": 5.0e-3},
        "consistency": {"epochs": 20, "learning_rate": 5.0e-3, "schedule": "poly"},
    },
    "optimizer": {"gradient_clip": 5.0},
}
"""What config/train/fine_tune.yaml has: an installation has no files of recipes."""

VALIDATION = 0.15


def adaptation_recipe(
    settings: AdaptationSettings, metadata: ModelMetadata, frames: Path, rooms: int, output: Path
) -> Recipe:
    """The recipe, which is also written beside the training.

    Args:
        settings: of the adaptation.
        metadata: of the weights that it starts from, whose camera, range of depth and classes it keeps.
        frames: folder to learn from.
        rooms: in it; the best weights can be told where there are at least two.
        output: folder of the training.

    Raises:
        ValueError: a file or value of the user's is none of a recipe.
        OSError: it cannot be written.
    """
    camera = metadata.camera
    label_set = metadata.label_set.name if metadata.label_set.name in LABEL_SETS else None
    given = {
        "name": "adapt",
        "data": {
            "root": str(frames),
            "kind": "folder",
            "options": {"test_fraction": 0.0, "validation_fraction": VALIDATION if rooms > 1 else 0.0},
            "label_set": label_set,
            "width": camera.width,
            "height": camera.height,
            "canonical_focal": camera.canonical_focal,
            "depth_range": list(metadata.depth_range),
            "mix": _rehearsal(settings),
        },
        "model": {"checkpoint": settings.weights},
        "run": {"output": str(output), "loggers": ["csv"], "score": _score(settings)},
        "licence": metadata.licence,
        "attribution": metadata.attribution,
        **BASE,
        "optimizer": {**BASE["optimizer"], "frozen_statistics": "network"},
    }
    base = output.with_name(f"{output.name}_base.yaml")
    output.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(base, yaml.safe_dump(given, sort_keys=False).encode())
    return read_recipe(base, *settings.recipe, values=settings.values)


def _score(settings: AdaptationSettings) -> str:
    """What the best weights are best at. From its own labels a network only gets further away."""
    return "joint" if settings.taught_by_others or "--keep-labels" in settings.label else "delta1"


def _rehearsal(settings: AdaptationSettings) -> list[dict[str, Any]]:
    if not settings.rehearsal:
        return []
    options = dict(settings.rooms_options)
    return [
        {"root": settings.rooms, "kind": settings.rooms_kind, "options": options, "probability": settings.rehearsal}
    ]
