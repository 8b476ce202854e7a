"""Writes the deployable graph as a self-contained ONNX file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.checkpoint import Checkpoint, ModelMetadata, save_checkpoint
from cinet_core.inference.availability import PACKAGES
from cinet_core.inference.backend import INPUTS
from cinet_core.inference.graph import DeployableGraph

__all__ = [
    "GRAPH_VERSION",
    "INPUTS",
    "METADATA_KEY",
    "OPSET",
    "PACKAGES",
    "ExportError",
    "export_in_child",
    "export_onnx",
    "run_in_child",
]

OPSET = 18
# Another one whenever the graph computes something else, or is quantised otherwise: no cached file of before is taken.
GRAPH_VERSION = 3
METADATA_KEY = "cinet_metadata"
# Seconds of an export or a quantisation; on two idle cores each takes ten, with a large network minutes.
EXPORT_TIMEOUT = 600.0


class ExportError(RuntimeError):
    """The graph cannot be written as ONNX. The message names the reason and the remedy."""


def export_onnx(graph: DeployableGraph, metadata: ModelMetadata, sha256: str, path: Path) -> None:
    """Write a graph for single images, with its weights, to an ONNX file. The write is atomic.

    Inputs: `image` (1, H, W, 3) uint8 RGB; `intrinsics` (1, 4) float32, fx fy cx cy in pixels of the image. Outputs:
    `depth` (1, h, w) float32 metres, NaN = invalid; `labels` and `confidence` (1, h, w) uint8; and those of further
    tasks that the network has (`cinet_core.tasks`). The metadata of the file hold, as JSON under `cinet_metadata`,
    those of the checkpoint, its digest and the three sizes.

    Args:
        graph: with a model in evaluation mode, on the CPU.
        metadata: of the checkpoint.
        sha256: of the checkpoint.
        path: of the file.

    Raises:
        ExportError: a package is missing, or PyTorch cannot export the graph.
        OSError: the file cannot be written.
    """
    images = torch.zeros(1, *graph.image_size, 3, dtype=torch.uint8)
    intrinsics = torch.full((1, 4), graph.canonical_focal)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter about its own parts
            program: Any = torch.onnx.export(
                graph,
                (images, intrinsics),
                input_names=list(INPUTS),
                output_names=list(graph.output_names),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise ExportError(f"{error}. Exporting needs: pip install {' '.join(PACKAGES)}") from error
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"PyTorch {torch.__version__} cannot export the network: {error}") from error
    facts = {
        **metadata.to_dict(),
        "sha256": sha256,
        "image_size": list(graph.image_size),
        "network_size": list(graph.network_size),
        "output_size": list(graph.output_size),
    }
    program.model.metadata_props[METADATA_KEY] = json.dumps(facts)
    atomic_write_bytes(path, program.model_proto.SerializeToString())


def export_in_child(checkpoint: Checkpoint, graph: DeployableGraph, path: Path, in_one_pass: bool) -> None:
    """Run `export_onnx` in a child process.

    The exporter swaps the weights of the network that it traces, holds Python's lock for seconds and keeps hundreds of
    megabytes: none of that beside frames in work.

    Args:
        checkpoint: that the graph is of.
        graph: gives the sizes and the depth range.
        path: of the file.
        in_one_pass: as `DeployableGraph.in_one_pass`, for the runtimes of a CPU.

    Raises:
        ExportError: as `export_onnx`, or the process did not end in time.
        OSError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        save_checkpoint(weights, checkpoint.model, checkpoint.metadata)
        job = {
            "task": "export",
            "weights": str(weights),
            "sha256": checkpoint.sha256,
            "image_size": graph.image_size,
            "network_size": graph.network_size,
            "output_size": graph.output_size,
            "depth_range": graph.depth_range,
            "in_one_pass": in_one_pass,
            "path": str(path),
        }
        run_in_child(job)


def run_in_child(job: dict[str, Any]) -> None:
    """Run a job of `export_job` in a child process.

    Raises:
        ExportError: it failed, with its last words; or it did not end in time.
    """
    command = [sys.executable, "-m", "cinet_core.inference.export_job", json.dumps(job)]
    try:
        # A session of its own: Ctrl-C is for this process, with which that one ends.
        done = subprocess.run(command, capture_output=True, text=True, timeout=EXPORT_TIMEOUT, start_new_session=True)
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"{job['task']} did not end within {EXPORT_TIMEOUT:g} s") from error
    if done.returncode != 0:
        words = done.stderr.strip().rpartition("\n")[2]
        raise ExportError(words or f"{job['task']} ended with status {done.returncode}")
