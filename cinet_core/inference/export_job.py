"""One export, as a process of its own: see `export_in_child`."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

from cinet_core.checkpoint import load_checkpoint
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import ExportError, export_onnx

# Of Linux' prctl: the signal to be sent to this process when the thread that started it ends.
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Do what the first argument, JSON, says; beside whatever else runs, and not longer than who asked for it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.nice(10)
    job = json.loads(sys.argv[1])
    checkpoint = load_checkpoint(job["weights"])
    graph = DeployableGraph(
        checkpoint.model,
        checkpoint.metadata.camera,
        tuple(job["image_size"]),
        tuple(job["network_size"]),
        tuple(job["output_size"]),
        tuple(job["depth_range"]),
    )
    try:
        export_onnx(graph, checkpoint.metadata, job["sha256"], Path(job["path"]))
    except (ExportError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
