"""The one deployable graph: camera image and intrinsics in; the outputs of all tasks out.

Every backend runs this module, so every backend gives the same answer, and nobody outside resizes or normalises.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinet_core.checkpoint import TrainingCamera
from cinet_core.inference.resampling import AntialiasedResize, NearestResize
from cinet_core.model.cinet import CINet, CINetOutput
from cinet_core.tasks import output_names
from cinet_core.tasks.learning import GraphContext, TaskLearning, task_learning
from cinet_core.tasks.learning.base import channels_last

__all__ = ["DeployableGraph"]


class DeployableGraph(nn.Module):
    """Resize, normalise, network, what the tasks make of its answer, back to the output size, for one image size.

    Args:
        model: the network; it is used, not copied.
        camera: gives f_c of the canonical camera.
        image_size: (H, W) of the images that come in.
        network_size: (height, width) that the network runs at.
        output_size: (h, w) of the predictions; None = `image_size`.
        depth_range: (nearest, farthest) valid depth in metres.
        tasks: what the graph predicts; None = the tasks of the model's configuration.
    """

    def __init__(
        self,
        model: CINet,
        camera: TrainingCamera,
        image_size: tuple[int, int],
        network_size: tuple[int, int],
        output_size: tuple[int, int] | None = None,
        depth_range: tuple[float, float] = (0.1, 10.0),
        tasks: Sequence[TaskLearning] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.tasks = task_learning(model.config.tasks) if tasks is None else tuple(tasks)
        self.canonical_focal = camera.canonical_focal
        self.image_size = image_size
        self.network_size = network_size
        self.output_size = output_size or image_size
        self.depth_range = depth_range
        device = model.image_mean.device
        # What the network computes in, where the device has it, in place of float32.
        self.reduced: torch.dtype | None = None
        self._in_one_pass = False
        self._shrink = AntialiasedResize(image_size, network_size).to(device)
        # Of what the tasks answer at the network's size, and of logits and what is decided of them at their own.
        decided = self.decided_size(network_size)
        self._enlarge = nn.ModuleDict(
            {_size_key(size): NearestResize(size, self.output_size) for size in (network_size, decided)}
        ).to(device)

    def decided_size(self, network_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the logits, at which it is decided on labels."""
        stride = self.model.config.logit_stride
        return -(-network_size[0] // stride), -(-network_size[1] // stride)

    def in_half(self) -> DeployableGraph:
        """The same graph and weights with the network in half precision: bfloat16 on a CPU, float16 on a GPU.

        Resampling, metric depth and probabilities stay in float32.
        """
        other = copy.copy(self)
        other.reduced = torch.bfloat16 if self.model.image_mean.device.type == "cpu" else torch.float16
        return other

    def in_one_pass(self) -> DeployableGraph:
        """The same graph for the runtimes of a CPU, which decide on labels in one pass; see `decide_in_one_pass`."""
        other = copy.copy(self)
        other._in_one_pass = True
        return other

    @property
    def output_names(self) -> tuple[str, ...]:
        """Keys of what `forward` returns, in their order."""
        return output_names(task.spec.name for task in self.tasks)

    def forward(self, image: Tensor, intrinsics: Tensor) -> dict[str, Tensor]:
        """Predict.

        Args:
            image: (B, H, W, 3) uint8 RGB, H and W as in `image_size`.
            intrinsics: (B, 4) float32: fx, fy, cx, cy in pixels of that image.

        Returns:
            The outputs of all tasks by name (`OutputSpec`), in the order of `output_names`: (B, h, w) or
            (B, h, w, channels) at `output_size`. Of depth and segmentation: `depth`, float32 metres along the optical
            axis, NaN outside the depth range; `labels`, uint8 class ids; `confidence`, uint8, round(255 * probability
            of the label).
        """
        return self.deployed(self.network_output(image), intrinsics)

    def network_output(self, image: Tensor) -> CINetOutput:
        """What the network answers for images (B, H, W, 3) uint8 RGB."""
        pixels = self._network_input(image)
        reduced = self.reduced is not None
        with torch.autocast(image.device.type, self.reduced) if reduced else contextlib.nullcontext():
            return self.model(pixels)

    def deployed(self, output: CINetOutput, intrinsics: Tensor) -> dict[str, Tensor]:
        """What `forward` returns, of the network's answer."""
        context = GraphContext(intrinsics, self._depth_scale(intrinsics), self.depth_range, self._in_one_pass)
        outputs: dict[str, Tensor] = {}
        for task in self.tasks:
            answer = task.deploy(output, context)
            resized = {spec.name: self._resized(answer[spec.name], spec.resize) for spec in task.spec.outputs}
            finished = task.finish(resized, context)
            outputs |= {spec.name: channels_last(finished[spec.name]) for spec in task.spec.outputs}
        return outputs

    def _network_input(self, image: Tensor) -> Tensor:
        pixels = image.permute(0, 3, 1, 2).float()
        if self.network_size != self.image_size:
            pixels = self._shrink(pixels)
        return (pixels / 255 - self.model.image_mean) / self.model.image_std

    def _depth_scale(self, intrinsics: Tensor) -> Tensor:
        """(B, 1, 1) f_net / f_c, f_net = sqrt(fx sx fy sy): canonical depth times this is metric (spec/method.md)."""
        zoom = (self.network_size[0] * self.network_size[1] / (self.image_size[0] * self.image_size[1])) ** 0.5
        focal = (intrinsics[:, 0] * intrinsics[:, 1]).sqrt() * zoom
        return (focal / self.canonical_focal).reshape(-1, 1, 1)

    def _resized(self, values: Tensor, resize: str) -> Tensor:
        """(B, H, W) or (B, C, H, W) at the network's size, or that of its logits -> the same at the output size."""
        if self.output_size == tuple(values.shape[-2:]):
            return values
        planes = values.flatten(0, -3) if values.dim() == 4 else values
        if resize == "bilinear":
            planes = planes.unsqueeze(1)
            planes = F.interpolate(planes, size=self.output_size, mode="bilinear", align_corners=False).squeeze(1)
        else:
            planes = self._enlarge[_size_key(planes.shape[-2:])](planes)
        return planes.unflatten(0, values.shape[:-2]) if values.dim() == 4 else planes


def _size_key(size: Sequence[int]) -> str:
    return f"{int(size[0])}x{int(size[1])}"
