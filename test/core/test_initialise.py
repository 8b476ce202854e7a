"""Starting from a checkpoint: what fits is loaded, classes keep their rows by name, and the rest is said."""

import dataclasses
from pathlib import Path

import pytest
import torch

from cinet_core.checkpoint import Checkpoint, ModelMetadata, TrainingCamera, load_checkpoint, save_checkpoint
from cinet_core.label_sets import NYU13, NYU40, SUN37, LabelSet
from cinet_core.model import CINet, build_model, get_config
from cinet_core.training.initialise import InitialisationError, InitialisationReport, initialise_from

CAMERA = TrainingCamera()
HEAD = "segmentation_head.conv.weight", "segmentation_head.conv.bias"


def make_model(label_set: LabelSet, seed: int, **overrides: object) -> CINet:
    settings = {"encoder": "test_efficientnet", "feature_channels": 16, "decoder_channels": [8, 8, 8], **overrides}
    return build_model(get_config("lite", num_classes=len(label_set.classes), **settings), seed=seed)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A file of the NYU40 classes, none of whose values is that of a fresh network."""
    model = make_model(NYU40, seed=1)
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1)
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    save_checkpoint(path, model, ModelMetadata(model.config, NYU40, CAMERA))
    return load_checkpoint(path)


def test_the_same_network_is_copied_whole(checkpoint: Checkpoint) -> None:
    model = make_model(NYU40, seed=2).train()
    report = initialise_from(model, NYU40, CAMERA, checkpoint)
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    assert report.loaded == tuple(model.state_dict())
    assert report == InitialisationReport(report.loaded, (), ())
    assert str(report) == f"{len(report.loaded)} of {len(report.loaded)} tensors come from the checkpoint"
    assert model.training
    with torch.no_grad():
        model.depth_head.log_depth.bias.add_(1)
    assert not torch.equal(
        model.depth_head.log_depth.bias, checkpoint.model.depth_head.log_depth.bias
    )  # copied, not shared


def test_classes_of_the_same_name_keep_their_rows_and_the_others_start_anew(checkpoint: Checkpoint) -> None:
    own = LabelSet("workshop", ("robot", "Night_Stand", "wall", "vice", "chair"))
    model = make_model(own, seed=2)
    fresh = {name: model.state_dict()[name].clone() for name in HEAD}
    report = initialise_from(model, own, CAMERA, checkpoint)
    source, target = checkpoint.model.state_dict(), model.state_dict()
    for name in HEAD:
        for row, label in ((1, "night stand"), (2, "wall"), (4, "chair")):
            assert torch.equal(target[name][row], source[name][NYU40.classes.index(label)])
        for row in (0, 3):
            assert torch.equal(target[name][row], fresh[name][row])
    assert report.carried_classes == ("Night_Stand", "wall", "chair")
    assert report.new_classes == ("robot", "vice")
    assert report.reinitialised == report.left_out == HEAD
    assert set(report.loaded) == set(target) - set(HEAD)
    lines = str(report).splitlines()
    assert lines[1] == "re-initialised: segmentation_head (2 tensors)"
    assert lines[2] == "classes carried over by name (3): Night_Stand, wall, chair"
    assert lines[3] == "classes that start anew (2): robot, vice"


def test_as_many_classes_in_another_order_are_told_apart_by_name(checkpoint: Checkpoint) -> None:
    turned = LabelSet("turned", NYU40.classes[::-1])
    model = make_model(turned, seed=2)
    report = initialise_from(model, turned, CAMERA, checkpoint)
    source, target = checkpoint.model.state_dict(), model.state_dict()
    for name in HEAD:
        assert torch.equal(target[name], source[name].flip(0))
    assert report.new_classes == ()
    assert len(report.carried_classes) == 40


@pytest.mark.parametrize(("label_set", "carried"), [(SUN37, 37), (NYU13, 10)])
def test_known_label_sets(checkpoint: Checkpoint, label_set: LabelSet, carried: int) -> None:
    report = initialise_from(make_model(label_set, seed=2), label_set, CAMERA, checkpoint)
    assert len(report.carried_classes) == carried
    assert len(report.new_classes) == len(label_set.classes) - carried


def test_other_decoders_take_what_fits_and_no_class_rows(checkpoint: Checkpoint) -> None:
    model = make_model(NYU13, seed=2, decoder_channels=[8, 8, 4], scene_understanding=False, sharing="lsu")
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    report = initialise_from(model, NYU13, CAMERA, checkpoint)
    source, target = checkpoint.model.state_dict(), model.state_dict()
    assert set(report.loaded) | set(report.reinitialised) == set(target)
    for name, value in target.items():
        assert torch.equal(value, source[name] if name in report.loaded else fresh[name]), name
    assert any(name.startswith("scene_understanding.") for name in report.left_out)
    assert "depth_head.log_depth.weight" in report.reinitialised
    assert report.carried_classes == ()
    assert report.new_classes == NYU13.classes
    assert "decoders.stages.2 (" in str(report)
    assert "in the checkpoint, not used: scene_understanding (6 tensors)" in str(report)


@pytest.mark.parametrize("encoder", ["test_resnet", "test_efficientnet_gn"])
def test_another_encoder_is_refused_and_nothing_is_changed(checkpoint: Checkpoint, encoder: str) -> None:
    model = make_model(NYU40, seed=2, encoder=encoder, encoder_stride=16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InitialisationError, match=f"encoder is 'test_efficientnet', the network's '{encoder}'"):
        initialise_from(model, NYU40, CAMERA, checkpoint)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_label_set_of_another_network_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match="'nyu13' has 13 classes, the network 40"):
        initialise_from(make_model(NYU40, seed=2), NYU13, CAMERA, checkpoint)


@pytest.mark.parametrize(
    ("camera", "scale"),
    [
        (TrainingCamera(160, 120, 262.5, (105.0, 210.0)), None),  # f_c is in pixels, whatever the width
        (TrainingCamera(320, 240, 525.0), "2.00"),
        (TrainingCamera(160, 120, 131.25), "0.50"),
    ],
)
def test_another_scale_of_canonical_depth_is_said(
    checkpoint: Checkpoint, camera: TrainingCamera, scale: str | None
) -> None:
    report = initialise_from(make_model(NYU40, seed=2), NYU40, camera, checkpoint)
    if scale is None:
        assert report.notes == ()
        return
    (note,) = report.notes
    assert note.startswith(f"canonical depth is {scale} times the checkpoint's")
    assert "canonical_focal 262.5 would keep its scale" in note
    assert str(report).endswith(note)


def test_a_checkpoint_that_learnt_nothing_is_said(checkpoint: Checkpoint, tmp_path: Path) -> None:
    untrained = dataclasses.replace(checkpoint, metadata=dataclasses.replace(checkpoint.metadata, random_weights=True))
    (note,) = initialise_from(make_model(NYU40, seed=2), NYU40, CAMERA, untrained).notes
    assert "random" in note
