"""Checkpoints: what is saved is what is loaded, and a file from anywhere can do no harm."""

import copy
import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny_network import TINY, tiny_checkpoint

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

NAME = "depth_head.log_depth.weight"
fault = functools.partial(pytest.mark.fault, area="security")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    checkpoint = tiny_checkpoint(seed=3)
    metadata = dataclasses.replace(
        checkpoint.metadata,
        camera=TrainingCamera(256, 192, 210.0, (150.0, 300.5)),
        depth_range=(0.3, 7.5),
        recipe={"stages": [1, 2, 3], "lr": 6e-4},
        metrics={"synthetic": {"delta1": 0.5}},
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
    assert model.depth_head.log_depth.weight.grad.any()


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
    not_json = dataclasses.replace(checkpoint.metadata, metrics={"rms": float("nan")})
    with pytest.raises(ValueError, match=r"JSON|nan"):
        save_checkpoint(saved, checkpoint.model, not_json)
    assert saved.read_bytes() == before
    with pytest.raises(ValueError, match="not JSON"):
        save_checkpoint(saved, checkpoint.model, dataclasses.replace(checkpoint.metadata, recipe={"lr": Path("x")}))
    assert saved.read_bytes() == before
    save_checkpoint(saved, checkpoint.model, checkpoint.metadata)
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize(("value", "half"), [(float("nan"), False), (float("inf"), False), (1e5, True)])
def test_weights_that_could_not_be_loaded_are_not_saved(
    checkpoint: Checkpoint, tmp_path: Path, value: float, half: bool
) -> None:
    model = copy.deepcopy(checkpoint.model)
    torch.nn.init.constant_(model.depth_head.log_depth.weight, value)
    with pytest.raises(ValueError, match=NAME):
        save_checkpoint(tmp_path / "x.safetensors", model, checkpoint.metadata, half)
    assert not list(tmp_path.iterdir())


def test_encoder_with_constants_that_are_not_saved(tmp_path: Path) -> None:
    """The blur kernels of this ResNet are buffers outside of the state_dict."""
    fresh = random_checkpoint("lite", **{**TINY, "encoder": "resnetblur18", "encoder_stride": 8})
    assert set(dict(fresh.model.named_buffers())) - set(fresh.model.state_dict())
    path = tmp_path / "blur.safetensors"
    save_checkpoint(path, fresh.model, fresh.metadata)
    image = torch.randn(1, 3, 32, 40)
    with torch.inference_mode():
        torch.testing.assert_close(load_checkpoint(path).model(image).depth, fresh.model(image).depth)


def test_metadata_of_another_network_is_not_saved(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = dataclasses.replace(
        checkpoint.metadata, config=dataclasses.replace(checkpoint.metadata.config, sharing="lsu")
    )
    with pytest.raises(ValueError, match="metadata describes"):
        save_checkpoint(tmp_path / "x.safetensors", checkpoint.model, other)
    assert not list(tmp_path.iterdir())


@fault(
    fault="tampered header",
    injected="three random bytes of the header changed, 60 times",
    expected="refused or, where the change means nothing, loaded; no other exception",
)
def test_arbitrary_bytes_never_raise_anything_else(saved: Path, observed: Callable[[str], None]) -> None:
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
    observed(f"{refused} of 60 refused")
    assert refused > 40


def rewrite_offsets(path: Path, change: Callable[[list[list[int]]], object]) -> None:
    """Change the places of the tensors in a file, in the order of the file, and nothing else."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    places = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    change(sorted(places))
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


def set_place(index: int, place: list[int]) -> Callable[[list[list[int]]], object]:
    def change(places: list[list[int]]) -> None:
        places[index][:] = place

    return change


@fault(
    fault="tensors in the wrong place",
    injected="offsets that overlap, leave a hole, lie beyond the end or before the start, run backwards, or hold more "
    "or less than the shape",
    expected="refused before a tensor is made",
)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda places: places[1].__setitem__(slice(None), places[0]), id="overlap"),
        pytest.param(lambda places: places[1].__setitem__(0, places[1][0] - 4), id="overlap by one value"),
        pytest.param(lambda places: places[1].__setitem__(0, places[1][0] + 4), id="hole"),
        pytest.param(set_place(1, [2**40, 2**40 + 4]), id="beyond the end"),
        pytest.param(set_place(1, [2**64 - 4, 2**64]), id="beyond 64 bits"),
        pytest.param(set_place(0, [-4, 0]), id="before the start"),
        pytest.param(lambda places: places[1].reverse(), id="backwards"),
        pytest.param(set_place(0, [0, 0]), id="nothing"),
        pytest.param(lambda places: places[-1].__setitem__(0, places[-1][0] // 2), id="more than the shape"),
    ],
)
def test_offsets_that_do_not_tile_the_file(saved: Path, change: Callable[[list[list[int]]], object]) -> None:
    rewrite_offsets(saved, lambda places: None)
    load_checkpoint(saved)  # written anew, all is well
    rewrite_offsets(saved, change)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


@fault(injected="a safetensors file of another project", expected="refused, says what is missing")
def test_foreign_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="no CI-Net metadata"):
        load_checkpoint(path)


@fault(injected="format version 2", expected="refused, names both versions")
def test_unknown_format_version(saved: Path) -> None:
    rewrite(saved, lambda tensors, strings: strings.update(cinet_format_version="2"))
    with pytest.raises(CheckpointError, match=r"format version '2'.*reads 1"):
        load_checkpoint(saved)


@pytest.mark.parametrize("key", ["config", "label_set", "camera", "depth_range"])
def test_missing_metadata(saved: Path, key: str) -> None:
    rewrite_metadata(saved, lambda values: values.pop(key))
    with pytest.raises(CheckpointError, match=key):
        read_metadata(saved)


@fault(
    fault="tampered metadata",
    injected="unknown encoder, an encoder to be downloaded (hf-hub), 10^9 channels, NaN limits, wrong types, and more",
    expected="refused with the name of the field; nothing is allocated or fetched for it",
)
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
        (lambda values: values["camera"].update(focal_range=[1, 10**400]), "unusable metadata"),
        (lambda values: values["config"].update(attention_logit_init=1e300), "attention_logit_init"),
        (lambda values: values["label_set"].pop("classes"), "classes"),
        (lambda values: values["label_set"]["groupings"]["nyu13"].update(members=[1e999] * 40), "label set"),
        (lambda values: values["label_set"]["groupings"]["nyu13"].update(unknown=999), "999"),
        (lambda values: values.update(random_weights="no"), "random_weights"),
    ],
)
def test_unusable_metadata_is_named(saved: Path, change: Callable[[dict[str, Any]], object], named: str) -> None:
    rewrite_metadata(saved, change)
    with pytest.raises(CheckpointError, match=named):
        load_checkpoint(saved)


@fault(
    fault="weights that do not fit",
    injected="a tensor missing, of another shape or type, or holding NaN",
    expected="refused with the name of the tensor",
)
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


def test_canonical_focal_length_is_one_at_every_training_width() -> None:
    for name, width in (("lite", 320), ("resnet50", 640)):
        camera = random_checkpoint(name).metadata.camera
        assert (camera.width, camera.canonical_focal) == (width, 262.5)


def test_label_set_must_have_the_networks_classes(checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match="40 classes, the network 13"):
        ModelMetadata(dataclasses.replace(checkpoint.metadata.config, num_classes=13), checkpoint.metadata.label_set)
