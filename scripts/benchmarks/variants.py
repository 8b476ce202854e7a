"""The ways to run one graph that a machine has: backend, precision, and on a GPU with or without CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.availability import COMPILED, TORCH, missing_requirement
from cinet_core.inference.backend import Backend, Floats, Images
from cinet_core.inference.choices import AUTO, BACKENDS, FLOAT32, HALF, INT8
from cinet_core.inference.engine_cache import EngineCache
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import ExportError
from cinet_core.inference.runtimes import RUNTIMES
from cinet_core.inference.torch_backend import CompiledTorchBackend, TorchBackend
from scripts.benchmarks.run import BenchmarkRun

PRECISIONS_ON = {"cpu": (FLOAT32, HALF, INT8), "cuda": (FLOAT32, HALF)}
NUMBER_BYTES = {FLOAT32: 4, HALF: 2, INT8: 1}
OnnxFile = Callable[[str], Path]
"""Precision -> the file that a runtime reads for it."""


@dataclass(frozen=True)
class BackendVariant:
    """One way to run a graph.

    Attributes:
        backend: one of `choices.BACKENDS`.
        precision: one of `choices.PRECISIONS`, but not "auto".
        replayed: as a CUDA graph.
    """

    backend: str
    precision: str = FLOAT32
    replayed: bool = False

    @property
    def name(self) -> str:
        """All of it in words."""
        precision = "" if self.precision == FLOAT32 else f" {self.precision}"
        return f"{self.backend}{precision}{' CUDA graph' if self.replayed else ''}"

    def label(self, device: torch.device) -> str:
        """What it is called in a row, beside its `columns`."""
        return self.name if device.type == "cpu" else self.backend

    @property
    def number_bytes(self) -> int:
        """Bytes of a number, where all are of this precision."""
        return NUMBER_BYTES[self.precision]

    def columns(self, device: torch.device) -> dict[str, str]:
        """What stands beside its times; nothing on a CPU."""
        if device.type == "cpu":
            return {}
        return {"precision": self.precision, "CUDA graph": "yes" if self.replayed else "no"}

    def build(self, graph: DeployableGraph, onnx: OnnxFile) -> Backend:
        """Make it. That it answers as PyTorch does is not looked at: with random weights rounding decides.

        Args:
            graph: on the device to run on.
            onnx: gives the graph as a file, for the runtimes that read one.

        Raises:
            ExportError, OSError, RuntimeError: it cannot be built here.
        """
        if self.backend == TORCH:
            return TorchBackend(graph, self.precision)
        if self.backend == COMPILED:
            return CompiledTorchBackend(graph, self.precision, replayed=self.replayed)
        return RUNTIMES[self.backend](onnx(self.precision), graph.model.image_mean.device, self.precision)


def variants(device: torch.device, compiled: bool, quantized: bool = True) -> list[BackendVariant]:
    """Those that work here; PyTorch eager in float32 is the first.

    Args:
        device: to run on. Of a CPU only the runtimes compute in another precision than float32.
        compiled: `torch.compile` too.
        quantized: 8-bit integers too, on a CPU.
    """
    found = []
    for precision in PRECISIONS_ON[device.type]:
        for backend in BACKENDS:
            if (
                backend == AUTO
                or (backend == COMPILED and not compiled)
                or missing_requirement(backend, device, precision)
            ):
                continue
            if precision == INT8 and not quantized:
                continue
            if precision != FLOAT32 and device.type == "cpu" and backend not in RUNTIMES:
                continue
            replays = (False, True) if backend == COMPILED and device.type == "cuda" else (False,)
            found += [BackendVariant(backend, precision, replayed) for replayed in replays]
    return found


def build_all(
    run: BenchmarkRun, name: str, graph: DeployableGraph, onnx: OnnxFile, compiled: bool, quantized: bool = True
) -> dict[BackendVariant, Backend]:
    """Every variant of a graph that can be built; of the others a note says why not.

    Args:
        run: gives the device, and takes the notes.
        name: of the network.
        graph: on that device.
        onnx: see `BackendVariant.build`.
        compiled: `torch.compile` too.
        quantized: 8-bit integers too, on a CPU.
    """
    built: dict[BackendVariant, Backend] = {}
    for variant in variants(run.device, compiled, quantized):
        what = f"{name} at {size_text(graph.network_size)}, {variant.name}"
        run.say(f"preparing {what}")
        try:
            built[variant] = variant.build(graph, onnx)
        except (ExportError, OSError, RuntimeError) as error:
            if not built:  # the one that the others are compared with
                raise
            run.notes.append(f"no {what}: {error}")
    return built


def cached_onnx(run: BenchmarkRun, checkpoint: Checkpoint, graph: DeployableGraph) -> OnnxFile:
    """What writes the file of a graph of a checkpoint the first time that it is called in a run.

    The folder is of one configuration: random weights have no digest that would tell two of them apart.
    """
    folder = run.scratch / "graphs" / checkpoint.metadata.config.name
    return lambda precision: EngineCache(folder, checkpoint, graph, precision).onnx()


def example(size: tuple[int, int], images: int = 1) -> tuple[Images, Floats]:
    """Images (B, H, W, 3) of noise, and intrinsics (B, 4) of a camera with as wide a view as most have."""
    height, width = size
    pixels = np.random.default_rng(0).integers(0, 256, (images, height, width, 3), dtype=np.uint8)
    return pixels, np.tile(np.array([[width, width, width / 2, height / 2]], dtype=np.float32), (images, 1))


def size_text(size: tuple[int, int]) -> str:
    """(height, width) as people write it."""
    return f"{size[1]}x{size[0]}"
