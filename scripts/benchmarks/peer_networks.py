"""Other public networks for the same job, as graphs that our backends run.

Their code is no part of this project: it is read from checkouts, and its weights are random. Everything around their
networks is ours, in the form that is best for them: resampling as in our own graph, labels decided at the size that
their network gives, and no check of the range of depth.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinet_core.checkpoint import TrainingCamera
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.resampling import NearestResize
from cinet_core.model.cinet import CINet, CINetOutput
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.tasks.learning import task_learning
from cinet_core.tasks.learning.label_decision import decide

REFINENET_CLASSES = 40
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PeerOutput(NamedTuple):
    """What a peer's network gives, at a size of its own: depth (B, 1, h, w) and logits (B, C, h, w)."""

    depth: Tensor
    logits: Tensor


class PeerNetwork(nn.Module):
    """A peer's network as the graph takes one.

    Args:
        network: the peer's.
        output: PeerOutput of what it returns.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, network: nn.Module, output: Callable[[Any], PeerOutput]) -> None:
        super().__init__()
        self.network = _with_usual_weights(network).eval()
        self._output = output
        self.register_buffer("image_mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("image_std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1))

    def forward(self, image: Tensor) -> PeerOutput:
        """(B, 3, H, W), normalised."""
        return self._output(self.network(image))


def _with_usual_weights(network: nn.Module) -> nn.Module:
    """Random weights that keep the size of activations from layer to layer, as trained ones do.

    With those that RefineNet draws (N(0, 0.01)) they fade to subnormal numbers, with which a CPU is ten times slower.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


class PeerGraph(DeployableGraph):
    """Our graph around a peer's network.

    Args:
        model: the network.
        image_size: (H, W) of the images that come in and of the predictions.
        network_size: (height, width) of the network's input.
    """

    def __init__(self, model: PeerNetwork, image_size: tuple[int, int], network_size: tuple[int, int]) -> None:
        tasks = task_learning(DEFAULT_TASKS)
        super().__init__(cast(CINet, model), TrainingCamera(), image_size, network_size, tasks=tasks)
        device = model.image_mean.device
        with torch.no_grad():
            given = model(torch.zeros(1, 3, *network_size, device=device)).logits.shape[-2:]
        self._to_image = NearestResize((given[0], given[1]), image_size).to(device)

    def decided_size(self, network_size: tuple[int, int]) -> tuple[int, int]:
        """That of the network's input: what a peer gives is brought to size by `deployed`."""
        return network_size

    def deployed(self, output: CINetOutput, intrinsics: Tensor) -> dict[str, Tensor]:
        """Depth as it is, labels decided at the size that the network gives; all at the output size."""
        depth = F.interpolate(output.depth.float(), size=self.output_size, mode="bilinear", align_corners=False)
        labels, confidence = decide(output.logits)
        return {"depth": depth.squeeze(1), "labels": self._to_image(labels), "confidence": self._to_image(confidence)}


@dataclass(frozen=True)
class Peer:
    """A public network.

    Attributes:
        name: in tables.
        source: file below the folder of checkouts.
        needs: module that it imports and we do not.
        native: (height, width) of its input in its own paper or demo.
        load: its network, given the file and the size of the input.
        output: PeerOutput of what it returns.
    """

    name: str
    source: str
    needs: str
    native: tuple[int, int]
    load: Callable[[Path, tuple[int, int]], nn.Module]
    output: Callable[[Any], PeerOutput]

    def graph(self, folder: Path, image_size: tuple[int, int], network_size: tuple[int, int]) -> PeerGraph:
        """It as a graph, with random weights."""
        network = PeerNetwork(self.load(folder / self.source, network_size), self.output)
        return PeerGraph(network, image_size, network_size)


def _load_refinenet(path: Path, network_size: tuple[int, int]) -> nn.Module:
    return cast(nn.Module, _module(path).net(REFINENET_CLASSES, 2))


def _load_meter(path: Path, network_size: tuple[int, int], size_name: str) -> nn.Module:
    """METER's, which takes the size of its input from a module that is not in its repository."""
    missing = types.ModuleType("globals")
    missing.__dict__["RGB_img_res"] = (3, *network_size)
    sys.modules["globals"] = missing
    try:
        return cast(nn.Module, _module(path).build_METER_model("cpu", size_name))
    finally:
        del sys.modules["globals"]


def _module(path: Path) -> types.ModuleType:
    """The file of a checkout as a module, which nobody else can import."""
    loader = SourceFileLoader(path.stem, str(path))
    module = types.ModuleType(path.stem)
    loader.exec_module(module)
    return module


def _both(output: tuple[Tensor, Tensor]) -> PeerOutput:
    labels, depth = output
    return PeerOutput(depth, labels)


def _depth_only(depth: Tensor) -> PeerOutput:
    return PeerOutput(depth, torch.zeros_like(depth))


def _meter(size_name: str) -> Peer:
    load = partial(_load_meter, size_name=size_name.lower())
    return Peer(f"METER {size_name} (depth only)", "METER/architecture.py", "einops", (192, 256), load, _depth_only)


PEERS = (
    Peer("multi-task-refinenet", "multi-task-refinenet/src/models.py", "torch", (480, 640), _load_refinenet, _both),
    _meter("S"),
    _meter("XXS"),
)
"""In the order of tables; METER in the sizes that its authors rank first and that is the fastest."""
