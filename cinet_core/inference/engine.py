"""What the predictor asks of a network that it runs: a checkpoint in PyTorch, or a core graph without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, Union

from cinet_core.inference.backend import Backend
from cinet_core.inference.core_backend import GraphSizes
from cinet_core.inference.core_graph import CoreGraph
from cinet_core.model_metadata import ModelMetadata

if TYPE_CHECKING:
    from cinet_core.checkpoint import Checkpoint

__all__ = ["Engine", "Network", "make_engine"]

Network: TypeAlias = Union["Checkpoint", CoreGraph]
"""Weights that can be predicted with."""


class Engine(Protocol):
    """Makes backends of one network, on one device.

    Attributes:
        metadata: of the network.
        sha256: of the checkpoint that it is of.
        device: where it runs, for example "cpu" or "cuda:0".
        choice: the backend that was asked for, one of `choices.BACKENDS`.
    """

    metadata: ModelMetadata
    sha256: str
    device: str
    choice: str

    def backend(self, sizes: GraphSizes) -> Backend:
        """A backend for images of one size.

        Raises:
            RuntimeError: the backend that was asked for does not take the network, or does not answer as PyTorch does.
            ExportError: the network cannot be written as ONNX.
            OSError: the cache cannot be written.
        """
        ...

    def device_memory(self) -> dict[str, int]:
        """Bytes of device memory that are allocated and reserved, by name. Empty on the CPU."""
        ...

    def fall_back_to_cpu(self) -> None:
        """Move the weights to the CPU in place, and free the device. Does nothing on the CPU."""
        ...


def make_engine(network: Network, device: str, backend: str, precision: str, background: bool) -> Engine:
    """The engine of a network.

    Args:
        network: a checkpoint or a core graph.
        device: "auto", "cpu", "cuda" or "cuda:N"; a core graph runs on the CPU.
        backend: one of `choices.BACKENDS`.
        precision: one of `choices.PRECISIONS`.
        background: predict with the backend that is ready at once until the one that was asked for is.

    Raises:
        ValueError: the device, backend or precision does not exist, is not installed, or is none of such a network's.
        OutOfDeviceMemoryError, DeviceLostError: the weights cannot be moved to the device.
    """
    if isinstance(network, CoreGraph):
        from cinet_core.inference.core_engine import CoreEngine

        return CoreEngine(network, device, backend, precision, background)
    from cinet_core.inference.torch_engine import TorchEngine

    return TorchEngine(network, device, backend, precision, background)
