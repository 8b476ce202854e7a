"""The encoder: any timm backbone by name, features at 1/8 of any image."""

import math
import socket
from pathlib import Path

import pytest
import torch

from cinet_core.checkpoint import load_checkpoint, random_checkpoint, save_checkpoint
from cinet_core.model.encoder import Encoder


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
@pytest.mark.parametrize("size", [(16, 16), (97, 131), (64, 80)])
def test_features_are_at_an_eighth_rounded_up(name: str, stride: int, size: tuple[int, int]) -> None:
    encoder = Encoder(name, stride).eval()
    with torch.inference_mode():
        features = encoder(torch.randn(1, 3, *size))
    assert features.shape == (1, encoder.channels, math.ceil(size[0] / 8), math.ceil(size[1] / 8))


def test_stride_16_fuses_the_deepest_features_with_those_at_an_eighth() -> None:
    encoder = Encoder("test_efficientnet", 16).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        fused = encoder(image)
        stages = encoder.backbone(image)
    deepest, skip = stages[-1], stages[2]
    assert deepest.shape[-2:] == (4, 6)
    assert skip.shape[-2:] == (8, 12)
    torch.testing.assert_close(fused[:, deepest.shape[1] :], skip)
    upsampled = torch.nn.functional.interpolate(deepest, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(fused[:, : deepest.shape[1]], upsampled)


def test_resnet_is_dilated_by_2_and_4_as_in_the_paper() -> None:
    with torch.device("meta"):
        encoder = Encoder("resnet50", 8)
    assert encoder.channels == 2048
    for stage, dilation in (("layer3", 2), ("layer4", 4)):
        convolutions = [module for name, module in encoder.backbone.named_modules() if name.startswith(f"{stage}.")]
        kernels = [conv for conv in convolutions if isinstance(conv, torch.nn.Conv2d) and conv.kernel_size == (3, 3)]
        assert all(conv.stride == (1, 1) for conv in kernels)
        assert {conv.dilation[0] for conv in kernels[1:]} == {dilation}


def test_lite_encoder_matches_the_published_efficientnet_lite0() -> None:
    with torch.device("meta"):
        encoder = Encoder("tf_efficientnet_lite0", 16)
    assert encoder.image_mean == encoder.image_std == (0.5, 0.5, 0.5)
    norms = [module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {1e-3}
    assert encoder.channels == 320 + 40


@pytest.mark.parametrize(
    ("name", "stride", "last", "next_one"),
    [
        ("test_convnext", 32, "stages_1.blocks.1.mlp.fc2.bias", "stages_2.downsample.0.weight"),
        ("hgnetv2_b0", 32, "stages_1.blocks.0.aggregation.1.lab.bias", "stages_2.downsample.conv.weight"),
        ("tf_efficientnet_lite0", 16, "blocks.1.1.bn3.bias", "blocks.2.0.conv_pw.weight"),
        ("resnet18", 8, "layer1.1.bn2.bias", "layer2.0.conv1.weight"),
    ],
)
def test_frozen_levels_are_the_layers_in_front_of_their_features(
    name: str, stride: int, last: str, next_one: str
) -> None:
    encoder = Encoder(name, stride)
    encoder.freeze(0)
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    encoder.freeze(2)
    named = list(encoder.backbone.named_parameters())
    frozen = [name for name, parameter in named if not parameter.requires_grad]
    assert frozen == [name for name, _ in named[: len(frozen)]]
    assert (frozen[-1], named[len(frozen)][0]) == (last, next_one)
    encoder.freeze(len(encoder.levels))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    levels = len(encoder.levels)
    with pytest.raises(ValueError, match=f"{levels + 1} levels of the encoder cannot be frozen: it has {levels}"):
        encoder.freeze(levels + 1)


def test_unknown_encoder_names_close_ones() -> None:
    with pytest.raises(ValueError, match="resnet50"):
        Encoder("resnet5O", 8)


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/tmp", "hf_hub:someone/model"])
def test_a_name_cannot_make_timm_open_connections(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: opened.append(address))
    with pytest.raises(ValueError, match="has no encoder"):
        Encoder(name, 8)
    assert not opened


UNDILATED = ["fastvit_t8", "repvit_m0_9", "efficientvit_b0", "edgenext_xx_small", "hgnetv2_b0"]


@pytest.mark.parametrize("name", UNDILATED)
def test_an_encoder_that_timm_cannot_dilate_learns_at_its_own_stride(name: str) -> None:
    torch.manual_seed(0)
    encoder = Encoder(name, 32).train()
    features = encoder(torch.randn(2, 3, 66, 97))
    assert features.shape == (2, encoder.channels, 9, 13)
    features.square().mean().backward()
    parameters = dict(encoder.named_parameters())
    without = [name for name, parameter in parameters.items() if parameter.grad is None]
    assert len(without) < len(parameters) // 20, without
    assert all(parameter.grad.isfinite().all() for parameter in parameters.values() if parameter.grad is not None)


@pytest.mark.parametrize("name", UNDILATED)
def test_an_encoder_that_timm_cannot_dilate_names_the_stride_to_set(name: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"\[4, 8, 16, 32\].* Set encoder_stride: 32"):
        Encoder(name, 8)


@pytest.mark.parametrize(
    ("name", "stride", "lack"),
    [
        ("vgg11", 8, "cannot run at output stride 8: .* Set encoder_stride: 32"),
        ("vit_tiny_patch16_224", 8, "strides \\[16\\], and the decoders need some at 8"),
        ("efficientvit_m0", 32, "strides \\[16, 32, 64\\], and the decoders need some at 8"),
        ("csatv2", 32, "cannot run at output stride 32: .* \\[8, 16, 32, 64\\]"),
        ("swin_tiny_patch4_window7_224", 32, "does not take images of every size, 112x80 for one"),
        ("mambaout_femto", 32, "features have shapes .* where \\(B, channels, h, w\\)"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_refused_with_what_it_lacks(name: str, stride: int, lack: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=lack):
        Encoder(name, stride)


@pytest.mark.parametrize("name", ["fastvit_t8", "edgenext_xx_small"])
def test_such_an_encoder_is_x(name: str, tmp_path: Path) -> None:
    made = random_checkpoint("lite", encoder=name, encoder_stride=32)
    save_checkpoint(tmp_path / "model.safetensors", made.model, made.metadata)
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    image = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = made.model(image), loaded.model(image)
    assert expected.depth.shape == (1, 1, 48, 64)
    assert torch.equal(found.depth, expected.depth)
    assert torch.equal(found.logits, expected.logits)
