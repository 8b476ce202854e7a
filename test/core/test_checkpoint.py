"""Checkpoints: what is saved is what is loaded, and a file from anywhere can do no harm."""

import dataclasses
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from cinet_core.checkpoint import (
    Checkpoint,
    CheckpointError,
    ModelMetadata,
    TrainingCamera,
    load_checkpoint,
    random_checkpoint,
    read_metadata,
    save_checkpoint,
)
from cinet_core.weights_file import MAX_HEADER_BYTES

TINY = {
    "encoder": "test_efficientnet",
    "feature_channels": 24,
    "query_channels": 8,
    "decoder_channels": [16, 12, 8],
}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    checkpoint = random_checkpoint("lite", seed=3, **TINY)
    metadata = dataclasses.replace(
        checkpoint.metadata,
        camera=TrainingCamera(256, 192, 210.0, (150.0, 300.5)),
        depth_range=(0.3, 7.5),
        recipe={"stages": [1, 2, 3], "lr": 6e-4},
        figures={"synthetic": {"delta1": 0.5}},
        licence="CC-BY-4.0",
        attribution="nobody",
        random_weights=False,
    )
    return dataclasses.replace(checkpoint, metadata=metadata)


@pytest.fixture
def saved(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.metadata)
    return path


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    """Save the file anew with its tensors or its table of strings changed."""
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as file:
        strings = dict(file.metadata())
    change(tensors, strings)
    safetensors.torch.save_file(tensors, path, strings)


def rewrite_metadata(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    def apply(tensors: dict[str, torch.Tensor], strings: dict[str, str]) -> None:
        values = json.loads(strings["cinet_metadata"])
        change(values)
        strings["cinet_metadata"] = json.dumps(values)

    rewrite(path, apply)


def test_round_trip_is_exact(checkpoint: Checkpoint, saved: Path) -> None:
    loaded = load_checkpoint(saved)
    assert loaded.metadata == checkpoint.metadata
    assert read_metadata(saved) == checkpoint.metadata
    assert loaded.sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert not loaded.model.training
    expected = checkpoint.model.state_dict()
    assert loaded.model.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.model.state_dict().items())
    image = torch.randn(1, 3, 33, 47)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(image).depth, checkpoint.model(image).depth)


def test_loaded_model_can_be_trained_on(saved: Path) -> None:
    model = load_checkpoint(saved).model.train()
    model(torch.randn(2, 3, 64, 64)).depth.mean().backward()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.depth_head.conv.weight.grad.any()


def test_half_precision_file_is_smaller_and_close(checkpoint: Checkpoint, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.metadata, half=True)
    assert path.stat().st_size < 0.7 * saved.stat().st_size
    loaded = load_checkpoint(path).model.state_dict()
    for name, tensor in checkpoint.model.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-6)
        assert tensor.dim() > 1 or torch.equal(loaded[name], tensor)


def test_saving_replaces_the_file_whole_and_leaves_nothing_behind(checkpoint: Checkpoint, saved: Path) -> None:
    before = saved.read_bytes()
    not_json = dataclasses.replace(checkpoint.metadata, figures={"rms": float("nan")})
    with pytest.raises(ValueError, match=r"JSON|nan"):
        save_checkpoint(saved, checkpoint.model, not_json)
    assert saved.read_bytes() == before
    save_checkpoint(saved, checkpoint.model, checkpoint.metadata)
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_metadata_of_another_network_is_not_saved(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = dataclasses.replace(
        checkpoint.metadata, config=dataclasses.replace(checkpoint.metadata.config, sharing="lsu")
    )
    with pytest.raises(ValueError, match="metadata describes"):
        save_checkpoint(tmp_path / "x.safetensors", checkpoint.model, other)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 20_000, -1])
def test_truncated_file(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"truncated|no safetensors"):
        load_checkpoint(saved)


