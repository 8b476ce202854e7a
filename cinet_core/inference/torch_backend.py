"""PyTorch: eager, the reference that other backends are compared with; and compiled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from cinet_core.inference.backend import (
    CHOSEN,
    BackendOutput,
    DeviceLostError,
    Floats,
    Images,
    OutOfDeviceMemoryError,
    one_by_one,
)
from cinet_core.inference.choices import FLOAT32, HALF
from cinet_core.inference.graph import DeployableGraph

__all__ = ["CompiledTorchBackend", "CudaGraph", "Graph", "TorchBackend", "on_device", "resolve_device"]

Returned = TypeVar("Returned")
Graph = Callable[[Tensor, Tensor], dict[str, Tensor]]

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
        precision: half is bfloat16 on a CPU and float16 on a GPU; PyTorch computes all else in float32.
        reason: why it was taken.
    """

    name = "torch"

    def __init__(self, graph: DeployableGraph, precision: str = FLOAT32, reason: str = CHOSEN) -> None:
        self.reason = reason
        self._graph: Graph = graph.in_half() if precision == HALF else graph
        self._device = graph.model.image_mean.device
        self.device = str(self._device)

    @torch.inference_mode()
    def run(self, images: Images, intrinsics: Floats) -> BackendOutput:
        """See `Backend.run`."""
        run = self._run_cuda if self._device.type == "cuda" else self._run_cpu
        return on_device(self._device, lambda: run(images, intrinsics))

    def _run_cpu(self, images: Images, intrinsics: Floats) -> BackendOutput:
        start = time.perf_counter()
        output = self._graph(torch.from_numpy(images), torch.from_numpy(intrinsics))
        seconds = {"network": time.perf_counter() - start}
        return _to_numpy(output, seconds)

    def _run_cuda(self, images: Images, intrinsics: Floats) -> BackendOutput:
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
        on_host = {
            name: torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
            for name, tensor in output.items()
        }
        marks[3].record(stream)
        marks[3].synchronize()
        stages = zip(("upload", "network", "download"), marks, marks[1:], strict=False)
        return _to_numpy(on_host, {stage: begin.elapsed_time(end) / 1000 for stage, begin, end in stages})

    def close(self) -> None:
        """See `Backend.close`."""
        del self._graph
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


class CompiledTorchBackend(TorchBackend):
    """The graph through `torch.compile`; on a GPU replayed as a CUDA graph, so that launching kernels costs nothing.

    It is compiled when it is made, for one image, and runs a batch one image after another: another batch size would be
    compiled anew, for a minute, in the middle of a frame.

    Args:
        graph: as for `TorchBackend`.
        precision: half is bfloat16 on a CPU and float16 on a GPU; PyTorch computes all else in float32.
        reason: why it was taken.
        replayed: on a GPU, as a CUDA graph.

    Raises:
        RuntimeError: this machine lacks what compiling takes (a C++ compiler on a CPU, Triton on a GPU), or it failed.
    """

    name = "torch_compile"

    def __init__(
        self, graph: DeployableGraph, precision: str = FLOAT32, reason: str = CHOSEN, replayed: bool = True
    ) -> None:
        super().__init__(graph, precision, reason)
        # CUDA graphs of our own: those of torch.compile belong to the thread that compiled.
        mode = "max-autotune-no-cudagraphs" if self._device.type == "cuda" else "default"
        self._graph = torch.compile(self._graph, mode=mode, dynamic=False)
        image = torch.zeros(1, *graph.image_size, 3, dtype=torch.uint8, device=self._device)
        intrinsics = torch.full((1, 4), graph.canonical_focal, device=self._device)
        with torch.inference_mode():
            self._graph(image, intrinsics)
            if replayed and self._device.type == "cuda":
                self._graph = CudaGraph(self._graph, image, intrinsics)

    def run(self, images: Images, intrinsics: Floats) -> BackendOutput:
        """See `Backend.run`."""
        return one_by_one(super().run, images, intrinsics)


class CudaGraph:
    """A function of tensors of one size, recorded once and replayed from then on.

    What it returns is overwritten by the next call on the same stream.
    """

    def __init__(self, function: Graph, *example: Tensor) -> None:
        self._inputs = [tensor.clone() for tensor in example]
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(example[0].device):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # lazy initialisation may not be recorded
                for _ in range(3):
                    function(*self._inputs)
            torch.cuda.current_stream().wait_stream(stream)
            # "thread_local": other threads go on using the device meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._output = function(*self._inputs)

    def __call__(self, *arguments: Tensor) -> dict[str, Tensor]:
        """Replay it for other inputs of the same shapes; the outputs are overwritten by the next call."""
        for kept, given in zip(self._inputs, arguments, strict=True):
            kept.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._output


def _to_numpy(outputs: dict[str, Tensor], seconds: dict[str, float]) -> BackendOutput:
    return BackendOutput({name: tensor.numpy() for name, tensor in outputs.items()}, seconds)
