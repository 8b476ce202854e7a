"""How much memory a call needs at its peak, on top of what the process held before."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch

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
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the kernel's way to forget an earlier peak
    before = _resident("VmRSS")
    function()
    return max(0.0, _resident("VmHWM") - before)  # the kernel counts either a few pages late


def in_fresh_process(function: Callable[..., Returned], *arguments: object) -> Returned:
    """What a function of a module returns in a process of its own, where nothing was allocated before."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def _resident(field: str) -> float:
    # Not getrusage: its maximum survives exec, so a child would start with its parent's.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024
