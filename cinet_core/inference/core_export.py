"""Writes the core graph of a checkpoint: one ONNX file for every image size and batch, which runs without PyTorch.

The graph is traced (`torch.onnx.export(dynamo=False)`), where sizes are values like others: torch.export reasons about
each of them in symbols, took five minutes for this network, and fixed some of them all the same.
"""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.checkpoint import Checkpoint
from cinet_core.graph_file import CORE_INPUTS, DIGEST_KEY, FACTS_KEY, GRAPH_FORMAT, content_digest
from cinet_core.inference.core_graph import packed, sampled
from cinet_core.inference.example_rooms import COMPARISON, example_rooms
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.onnx_file import OPSET, ExportError
from cinet_core.model.cinet import CINet
from cinet_core.tasks import output_names
from cinet_core.tasks.learning import GraphContext, task_learning
from cinet_core.tasks.learning.base import channels_last

__all__ = ["CoreModule", "export_core_graph"]

# Of the images that are traced: sides that no stride divides, and differ.
_TRACED_SIZE = (90, 122)
_TRACED_BATCH = 2
# Larger constants are kept in half precision where that is exact, as the weights of a checkpoint that ships are.
_LEAST_HALVED = 64


class CoreModule(nn.Module):
    """The deployable graph without its resampling, for any size; see `core_graph`.

    Args:
        model: the network, in evaluation mode; it is used, not copied.
    """

    def __init__(self, model: CINet) -> None:
        super().__init__()
        self.model = model
        self.tasks = task_learning(model.config.tasks)

    def forward(self, pixels: Tensor, intrinsics: Tensor, depth_scale: Tensor) -> tuple[Tensor, ...]:
        """Predict at the network's size.

        Args:
            pixels: (B, h, w, 3) float32 RGB from 0 to 255.
            intrinsics: (B, 4) float32 fx, fy, cx, cy in pixels of the image that came in.
            depth_scale: (B,) float32, f_net / f_c.

        Returns:
            The outputs of all tasks before they are resized, in the order of `output_names`: (B, h, w) or
            (B, h, w, channels).
        """
        image = (pixels.permute(0, 3, 1, 2) / 255 - self.model.image_mean) / self.model.image_std
        output = self.model(image)
        # What lies outside of the depth range is decided on at the output size, by `TaskSpec.finish`.
        context = GraphContext(intrinsics, depth_scale.reshape(-1, 1, 1), (0.0, float("inf")), in_one_pass=True)
        answers = {name: value for task in self.tasks for name, value in task.deploy(output, context).items()}
        return tuple(channels_last(answers[name]) for name in output_names(task.spec.name for task in self.tasks))


def export_core_graph(checkpoint: Checkpoint, path: Path) -> None:
    """Write the core graph of a checkpoint, with its metadata and reference answers. The write is atomic.

    Raises:
        ExportError: a package is missing, or PyTorch cannot export the network.
        OSError: the file cannot be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise ExportError(f"{error}. Exporting needs: pip install onnx") from error
    model = onnx.load_model_from_string(_traced(checkpoint))
    _halve(model)
    # Where PyTorch ran, and what of it, is nobody's business.
    model.graph.doc_string = model.doc_string = ""
    facts = {
        "format": GRAPH_FORMAT,
        "sha256": checkpoint.sha256,
        "metadata": checkpoint.metadata.to_dict(),
        "reference": {name: packed(values) for name, values in _reference(checkpoint).items()},
    }
    text = json.dumps(facts, sort_keys=True)
    digest = content_digest(model.graph.SerializeToString(deterministic=True), text.encode())
    for key, value in ((FACTS_KEY, text), (DIGEST_KEY, digest)):
        model.metadata_props.add(key=key, value=value)
    atomic_write_bytes(path, model.SerializeToString(deterministic=True))


def _traced(checkpoint: Checkpoint) -> bytes:
    module = CoreModule(checkpoint.model)
    names = output_names(checkpoint.metadata.config.tasks)
    height, width = _TRACED_SIZE
    batch = {0: "batch"}
    axes = {"pixels": {**batch, 1: "height", 2: "width"}, "intrinsics": batch, "depth_scale": batch}
    inputs = (
        torch.zeros(_TRACED_BATCH, height, width, 3),
        torch.full((_TRACED_BATCH, 4), checkpoint.metadata.camera.canonical_focal),
        torch.ones(_TRACED_BATCH),
    )
    understanding = checkpoint.model.scene_understanding
    file = io.BytesIO()
    try:
        if understanding is not None:
            understanding.block_rows = None  # how many blocks there are depends on the size
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer about sizes that it takes for constants: tested
            torch.onnx.export(
                module,
                inputs,
                cast(Any, file),  # torch takes a file as well as its name, and says so in no type
                input_names=list(CORE_INPUTS),
                output_names=list(names),
                dynamic_axes={**axes, **dict.fromkeys(names, axes["pixels"])},
                opset_version=OPSET,
                dynamo=False,
                # Convolutions and normalisations as they are stored: runtimes fuse them, and halves stay exact.
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"PyTorch {torch.__version__} cannot export the network: {error}") from error
    finally:
        if understanding is not None:
            del understanding.block_rows
    return file.getvalue()


def _halve(model: Any) -> None:
    """Store what half precision holds exactly in it; a runtime makes float32 of it when it loads the graph."""
    import onnx
    from onnx import numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if values.size < _LEAST_HALVED or not np.array_equal(halved.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(halved, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@torch.inference_mode()
def _reference(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """What PyTorch answers in float32 at the training's size."""
    size = checkpoint.metadata.camera.size
    images, intrinsics = example_rooms(size, COMPARISON)
    graph = DeployableGraph(
        checkpoint.model, checkpoint.metadata.camera, size, size, None, checkpoint.metadata.depth_range
    )
    outputs = graph(torch.from_numpy(images), torch.from_numpy(intrinsics))
    return {name: sampled(values.numpy()) for name, values in outputs.items()}
