"""The graph that an evaluation runs: the one that is deployed, at the network's own size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cinet_core.checkpoint import TrainingCamera
from cinet_core.geometry import Intrinsics, fit_network_size
from cinet_core.inference.graph import DeployableGraph
from cinet_core.model.cinet import CINet, CINetOutput

__all__ = ["EvaluationGraph"]


class EvaluationGraph(DeployableGraph):
    """The deployable graph at the network's own size, with depth of any range, and with the network's own answer.

    Args:
        model, camera: see DeployableGraph.
        image_size: (H, W) of the images that come in.
        scale: of the network's size; the sides are rounded to multiples of 8. An image that is zoomed so has another
            f_net, and the graph takes that of the size that it really has.
    """

    def __init__(self, model: CINet, camera: TrainingCamera, image_size: tuple[int, int], scale: float = 1.0) -> None:
        height, width = image_size
        size = fit_network_size(width, height, round(scale * camera.width), round(scale * camera.height))
        super().__init__(model, camera, image_size, size, output_size=size, depth_range=(0.0, math.inf))

    def predict(self, images: Tensor, cameras: Sequence[Intrinsics | None]) -> tuple[CINetOutput, dict[str, Tensor]]:
        """The network's answer, and the outputs of the tasks.

        Args:
            images: (B, 3, H, W) uint8 RGB, on the model's device.
            cameras: of the B images; None = the one that has f_net = f_c.

        Returns:
            The answer, and what `forward` returns, both at `network_size`.
        """
        output = self.network_output(images.permute(0, 2, 3, 1))
        return output, self.deployed(output, self.intrinsics(cameras).to(images.device))

    def intrinsics(self, cameras: Sequence[Intrinsics | None]) -> Tensor:
        """Return (B, 4) float32 fx fy cx cy of the cameras. None stands for the camera with f_net = f_c."""
        known = [camera or self._canonical_camera() for camera in cameras]
        return torch.tensor([(c.fx, c.fy, c.cx, c.cy) for c in known], dtype=torch.float32)

    def metric_depth(self, output: CINetOutput, intrinsics: Tensor) -> Tensor:
        """(B, 1, h, w) float32 metres, of the network's answer and the cameras (B, 4) of the images that came in."""
        return output.depth.float() * self._depth_scale(intrinsics)[:, None]

    def _canonical_camera(self) -> Intrinsics:
        height, width = self.network_size
        focal = self.canonical_focal
        camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
        return camera.resized(self.image_size[1], self.image_size[0])
