"""The weights that ship, and those to come: small, free of this machine's paths, of some use on rooms never seen."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cinet_core.checkpoint import DEFAULT_WEIGHTS, Checkpoint, load_checkpoint, read_metadata, weights_path
from cinet_core.data.registry import open_dataset
from cinet_core.evaluation.evaluate import evaluate_model
from cinet_core.inference.availability import missing_requirement
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.selection import select
from cinet_core.label_sets import NYU40
from cinet_core.model_metadata import PREVIEW_WEIGHTS
from cinet_core.weights_file import read_header

# What is cloned with the repository stays small.
MAX_BYTES = 25_000_000


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load_checkpoint(DEFAULT_WEIGHTS)


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)


@pytest.mark.parametrize("name", [DEFAULT_WEIGHTS, PREVIEW_WEIGHTS])
def test_they_are_small_and_in_half_precision(name: str) -> None:
    path = weights_path(name)
    assert path.stat().st_size <= MAX_BYTES
    numbers = [(code, math.prod(shape)) for code, shape in read_header(path).tensors.values()]
    assert sum(count for code, count in numbers if code == "F16") > 0.9 * sum(count for _, count in numbers)


@pytest.mark.parametrize("name", [DEFAULT_WEIGHTS, PREVIEW_WEIGHTS])
def test_they_say_what_they_are_and_whose(name: str) -> None:
    metadata = read_metadata(name)
    assert metadata.config.name == "lite"
    assert metadata.label_set.classes == NYU40.classes
    assert not metadata.random_weights
    assert metadata.licence == "Apache-2.0"
    assert "CC-BY" in metadata.attribution
    assert not [text for text in texts(metadata.recipe) if text.startswith("/")], "paths of the training machine"


def test_other_names_are_paths() -> None:
    assert weights_path("some/default") == Path("some/default")
    assert weights_path(Path("model.safetensors")) == Path("model.safetensors")


def test_they_see_real_rooms(checkpoint: Checkpoint, shared_data: Path) -> None:
    """Five frames of a real living room: the model card has the metrics, with room here for other processors."""
    frames = open_dataset(shared_data / "livingroom_frames", "all", label_set=checkpoint.metadata.label_set)
    evaluation = evaluate_model(checkpoint.model, checkpoint.metadata.camera, frames)
    (aligned,) = (score for score in evaluation.depth if score.aligned)
    depths = [frames[number].depth.numpy() for number in range(len(frames))]
    # A wall at the true median of each frame.
    wall = np.concatenate([np.abs(np.median(d[d > 0]) / d[d > 0] - 1) for d in depths]).mean()
    assert aligned.metrics["abs_rel"] < 0.85 * wall
    assert evaluation.metrics()["full/abs_rel"] < 0.22, "metric: the model card has .14"


@pytest.mark.skipif(
    missing_requirement("openvino", torch.device("cpu"), "half") is not None, reason="no OpenVINO with half precision"
)
@pytest.mark.usefixtures("exported_here")
def test_they_can_run_in_half_precision_on_a_cpu(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Their answer in bfloat16 is near enough to be taken: networks with other weights round otherwise."""
    camera = checkpoint.metadata.camera
    size = camera.height, camera.width
    backend = select("openvino", checkpoint, DeployableGraph(checkpoint.model, camera, size, size), "half", tmp_path)
    assert backend.name == "openvino"
    backend.close()


def test_they_answer_as_they_did(checkpoint: Checkpoint) -> None:
    """Numbers of an earlier version: whatever is rebuilt, the same weights see the same room."""
    repository = Path(__file__).parents[2]
    stored = json.loads((repository / "test" / "data" / "shipped_answer.json").read_text(encoding="utf-8"))
    with Predictor(checkpoint, "cpu") as predictor:
        prediction = predictor(repository / "docs" / "example_room.jpg", fov=57)
    places = np.ix_(np.arange(20, 240, 40), np.arange(20, 320, 40))
    errors = np.abs(prediction.depth[places] / np.array(stored["depth"]) - 1)
    assert np.median(errors) < 1e-3
    assert errors.max() < 0.02
    assert (prediction.labels[places] == stored["labels"]).sum() >= 46  # of 48
    assert np.abs(prediction.confidence[places] - np.array(stored["confidence"])).max() <= 8


def test_those_to_come_see_rendered_rooms(shared_data: Path) -> None:
    """Held-out rooms, 16 frames: the model card has abs rel .139 and pixel accuracy .81 of all."""
    checkpoint = load_checkpoint(PREVIEW_WEIGHTS)
    frames = open_dataset(shared_data / "rendered_rooms", "test", label_set=checkpoint.metadata.label_set)
    metrics = evaluate_model(checkpoint.model, checkpoint.metadata.camera, frames, limit=16).metrics()
    assert metrics["full/abs_rel"] < 0.18
    assert metrics["pixel_accuracy"] > 0.75
