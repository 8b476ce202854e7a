"""The one deployable graph: camera image and intrinsics in; metric depth, labels, confidence out.

Every backend runs this module, so every backend gives the same answer, and nobody outside resizes or normalises.
"""

from __future__ import annotations

import contextlib
import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinet_core.checkpoint import TrainingCamera
from cinet_core.inference.resampling import AntialiasedResize, NearestResize
from cinet_core.model.cinet import CINet

# 255 exponentials of it still sum up in float32.
MAX_LOGIT = 80.0
FLOAT32_BITS = 24
# Logits below it are told apart about equally well, larger ones less.
KNEE = 4.0


class GraphOutput(NamedTuple):
    """Predictions at the output size (h, w).

    Attributes:
        depth: (B, h, w) float32, metres along the optical axis, NaN outside the depth range.
        labels: (B, h, w) uint8 class ids.
        confidence: (B, h, w) uint8, round(255 * probability of the label).
    """

    depth: Tensor
    labels: Tensor
    confidence: Tensor


class DeployableGraph(nn.Module):
    """Resize, normalise, network, metric scale, back to the output size, for one image size.

    Args:
        model: the network; it is used, not copied.
        camera: gives f_c of the canonical camera.
        image_size: (H, W) of the images that come in.
        network_size: (height, width) that the network runs at.
        output_size: (h, w) of the predictions; None = `image_size`.
        depth_range: (nearest, farthest) valid depth in metres.
    """

    def __init__(
        self,
        model: CINet,
        camera: TrainingCamera,
        image_size: tuple[int, int],
        network_size: tuple[int, int],
        output_size: tuple[int, int] | None = None,
        depth_range: tuple[float, float] = (0.1, 10.0),
    ) -> None:
        super().__init__()
        self.model = model
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
        self._enlarge = NearestResize(network_size, self.output_size).to(device)

    def in_half(self) -> DeployableGraph:
        """The same graph and weights with the network in half precision: bfloat16 on a CPU, float16 on a GPU.

        Resampling, metric depth and probabilities stay in float32.
        """
        other = copy.copy(self)
        other.reduced = torch.bfloat16 if self.model.image_mean.device.type == "cpu" else torch.float16
        return other

    def in_one_pass(self) -> DeployableGraph:
        """The same graph for the runtimes of a CPU, which decide on labels in one pass; see `_decide_in_one_pass`."""
        other = copy.copy(self)
        other._in_one_pass = True
        return other

    def forward(self, image: Tensor, intrinsics: Tensor) -> GraphOutput:
        """Predict.

        Args:
            image: (B, H, W, 3) uint8 RGB, H and W as in `image_size`.
            intrinsics: (B, 4) float32: fx, fy, cx, cy in pixels of that image.
        """
        pixels = self._network_input(image)
        reduced = self.reduced is not None
        with torch.autocast(image.device.type, self.reduced) if reduced else contextlib.nullcontext():
            output = self.model(pixels)
        decide = _decide_in_one_pass if self._in_one_pass else _decide
        labels, confidence = decide(output.logits)
        return GraphOutput(
            self._metric_depth(output.depth, intrinsics),
            self._nearest(labels),
            self._nearest(confidence),
        )

    def _network_input(self, image: Tensor) -> Tensor:
        pixels = image.permute(0, 3, 1, 2).float()
        if self.network_size != self.image_size:
            pixels = self._shrink(pixels)
        return (pixels / 255 - self.model.image_mean) / self.model.image_std

    def _metric_depth(self, canonical: Tensor, intrinsics: Tensor) -> Tensor:
        """(B, 1, H, W) canonical -> (B, h, w) metric: times f_net / f_c, f_net = sqrt(fx sx fy sy) (spec/method.md)."""
        zoom = (self.network_size[0] * self.network_size[1] / (self.image_size[0] * self.image_size[1])) ** 0.5
        focal = (intrinsics[:, 0] * intrinsics[:, 1]).sqrt() * zoom
        depth = canonical.float() * (focal / self.canonical_focal).reshape(-1, 1, 1, 1)
        if self.output_size != self.network_size:
            depth = F.interpolate(depth, size=self.output_size, mode="bilinear", align_corners=False)
        depth = depth.squeeze(1)
        nearest, farthest = self.depth_range
        valid = (depth >= nearest) & (depth <= farthest)
        return torch.where(valid, depth, torch.full_like(depth, float("nan")))

    def _nearest(self, image: Tensor) -> Tensor:
        if self.output_size == self.network_size:
            return image
        return self._enlarge(image)


def _decide(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) -> class ids and round(255 * their softmax probability), both (B, H, W) uint8."""
    logits = logits.float()
    # Runtimes of ONNX files take several times longer for argmax over channels than for the same by element; PyTorch
    # takes longer for the latter.
    best, labels = _first_largest(logits) if torch.compiler.is_compiling() else logits.max(dim=1)
    probability = (logits - best[:, None]).exp().sum(dim=1).reciprocal()
    return _as_bytes(labels, probability)


def _as_bytes(labels: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
    return labels.to(torch.uint8), (probability * 255).round().to(torch.uint8)


def _decide_in_one_pass(logits: Tensor) -> tuple[Tensor, Tensor]:
    """`_decide` with logits rounded, near 0 to a 65,000th for 33 to 64 classes, coarser the larger they are.

    A logit and its class are one number, the class below its last binary digit, so that one maximum finds both. With a
    second maximum over channels, of those that equal the first, OpenVINO in bfloat16 takes three times as long for all
    of this, because it changes the layout of the logits. The number takes all 24 bits of a float32: this is not for
    runtimes that may compute it in half precision, such as TensorRT.
    """
    logits = logits.float()
    last = logits.shape[1] - 1
    classes = 2 ** max(last.bit_length(), 1)
    steps = 2**FLOAT32_BITS // classes - 1
    from_last = torch.arange(last, -1, -1, device=logits.device, dtype=logits.dtype).reshape(1, -1, 1, 1)
    squashed = logits / (logits.abs() + KNEE)  # into -1 .. 1, whatever their range is
    largest = ((squashed * steps).round() + from_last / classes).amax(dim=1)
    whole = largest.floor()
    labels = last - (largest - whole) * classes
    best = KNEE * whole / (steps - whole.abs())
    shares = [value.clamp(-MAX_LOGIT, MAX_LOGIT).exp() for value in (best, logits)]
    return _as_bytes(labels, shares[0] / shares[1].sum(dim=1))


def _first_largest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """As `logits.max(dim=1)`: of equal ones the first."""
    last = logits.shape[1] - 1
    best = logits.amax(dim=1, keepdim=True)
    from_last = torch.arange(last, -1, -1, device=logits.device, dtype=logits.dtype).reshape(1, -1, 1, 1)
    labels = last - torch.where(logits == best, from_last, torch.zeros_like(from_last)).amax(dim=1)
    return best.squeeze(1), labels
