"""What is measured of each frame: sharpness, exposure, what our encoder sees in it, how sure the network is, place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from cinet_core.checkpoint import Checkpoint
from cinet_core.data.sample import Sample
from cinet_core.geometry import fit_network_size, network_focal, to_metric

__all__ = ["Encoded", "FrameEncoder", "FrameFeatures", "exposure", "sharpness"]

WIDTH = 320
"""Of the grey image that sharpness is measured on: noise of the sensor is averaged out, blur is not."""

BLACK, WHITE = 4, 251
GRID = 2
"""Cells along each side of the image that features are averaged over: where things are counts a little."""


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """What was measured of a frame.

    Attributes:
        sharpness: variance of the Laplacian of grey values.
        luminance: mean grey value, 0 to 255.
        clipped: part of the pixels that are black or white.
        embedding: (D,) float32 of unit length.
        uncertainty: 1 minus the mean probability of the most likely class.
        median_depth: metres, of the frame's own depth where it has some, else of the prediction.
        pose: (4, 4) camera to world; None where it is not known.
        world: of the pose, or the recording.
    """

    sharpness: float
    luminance: float
    clipped: float
    embedding: npt.NDArray[np.float32]
    uncertainty: float
    median_depth: float
    pose: npt.NDArray[np.float64] | None
    world: str


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the network says of a frame: see `FrameFeatures`."""

    embedding: npt.NDArray[np.float32]
    uncertainty: float
    median_depth: float


class FrameEncoder:
    """Embeddings, uncertainty and depth of frames, by one pass of a network.

    The embedding is the mean of the encoder's features over 2 x 2 parts of the image, of unit length.

    Args:
        checkpoint: of the network.
        device: "cpu", "cuda" or "cuda:N".
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._model, self._camera = checkpoint.model.to(self._device), checkpoint.metadata.camera

    @torch.inference_mode()
    def encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Of samples of one size."""
        width, height = samples[0].size
        net_height, net_width = fit_network_size(width, height, self._camera.width, self._camera.height)
        images = torch.stack([sample.image for sample in samples]).to(self._device).float() / 255
        images = torch.nn.functional.interpolate(
            images, size=(net_height, net_width), mode="bilinear", antialias=True, align_corners=False
        )
        seen: list[torch.Tensor] = []
        hook = self._model.entry.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            output = self._model((images - self._model.image_mean) / self._model.image_std)
        finally:
            hook.remove()
        pooled = torch.nn.functional.adaptive_avg_pool2d(seen[0], GRID).flatten(1).float()
        embeddings = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        sure = output.logits.softmax(dim=1).amax(dim=1).mean(dim=(1, 2)).cpu().numpy()
        depths = output.depth.flatten(1).median(dim=1).values.cpu().numpy()
        return [
            Encoded(embedding, float(1 - confidence), self._median(sample, float(depth), net_width, net_height))
            for sample, embedding, confidence, depth in zip(samples, embeddings, sure, depths, strict=True)
        ]

    def _median(self, sample: Sample, canonical: float, net_width: int, net_height: int) -> float:
        known = sample.depth[sample.depth > 0]
        if sample.has_depth and known.numel() > 0.05 * sample.depth.numel():
            return float(known.median())
        f_c = self._camera.canonical_focal
        f_net = f_c if sample.intrinsics is None else network_focal(sample.intrinsics, net_width, net_height)
        return float(to_metric(canonical, f_net, f_c))


def sharpness(image: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of an (H, W, 3) uint8 RGB image, at a width of 320 (Pech-Pacheco 2000)."""
    return float(cv2.Laplacian(_grey(image), cv2.CV_32F).var())


def exposure(image: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Mean grey value, 0 to 255, and the part of the pixels that are black or white, of an (H, W, 3) RGB image."""
    grey = _grey(image)
    return float(grey.mean()), float(((grey <= BLACK) | (grey >= WHITE)).mean())


def _grey(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height = max(3, round(WIDTH * image.shape[0] / image.shape[1]))
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (WIDTH, height), interpolation=cv2.INTER_AREA)
