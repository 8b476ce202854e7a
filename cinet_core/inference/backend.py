"""What the predictor asks of a way to run the deployable graph."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class OutOfDeviceMemoryError(RuntimeError):
    """The device had no memory left for a batch. What the batch held is free again: a later or smaller one may fit."""


class DeviceLostError(RuntimeError):
    """The device failed in a way that this process cannot recover from: only a new process can use it again."""


class BackendOutput(NamedTuple):
    """Predictions of a batch in host memory, at the graph's output size.

    Attributes:
        depth: (B, h, w) float32 metres, NaN = invalid.
        labels: (B, h, w) uint8 class ids.
        confidence: (B, h, w) uint8, 0..255.
        seconds: time of the stages "upload", "network" and "download"; only "network" where no copy is made.
    """

    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.uint8]
    seconds: dict[str, float]


class Backend(Protocol):
    """Runs one `DeployableGraph`, i.e. images of one size.

    Attributes:
        name: for logs, stats and tables, for example "torch".
        device: where it runs, for example "cpu" or "cuda:0".
    """

    name: str
    device: str

    def run(self, images: npt.NDArray[np.uint8], intrinsics: npt.NDArray[np.float32]) -> BackendOutput:
        """Predict for images (B, H, W, 3) uint8 RGB and intrinsics (B, 4) fx fy cx cy; the caller keeps both.

        The returned arrays belong to the caller: a later call does not touch them.

        Raises:
            OutOfDeviceMemoryError: the device's memory is too small, or full.
            DeviceLostError: every later call would fail as well.
        """
        ...

    def close(self) -> None:
        """Give back the device memory. `run` must not be called afterwards."""
        ...
