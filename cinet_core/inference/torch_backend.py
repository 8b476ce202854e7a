"""PyTorch, eager: the reference that other backends are compared with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.inference.backend import BackendOutput, DeviceLostError, OutOfDeviceMemoryError
from cinet_core.inference.graph import DeployableGraph, GraphOutput

Returned = TypeVar("Returned")

# How allocators and libraries say it: CUDA's and the CPU's in torch, cuBLAS and cuDNN.
_NO_MEMORY = ("out of memory", "can't allocate memory", "_ALLOC_FAILED")
# torch.AcceleratorError since 2.8, RuntimeError before. CUDA repeats such an error in every later call of the process.
_CUDA_FAILED = "CUDA error"


def resolve_device(name: str) -> torch.device:
    """The device called "auto" (a CUDA device where there is one, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        ValueError: this machine has no such device; the message names those it has.
    """
    present = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    wanted = {"auto": present[min(1, len(present) - 1)], "cuda": "cuda:0"}.get(name, name)
    if wanted not in present:
        raise ValueError(f"device {name!r} does not exist: this machine has {', '.join(present)} ('auto' picks one)")
    return torch.device(wanted)


def on_device(device: torch.device, work: Callable[[], Returned]) -> Returned:
    """Do something on a device and return its result; where the device itself fails, in this project's words.

    Raises:
        OutOfDeviceMemoryError: the memory does not suffice; what the attempt held is free again.
        DeviceLostError: CUDA failed for the rest of this process.
    """
    try:
        return work()
    except RuntimeError as error:
        failure = _device_failure(device, error)
        if failure is None:
            raise
    # Outside of the handler: the error that was caught refers, by its traceback, to the tensors that fill the memory.
    if device.type == "cuda" and isinstance(failure, OutOfDeviceMemoryError):
        torch.cuda.empty_cache()
    raise failure


def _device_failure(device: torch.device, error: RuntimeError) -> RuntimeError | None:
    text = str(error).partition("\n")[0]
    if isinstance(error, torch.cuda.OutOfMemoryError) or any(words in text for words in _NO_MEMORY):
        return OutOfDeviceMemoryError(f"{device} is out of memory: {text}")
    return DeviceLostError(f"{device} failed: {text}") if text.startswith(_CUDA_FAILED) else None


class TorchBackend:
    """Runs the graph where its model's weights are.

    Args:
        graph: with a model in evaluation mode, on the device to run on.
    """

    name = "torch"

    def __init__(self, graph: DeployableGraph) -> None:
        self._graph = graph
        self._device = graph.model.image_mean.device
        self.device = str(self._device)

    @torch.inference_mode()
    def run(self, images: npt.NDArray[np.uint8], intrinsics: npt.NDArray[np.float32]) -> BackendOutput:
        """See `Backend.run`."""
        run = self._run_cuda if self._device.type == "cuda" else self._run_cpu
        return on_device(self._device, lambda: run(images, intrinsics))

    def _run_cpu(self, images: npt.NDArray[np.uint8], intrinsics: npt.NDArray[np.float32]) -> BackendOutput:
        start = time.perf_counter()
        output = self._graph(torch.from_numpy(images), torch.from_numpy(intrinsics))
        seconds = {"network": time.perf_counter() - start}
        return _to_numpy(output, seconds)

    def _run_cuda(self, images: npt.NDArray[np.uint8], intrinsics: npt.NDArray[np.float32]) -> BackendOutput:
        """The same through page-locked memory: copies that do not block, and one wait at the end.

        Page-locked memory comes from torch's caching allocator, so it costs nothing after the first frames.
        """
        stream = torch.cuda.current_stream(self._device)
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(4)]
        marks[0].record(stream)
        on_device = [
            torch.from_numpy(array).pin_memory().to(self._device, non_blocking=True) for array in (images, intrinsics)
        ]
        marks[1].record(stream)
        output = self._graph(*on_device)
        marks[2].record(stream)
        on_host = GraphOutput(
            *(
                torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
                for tensor in output
            )
        )
        marks[3].record(stream)
        marks[3].synchronize()
        stages = zip(("upload", "network", "download"), marks, marks[1:], strict=False)
        return _to_numpy(on_host, {stage: begin.elapsed_time(end) / 1000 for stage, begin, end in stages})

    def close(self) -> None:
        """See `Backend.close`."""
        del self._graph
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _to_numpy(output: GraphOutput, seconds: dict[str, float]) -> BackendOutput:
    return BackendOutput(output.depth.numpy(), output.labels.numpy(), output.confidence.numpy(), seconds)
