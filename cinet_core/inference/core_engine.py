"""Runs a core graph for the predictor, without PyTorch."""

from __future__ import annotations

from cinet_core.inference.availability import NO_TORCH
from cinet_core.inference.backend import CPU, Backend
from cinet_core.inference.choices import AUTO, TORCH
from cinet_core.inference.core_backend import GraphSizes
from cinet_core.inference.core_graph import CoreGraph
from cinet_core.inference.core_selection import check_core_backend, select_core

__all__ = ["CoreEngine"]


class CoreEngine:
    """See `Engine`. The backend "torch", which is the default of functions, means "auto" where there is no PyTorch.

    Args:
        graph: to be run.
        device: "auto" or "cpu".
        backend, precision, background: as for `engine.make_engine`.

    Raises:
        ValueError: the device is another, or as `check_core_backend`.
    """

    def __init__(self, graph: CoreGraph, device: str, backend: str, precision: str, background: bool) -> None:
        if device not in (AUTO, CPU.type):
            raise ValueError(
                f"device {device!r} takes PyTorch, which a core graph runs without: set it to cpu ({NO_TORCH})"
            )
        self.choice = AUTO if backend == TORCH else backend
        check_core_backend(self.choice, precision)
        self.metadata, self.sha256, self.device = graph.metadata, graph.sha256, str(CPU)
        self._graph, self._precision, self._background = graph, precision, background

    def backend(self, sizes: GraphSizes) -> Backend:
        """See `Engine.backend`."""
        return select_core(self.choice, self._graph, sizes, self._precision, self._background)

    def device_memory(self) -> dict[str, int]:
        """See `Engine.device_memory`."""
        return {}

    def fall_back_to_cpu(self) -> None:
        """See `Engine.fall_back_to_cpu`."""
