"""Predictions averaged over several views of each image: test-time augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.checkpoint import TrainingCamera
from cinet_core.evaluation.evaluation_graph import EvaluationGraph
from cinet_core.evaluation.views import PLAIN, Views
from cinet_core.geometry import Intrinsics
from cinet_core.model.cinet import CINet, CINetOutput
from cinet_core.tasks.learning.label_decision import decide

__all__ = ["AugmentedGraph"]


class AugmentedGraph:
    """What the network answers on average over views of each image: zoomed, and mirrored.

    Class logits are averaged as they are. Metric depth is averaged in logarithms: what views of one image disagree
    about is a factor, of the whole or of a surface, and the geometric mean of a and b is as far from both by ratio, as
    depth is judged (delta, rms log, abs rel); in metres the view that errs to far would weigh more than the one that
    errs as much to near. Of every view it is metric depth, taken back with that view's own f_net: canonical depths of
    two zooms are not those of one camera. Where the camera is unknown, the plain view is the one with f_net = f_c.

    Further tasks and the attention are those of the plain view: their averages are other questions (a mirrored normal
    points elsewhere, an attention map of another size has other positions).

    Args:
        model, camera, image_size: see EvaluationGraph.
        views: that are averaged.

    Attributes:
        plain: the graph of the plain view.
    """

    def __init__(self, model: CINet, camera: TrainingCamera, image_size: tuple[int, int], views: Views = PLAIN) -> None:
        self._mirror = views.flip
        self._graphs = [EvaluationGraph(model, camera, image_size, scale) for scale in views.scales]
        self.plain = self._graphs[0]

    @property
    def network_sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each scale, the plain one first."""
        return [graph.network_size for graph in self._graphs]

    def predict(self, images: Tensor, cameras: Sequence[Intrinsics | None]) -> tuple[CINetOutput, dict[str, Tensor]]:
        """As `EvaluationGraph.predict`, at the plain view's size."""
        output, outputs = self.plain.predict(images, cameras)
        if len(self._graphs) == 1 and not self._mirror:
            return output, outputs
        intrinsics = self.plain.intrinsics(cameras).to(images.device)
        seen = [self._of_scale(graph, images, intrinsics, output) for graph in self._graphs]
        depth = torch.stack([log_depth for log_depth, _ in seen]).mean(dim=0).exp()
        logits = torch.stack([of_one for _, of_one in seen]).mean(dim=0)
        labels, confidence = decide(logits)
        averaged = {"depth": depth.squeeze(1), "labels": labels, "confidence": confidence}
        return output._replace(logits=logits), {name: averaged.get(name, values) for name, values in outputs.items()}

    def _of_scale(
        self, graph: EvaluationGraph, images: Tensor, intrinsics: Tensor, plain: CINetOutput
    ) -> tuple[Tensor, Tensor]:
        """Logarithms of depth (B, 1, h, w), and logits (B, C, h, w), of one scale at the plain view's size."""
        output = plain if graph is self.plain else graph.network_output(images.permute(0, 2, 3, 1))
        log_depth, logits = graph.metric_depth(output, intrinsics).log(), output.logits.float()
        if self._mirror:  # which leaves the focal lengths, and so f_net, as they are
            mirrored = graph.network_output(images.flip(-1).permute(0, 2, 3, 1))
            log_depth = (log_depth + graph.metric_depth(mirrored, intrinsics).log().flip(-1)) / 2
            logits = (logits + mirrored.logits.float().flip(-1)) / 2
        return self._resized(log_depth), self._resized(logits)

    def _resized(self, values: Tensor) -> Tensor:
        size = self.plain.network_size
        if tuple(values.shape[-2:]) == size:
            return values
        return F.interpolate(values, size=size, mode="bilinear", align_corners=False, antialias=True)
