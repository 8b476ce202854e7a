"""A network for every image size as one ONNX file, the core graph, which runs without PyTorch.

The core is the deployable graph without its resampling: from an image at the network's size, and the ratio of focal
lengths, to what the tasks answer at that size. `core_backend` resamples around it. Its file holds the metadata of the
checkpoint that it was made from, the SHA-256 of that checkpoint, and what PyTorch answered for rooms that every machine
has, which a runtime is compared with.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.graph_file import CORE_INPUTS, MAX_GRAPH_BYTES, read_graph
from cinet_core.model_metadata import CheckpointError, ModelMetadata, default_graph, graph_metadata
from cinet_core.tasks import output_specs

__all__ = ["REFERENCE_STEP", "CoreGraph", "load_core_graph", "packed", "sampled", "unpacked"]

REFERENCE_STEP = 8
"""Of the reference answers every eighth pixel of every eighth row is kept."""
_MAX_REFERENCE_BYTES = 2**22
_DTYPES = {"float32": np.float32, "uint8": np.uint8}


@dataclass(frozen=True, eq=False)
class CoreGraph:
    """A core graph that was read and checked.

    Attributes:
        content: of the ONNX file.
        inputs: names of its inputs, of `graph_file.CORE_INPUTS`.
        metadata: of the checkpoint.
        sha256: of the checkpoint that it was made from: what the node reports, and `weights_sha256` demands.
        file_sha256: of the ONNX file.
        reference: what PyTorch answered in float32 for the rooms `example_rooms.COMPARISON` at the training's size, by
            output, `sampled`, with a batch axis in front.
    """

    content: bytes = field(repr=False)
    inputs: tuple[str, ...]
    metadata: ModelMetadata
    sha256: str
    file_sha256: str
    reference: Mapping[str, npt.NDArray[Any]] = field(repr=False)


def load_core_graph(path: str | Path | None = None, max_bytes: int = MAX_GRAPH_BYTES) -> CoreGraph:
    """Read a file that `cinet export --any-size` wrote; None: the one that ships.

    Raises:
        CheckpointError: missing, too large, truncated, changed, no ONNX file, not one of this project's, of a format
            that is unknown here, its metadata are not usable, or its inputs and outputs are not those of its metadata.
    """
    path = default_graph() if path is None else Path(path)
    file = read_graph(path, max_bytes)
    metadata = graph_metadata(path, file)
    expected = tuple(spec.name for spec in output_specs(metadata.config.tasks))
    if file.outputs != expected or not {"pixels", "depth_scale"} <= set(file.inputs) <= set(CORE_INPUTS):
        raise CheckpointError(
            f"{path} takes {', '.join(file.inputs)} and gives {', '.join(file.outputs)}; a core graph with its "
            f"metadata takes {', '.join(CORE_INPUTS)} and gives {', '.join(expected)}: export it anew"
        )
    try:
        digest = str(file.facts["sha256"])
        reference = {name: unpacked(file.facts["reference"][name]) for name in expected}
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        raise CheckpointError(f"{path} has no usable reference answers ({error}): export it anew") from error
    return CoreGraph(file.content, file.inputs, metadata, digest, file.sha256, reference)


def sampled(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of outputs (B, h, w) or (B, h, w, channels) the pixels that are kept."""
    start = REFERENCE_STEP // 2
    return np.ascontiguousarray(values[:, start::REFERENCE_STEP, start::REFERENCE_STEP])


def packed(values: npt.NDArray[Any]) -> dict[str, Any]:
    """An array of float32 or uint8 as JSON types."""
    data = base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()
    return {"dtype": str(values.dtype), "shape": list(values.shape), "data": data}


def unpacked(facts: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Inverse of `packed`. Raises ValueError, TypeError, KeyError or zlib.error where it is not that, or too large."""
    dtype, shape = np.dtype(_DTYPES[facts["dtype"]]), tuple(int(length) for length in facts["shape"])
    size = math.prod(shape) * dtype.itemsize
    if not 0 < size <= _MAX_REFERENCE_BYTES or min(shape) < 1:
        raise ValueError(f"an array of shape {shape}")
    # One byte more than there should be: what is longer shows, and is not unpacked whole.
    data = zlib.decompressobj().decompress(base64.b64decode(facts["data"], validate=True), size + 1)
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes for shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape)
