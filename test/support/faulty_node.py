#!/usr/bin/env python3
"""The perception node with a network that fails on demand, see `faults`; all else is the node as it is."""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any

import torch
from faults import HANG_SECONDS, MARK, SLOW_SECONDS, STUCK_SECONDS, Fault

from cinet_core.inference.graph import DeployableGraph
from cinet_ros import managed_node, perception_node

forward = DeployableGraph.forward


def fail(fault: Fault) -> None:
    """Do what a broken network, driver or device would."""
    print(f"fault {fault.name}", flush=True)
    if fault == Fault.OUT_OF_MEMORY:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    if fault == Fault.ERROR:
        raise RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")
    if fault == Fault.DEVICE_LOST:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with ...")
    if fault == Fault.HOLD_INTERPRETER:
        ctypes.PyDLL(None).sleep(int(STUCK_SECONDS))  # which, other than CDLL, keeps the interpreter's lock
    time.sleep({Fault.SLOW: SLOW_SECONDS, Fault.HANG: HANG_SECONDS, Fault.STUCK: STUCK_SECONDS}[fault])


def faulty(self: DeployableGraph, images: torch.Tensor, intrinsics: torch.Tensor) -> Any:
    """The graph, after the fault that the first pixel of any image of the batch names."""
    for code, *mark in images[:, 0, 0].tolist():
        if tuple(mark) == MARK:
            fail(Fault(code))
    return forward(self, images, intrinsics)


if __name__ == "__main__":
    DeployableGraph.forward = faulty  # type: ignore[method-assign]
    managed_node.STOP_TIMEOUT = 1.0  # tests have less patience than a robot
    sys.exit(perception_node.main())
