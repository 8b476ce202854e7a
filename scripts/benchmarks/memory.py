"""How much memory a call needs at its peak, on top of what the process held before."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import torch

from cinet_core.process_memory import forget_peak, peak_memory

Returned = TypeVar("Returned")

MEBIBYTE = 2**20
_CPU = torch.device("cpu")


def peak_increase(function: Callable[[], object], device: torch.device = _CPU) -> float:
    """Megabytes by which a call raises the peak of this process, or of its tensors on a GPU, above what there was."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        function()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - held) / MEBIBYTE
    forget_peak()
    before = peak_memory()
    function()
    return max(0, peak_memory() - before) / MEBIBYTE  # the kernel counts either a few pages late


def in_fresh_process(function: Callable[..., Returned], *arguments: object) -> Returned:
    """What a function of a module returns in a process of its own, where nothing was allocated before."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()