def test_bytes_after_the_tensors(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


class Bomb:
    """A pickle of it creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5, "torch"])
def test_pickle_under_a_safe_name_runs_nothing(tmp_path: Path, protocol: int | str) -> None:
    path, proof = tmp_path / "model.safetensors", tmp_path / "executed"
    if protocol == "torch":
        torch.save(Bomb(proof), path)
    else:
        path.write_bytes(pickle.dumps(Bomb(proof), protocol))
    for read in (load_checkpoint, read_metadata):
        with pytest.raises(CheckpointError, match=r"pickle|no safetensors"):
            read(path)
    assert not proof.exists()


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 2**40, 2**63, 2**64 - 1])
def test_giant_header_is_refused_before_it_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little") + b"{")
        file.truncate(2 * MAX_HEADER_BYTES)  # sparse
    with pytest.raises(CheckpointError, match=f"the limit is {MAX_HEADER_BYTES}"):
        load_checkpoint(path)


def test_file_over_the_limit_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="more than the 1000 allowed"):
        load_checkpoint(saved, max_bytes=1000)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}x",
        b"[" * 100_000,
        b'{"a": 1}',
        b'{"__metadata__": {"a": 1}}',
        b'{"__metadata__": []}',
        b'{"a": {"dtype": "F32", "shape": 3, "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": null}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e999]}}',
        b"\xff\xfe{}",
    ],
)
def test_header_that_is_not_one(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        load_checkpoint(path)


def test_arbitrary_bytes_never_raise_anything_else(saved: Path) -> None:
    original = saved.read_bytes()
    generator = np.random.default_rng(0)
    header_length = int.from_bytes(original[:8], "little")
    refused = 0
    for _ in range(60):
        damaged = bytearray(original)
        for position in generator.integers(0, header_length + 8, size=3):
            damaged[position] = generator.integers(256)
        saved.write_bytes(damaged)
        try:
            load_checkpoint(saved)
        except CheckpointError:
            refused += 1
    assert refused > 40


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint(tmp_path / "missing.safetensors")
    with pytest.raises(CheckpointError, match="no regular file"):
        load_checkpoint(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="no regular file"):
        load_checkpoint(tmp_path / "pipe")


def test_foreign_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="no CI-Net metadata"):
        load_checkpoint(path)


def test_unknown_format_version(saved: Path) -> None:
    rewrite(saved, lambda tensors, strings: strings.update(cinet_format_version="2"))
    with pytest.raises(CheckpointError, match=r"format version '2'.*reads 1"):
        load_checkpoint(saved)


@pytest.mark.parametrize("key", ["config", "label_set", "camera", "depth_range"])
def test_missing_metadata(saved: Path, key: str) -> None:
    rewrite_metadata(saved, lambda values: values.pop(key))
    with pytest.raises(CheckpointError, match=key):
        read_metadata(saved)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda values: values["config"].update(encoder="no_such_net"), "no_such_net"),
        (lambda values: values["config"].update(encoder="hf-hub:a/b"), "hf-hub"),
        (lambda values: values["config"].update(feature_channels=10**9), "feature_channels"),
        (lambda values: values["config"].update(feature_channels=65536), "its configuration"),
        (lambda values: values["config"].update(feature_channels=32), "its configuration"),
        (lambda values: values["config"].update(sharing="none"), "foreign"),
        (lambda values: values["config"].update(num_classes=7), "40 classes"),
        (lambda values: values["config"].update(surprise=1), "surprise"),
        (lambda values: values.update(surprise=1), "surprise"),
        (lambda values: values.update(config=[]), "unusable metadata"),
        (lambda values: values.update(depth_range=[5, 1]), "depth_range"),
        (lambda values: values.update(depth_range=["a", "b"]), "unusable metadata"),
        (lambda values: values["camera"].update(width="wide"), "width"),
        (lambda values: values["camera"].update(canonical_focal=-1), "canonical_focal"),
        (lambda values: values["label_set"].pop("classes"), "classes"),
        (lambda values: values.update(random_weights="no"), "random_weights"),
    ],
)
def test_unusable_metadata_is_named(saved: Path, change: Callable[[dict[str, Any]], object], named: str) -> None:
    rewrite_metadata(saved, change)
    with pytest.raises(CheckpointError, match=named):
        load_checkpoint(saved)


NAME = "depth_head.conv.weight"


@pytest.mark.parametrize(
    ("tensor", "named"),
    [
        (None, "missing"),
        (torch.zeros(2, 8, 1, 1), NAME),
        (torch.zeros(1, 8, 1, 1, dtype=torch.int64), NAME),
        (torch.full((1, 8, 1, 1), float("nan")), NAME),
    ],
)
def test_tensor_that_does_not_fit(saved: Path, tensor: torch.Tensor | None, named: str) -> None:
    def change(tensors: dict[str, torch.Tensor], strings: dict[str, str]) -> None:
        del tensors[NAME]
        if tensor is not None:
            tensors[NAME] = tensor

    rewrite(saved, change)
    with pytest.raises(CheckpointError, match=named):
        load_checkpoint(saved)


def test_random_checkpoint_says_so_and_is_repeatable() -> None:
    first, again = (random_checkpoint("lite", seed=1, label_set="sun37") for _ in range(2))
    assert first.metadata.random_weights
    assert first.sha256 == "random"
    assert not first.model.training
    assert first.metadata.config.num_classes == len(first.metadata.label_set.classes) == 37
    other = again.model.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in first.model.state_dict().items())


def test_canonical_focal_length_follows_the_training_width() -> None:
    for name, width in (("lite", 320), ("resnet50", 640)):
        camera = random_checkpoint(name).metadata.camera
        assert (camera.width, camera.canonical_focal) == (width, 262.5 * width / 320)


def test_label_set_must_have_the_networks_classes(checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match="40 classes, the network 13"):
        ModelMetadata(dataclasses.replace(checkpoint.metadata.config, num_classes=13), checkpoint.metadata.label_set)
