"""The encoder: any timm backbone by name, features at 1/8 of any image."""

import math
import socket

import pytest
import torch

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
    with pytest.raises(ValueError, match="6 levels of the encoder cannot be frozen: it has 5"):
        encoder.freeze(6)


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


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vgg11"])
def test_encoder_without_such_a_stride_is_refused(name: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match="cannot run at output stride 8"):
        Encoder(name, 8)
