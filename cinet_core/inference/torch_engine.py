"""Runs a checkpoint for the predictor: in PyTorch, or in what PyTorch writes its graph for."""

from __future__ import annotations

import copy

import torch

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.availability import check_backend, missing_requirement, resolve_precision
from cinet_core.inference.backend import CPU, Backend
from cinet_core.inference.background import BackgroundBackend
from cinet_core.inference.choices import AUTO
from cinet_core.inference.core_backend import GraphSizes
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.selection import needs_preparation, select
from cinet_core.inference.torch_backend import TorchBackend, on_device, resolve_device

__all__ = ["TorchEngine"]


class TorchEngine:
    """See `Engine`.

    Args:
        checkpoint: to be run. On a GPU its network is copied, so that the memory is free at the end although the caller
            still holds it.
        device, backend, precision, background: as for `engine.make_engine`.

    Raises:
        ValueError: the device, backend or precision does not exist or is not installed.
        OutOfDeviceMemoryError, DeviceLostError: the weights cannot be moved to the device.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, backend: str, precision: str, background: bool) -> None:
        resolved = resolve_device(device)
        check_backend(backend, precision, resolved)
        self.choice = backend
        self.metadata, self.sha256, self.device = checkpoint.metadata, checkpoint.sha256, str(resolved)
        self._precision, self._background = precision, background
        self._model = checkpoint.model
        if resolved.type != "cpu":
            self._model = on_device(resolved, lambda: copy.deepcopy(checkpoint.model).to(resolved))

    def backend(self, sizes: GraphSizes) -> Backend:
        """See `Engine.backend`."""
        graph = DeployableGraph(
            self._model,
            self.metadata.camera,
            image_size=sizes.image,
            network_size=sizes.network,
            output_size=sizes.output,
            depth_range=sizes.depth_range,
        )
        checkpoint = Checkpoint(self._model, self.metadata, self.sha256)
        choice, precision = self.choice, self._precision
        if self._background and needs_preparation(choice, checkpoint, graph, precision):
            first = TorchBackend(graph, resolve_precision(precision, torch.device(self.device)))
            return BackgroundBackend(first, lambda: select(choice, checkpoint, graph, precision))
        return select(choice, checkpoint, graph, precision)

    def device_memory(self) -> dict[str, int]:
        """See `Engine.device_memory`."""
        if self.device == CPU.type:
            return {}
        return {
            "allocated": torch.cuda.memory_allocated(self.device),
            "reserved": torch.cuda.memory_reserved(self.device),
        }

    def fall_back_to_cpu(self) -> None:
        """See `Engine.fall_back_to_cpu`."""
        if self.device == CPU.type:
            return
        self._model.to("cpu")
        self.device = CPU.type
        # What was chosen for the GPU may not exist on a CPU.
        self._precision = AUTO
        if missing_requirement(self.choice, CPU) is not None:
            self.choice = AUTO
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
