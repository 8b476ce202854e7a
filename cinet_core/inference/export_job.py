"""One export or quantisation, as a process of its own: see `export_in_child` and `quantize_in_child`."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from cinet_core.checkpoint import load_checkpoint
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import ExportError, export_onnx
from cinet_core.inference.quantization import quantize

__all__ = ["main"]

# Of Linux' prctl: the signal to be sent to this process when the thread that started it ends.
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Do what the first argument, JSON, says; beside whatever else runs, and not longer than who asked for it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.nice(10)
    job = json.loads(sys.argv[1])
    task = {"export": _export, "quantize": _quantize}[job["task"]]
    try:
        task(job)
    except (ExportError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _export(job: dict[str, Any]) -> None:
    checkpoint = load_checkpoint(job["weights"])
    graph = DeployableGraph(
        checkpoint.model,
        checkpoint.metadata.camera,
        tuple(job["image_size"]),
        tuple(job["network_size"]),
        tuple(job["output_size"]),
        tuple(job["depth_range"]),
    )
    if job["in_one_pass"]:
        graph = graph.in_one_pass()
    export_onnx(graph, checkpoint.metadata, job["sha256"], Path(job["path"]))


def _quantize(job: dict[str, Any]) -> None:
    quantize(Path(job["source"]), Path(job["path"]))


if __name__ == "__main__":
    sys.exit(main())
