"""The interface between the predictor and whatever runs the deployable graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "CHOSEN",
    "CPU",
    "INPUTS",
    "Backend",
    "BackendOutput",
    "Device",
    "DeviceLostError",
    "Floats",
    "HostDevice",
    "Images",
    "OutOfDeviceMemoryError",
    "one_by_one",
]

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

INPUTS = ("image", "intrinsics")
"""Names of what goes into a deployable graph."""

# Why a backend was taken that somebody named.
CHOSEN = "chosen by parameter"


class Device(Protocol):
    """What is asked of a `torch.device`, so that a CPU can be named without PyTorch."""

    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def index(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class HostDevice:
    """The processor, as `torch.device("cpu")` describes it."""

    type: str = "cpu"
    index: None = None

    def __str__(self) -> str:
        """The name of the device."""
        return self.type


CPU = HostDevice()


class OutOfDeviceMemoryError(RuntimeError):
    """The device had no memory left for a batch. What the batch held is free again: a later or smaller one may fit."""


class DeviceLostError(RuntimeError):
    """The device failed in a way that this process cannot recover from: only a new process can use it again."""


@dataclass(frozen=True, eq=False)
class BackendOutput:
    """Predictions of a batch in host memory, at the graph's output size.

    Attributes:
        outputs: those of the deployable graph by name, as `OutputSpec` describes them, with a batch axis in front.
        seconds: time of the stages "upload", "network" and "download"; only "network" where no copy is made.
    """

    outputs: dict[str, npt.NDArray[Any]]
    seconds: dict[str, float]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """An output by its name."""
        return self.outputs[name]


class Backend(Protocol):
    """Runs one `DeployableGraph`, that is, images of one size.

    Attributes:
        name: for logs, stats and tables, for example "torch".
        device: where it runs, for example "cpu" or "cuda:0".
        reason: why it was taken, for diagnostics.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102

    def run(self, images: Images, intrinsics: Floats) -> BackendOutput:
        """Predict for images (B, H, W, 3) uint8 RGB and intrinsics (B, 4) fx fy cx cy; the caller keeps both.

        The returned arrays belong to the caller: a later call does not touch them.

        Raises:
            OutOfDeviceMemoryError: the device's memory is too small, or full.
            DeviceLostError: every later call would fail as well.
        """
        ...

    def close(self) -> None:
        """Free the device memory. `run` must not be called afterwards."""
        ...


def one_by_one(run: Callable[[Images, Floats], BackendOutput], images: Images, intrinsics: Floats) -> BackendOutput:
    """Run a batch image by image, for a backend that was built for one image. The times of the stages are summed."""
    outputs = [run(images[index : index + 1], intrinsics[index : index + 1]) for index in range(len(images))]
    if len(outputs) == 1:
        return outputs[0]
    seconds = {stage: sum(output.seconds[stage] for output in outputs) for stage in outputs[0].seconds}
    joined = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0].outputs}
    return BackendOutput(joined, seconds)
