"""A teacher that is one of our own networks: any checkpoint."""

from __future__ import annotations

import threading

import numpy as np

from cinet_core.checkpoint import CheckpointError, named_checkpoint
from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.torch_backend import resolve_device
from cinet_core.labelling.description import TeacherError
from cinet_core.labelling.teacher import Answer, Bytes, Teacher

__all__ = ["NetworkTeacher"]

UNLIMITED = (0.01, 1000.0)
SIDE_MULTIPLE = 32


class NetworkTeacher(Teacher):
    """Depth and labels of a CI-Net.

    Args:
        weights: a checkpoint, or "default".
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        TeacherError: the weights cannot be read.
    """

    gives_depth = "metric"
    gives_labels = True

    def __init__(self, weights: str, device: str = "auto") -> None:
        try:
            self._checkpoint = named_checkpoint(weights)
        except CheckpointError as error:
            raise TeacherError(str(error)) from error
        self.name = weights
        self.label_set = self._checkpoint.metadata.label_set
        self.identity = {"kind": "network", "sha256": self._checkpoint.sha256, "name": weights}
        self.concurrent = resolve_device(device).type == "cpu"
        self._device = device
        # By thread: a predictor's cache is one thread's. On a CPU they share the weights.
        self._predictors: dict[tuple[int, tuple[int, int] | None], Predictor] = {}

    def answer(self, image: Bytes, camera: Intrinsics, scale: float = 1.0) -> Answer:
        """See `Teacher.answer`."""
        prediction = self._predictor(image.shape[0], image.shape[1], scale).predict(image, camera)
        confidence = prediction.outputs["confidence"].astype(np.float32) / 255.0
        depth, uncertainty = prediction.depth, prediction.outputs.get("depth_uncertainty")
        sigma = None
        if uncertainty is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                sigma = np.nan_to_num(uncertainty / depth, nan=np.inf).astype(np.float32)
        return Answer(depth, sigma=sigma, labels=prediction.labels, confidence=confidence)

    def close(self) -> None:
        """Free the networks."""
        for predictor in self._predictors.values():
            predictor.close()
        self._predictors.clear()

    def _predictor(self, height: int, width: int, scale: float) -> Predictor:
        """One for each size of the network's input: its cache is small."""
        first = self._made(None)
        if scale == 1.0:
            return first
        sides = (scale * side for side in first.network_size(height, width))
        high, wide = (max(MIN_NETWORK_SIDE, round(side / SIDE_MULTIPLE) * SIDE_MULTIPLE) for side in sides)
        return self._made((high, wide))

    def _made(self, network_size: tuple[int, int] | None) -> Predictor:
        key = (threading.get_ident(), network_size)
        if key not in self._predictors:
            self._predictors[key] = Predictor(
                self._checkpoint, self._device, network_size=network_size, depth_range=UNLIMITED
            )
        return self._predictors[key]
