"""Post-training quantisation of an ONNX file to 8-bit integers for CPUs, calibrated on synthetic rooms.

ONNX Runtime's static quantisation writes QuantizeLinear and DequantizeLinear around convolutions (weights by channel,
activations by tensor); OpenVINO and ONNX Runtime compute what is between them in integers. Not quantised is what would
lose more than it gains (`docs/benchmarks.md` has the numbers):

- convolutions of the encoder in front of its features at 1/8, and its depthwise ones: their channels have ranges too
  unlike each other for one scale;
- the depth head and the last block in front of it, and the heads of further tasks: at full size there is nothing any
  more that would smooth their rounding, and surfaces would be grainy;
- everything that is no convolution of the network: resampling, attention, metric depth (its focal length would get the
  range of the cameras that it was calibrated with), probabilities.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.inference.backend import INPUTS
from cinet_core.inference.example_rooms import CALIBRATION, example_rooms
from cinet_core.inference.onnx_file import METADATA_KEY, ExportError, run_in_child
from cinet_core.model.encoder import FEATURE_STRIDE

__all__ = ["float_convolutions", "quantize", "quantize_in_child"]

NETWORK, ENCODER = "model.", "model.encoder."
LAST_OF_DEPTH = ("model.decoders.stages.2.depth.", "model.depth_head.")
# Of further tasks, whose answers are numbers at full size, too.
TASK_HEADS = "model.task_heads."


def quantize_in_child(source: Path, path: Path) -> None:
    """`quantize` in a process of its own: it takes ten seconds or more, and holds Python's lock for much of it.

    Args:
        source: of `onnx_file.export_onnx`.
        path: of the file that is written.

    Raises:
        ExportError: it failed, a package is missing, or the process did not end in time.
    """
    run_in_child({"task": "quantize", "source": str(source), "path": str(path)})


def quantize(source: Path, path: Path) -> None:
    """Quantise the network of an ONNX file to 8-bit integers. Inputs, outputs and metadata do not change.

    Args:
        source: of `onnx_file.export_onnx`; its metadata say for which sizes it is.
        path: of the file that is written, whole or not at all.

    Raises:
        ExportError: onnx or onnxruntime is not installed.
        OSError: a file cannot be read or written.
        RuntimeError: ONNX Runtime does not take the file.
    """
    try:
        import onnx
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.calibrate import CalibrationDataReader
    except ImportError as error:
        raise ExportError(f"{error}. Quantising needs: pip install onnx onnxruntime") from error

    class Rooms(CalibrationDataReader):
        """Provides calibration images to ONNX Runtime."""

        def __init__(self, feeds: Iterator[dict[str, npt.NDArray[Any]]]) -> None:
            self._feeds = feeds

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            return next(self._feeds, None)

    model = onnx.load(source)
    facts = json.loads({item.key: item.value for item in model.metadata_props}[METADATA_KEY])
    image_size, network_size = tuple(facts["image_size"]), tuple(facts["network_size"])
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "quantized.onnx"
        quantize_static(
            model,
            written,
            Rooms(_feeds(image_size)),
            quant_format=QuantFormat.QDQ,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=float_convolutions(model, network_size),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        atomic_write_bytes(path, written.read_bytes())


def float_convolutions(model: Any, network_size: tuple[int, int]) -> list[str]:
    """Return the names of the convolutions that are not quantised.

    Args:
        model: `onnx.ModelProto` of a deployable graph, with the shapes of its values.
        network_size: (height, width) of the network's input.
    """
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in model.graph.value_info
    }
    fewest = math.prod(-(-length // FEATURE_STRIDE) for length in network_size)
    names = []
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        weight = node.input[1]
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        early = math.prod(shapes[node.output[0]][2:]) > fewest
        in_encoder = weight.startswith(ENCODER) and (groups > 1 or early)
        if not weight.startswith(NETWORK) or weight.startswith((*LAST_OF_DEPTH, TASK_HEADS)) or in_encoder:
            names.append(node.name)
    return names


def _feeds(image_size: tuple[int, int]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    images, intrinsics = example_rooms(image_size, CALIBRATION)
    for image, camera in zip(images, intrinsics, strict=True):
        yield dict(zip(INPUTS, (image[None], camera[None]), strict=True))
