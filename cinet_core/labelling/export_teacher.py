"""Writes one of our own networks as a teacher: an ONNX file with its description, as others bring theirs."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.checkpoint import named_checkpoint
from cinet_core.inference.onnx_file import OPSET
from cinet_core.labelling.description import TeacherError
from cinet_core.model.cinet import CINet

__all__ = ["export_teacher"]

_TRACED_SIZE = (96, 128)


class _DepthAndLogits(nn.Module):
    def __init__(self, model: CINet) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(image)
        return output.depth[:, 0], output.logits


def export_teacher(weights: str | Path, description: str | Path) -> Path:
    """Write a checkpoint as a teacher for ``cinet data label``, to be used where there is no PyTorch, or by others.

    Args:
        weights: a checkpoint, or "default".
        description: of the teacher, FILE.yaml; the ONNX file is written beside it.

    Returns:
        The ONNX file.

    Raises:
        CheckpointError: the weights cannot be read.
        TeacherError: the description's name does not end in .yaml, or a package for the export is missing.
        OSError: a file cannot be written.
    """
    import yaml

    path = Path(description)
    if path.suffix != ".yaml":
        raise TeacherError(f"{path}: the name of a description ends in .yaml")
    checkpoint = named_checkpoint(weights)
    content, camera, model = io.BytesIO(), checkpoint.metadata.camera, checkpoint.model
    axes = {2: "height", 3: "width"}
    understanding = model.scene_understanding
    try:
        if understanding is not None:
            understanding.block_rows = None  # how many blocks there are depends on the size
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer, about sizes that it takes for values as they are meant
            torch.onnx.export(
                _DepthAndLogits(model).eval(),
                (torch.zeros(1, 3, *_TRACED_SIZE),),
                cast(Any, content),  # torch takes a file as well as its name, and says so in no type
                dynamo=False,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["depth", "logits"],
                dynamic_axes={"image": axes, "depth": {1: "height", 2: "width"}, "logits": {2: "rows", 3: "columns"}},
            )
    except ImportError as error:
        raise TeacherError(f"the export needs the package onnx: pip install onnx ({error})") from error
    finally:
        if understanding is not None:
            del understanding.block_rows
    target = path.with_suffix(".onnx")
    atomic_write_bytes(target, content.getvalue())
    values: dict[str, Any] = {
        "model": target.name,
        "size": [camera.height, camera.width],
        "multiple": 1,
        "mean": [round(float(value), 6) for value in model.image_mean.flatten()],
        "std": [round(float(value), 6) for value in model.image_std.flatten()],
        "outputs": [
            {"name": "depth", "meaning": "metric_depth", "focal": camera.canonical_focal},
            {"name": "logits", "meaning": "logits", "classes": list(checkpoint.metadata.label_set.classes)},
        ],
    }
    atomic_write_bytes(path, yaml.safe_dump(values, sort_keys=False).encode())
    return target
