"""Runtimes that read the ONNX file of the graph: OpenVINO, ONNX Runtime and, through it, TensorRT."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from cinet_core.inference.backend import CHOSEN, INPUTS, BackendOutput, Device, Floats, Images, one_by_one
from cinet_core.inference.choices import FLOAT32, HALF, INT8
from cinet_core.roomy_arrays import roomy_copy
from cinet_core.threads import threads

__all__ = [
    "RUNTIMES",
    "Infer",
    "NamedShapes",
    "OnnxBackend",
    "OnnxRuntimeBackend",
    "OpenVinoBackend",
    "TensorRtBackend",
    "import_openvino",
    "openvino_has_bfloat16",
    "processor_has_int8",
]

Infer = Callable[[dict[str, npt.NDArray[Any]]], dict[str, npt.NDArray[Any]]]
INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""What Linux calls instructions of x86 that add up products of 8-bit integers in 32 bits."""
NamedShapes = Mapping[str, Mapping[str, int]]
"""Of inputs whose sizes are not in the file: for each, its axes in their order, by name, and their sizes."""


class OnnxBackend:
    """Runs the file, which is made for one image, one image after another.

    Args:
        path: of the ONNX file; what a runtime builds from it is kept in the same folder.
        device: to run on.
        precision: one of `precisions`; for int8 the file is one of `quantization.quantize`.
        reason: why it was taken.

    Raises:
        RuntimeError: the runtime does not take the file, the device or the precision.
    """

    name = ""
    # By type of device: what it computes in there.
    precisions: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, path: Path, device: Device, precision: str = FLOAT32, reason: str = CHOSEN) -> None:
        self.reason = reason
        self.device = str(device)
        self._infer = self.load(path, device, precision)

    @classmethod
    def load(cls, model: Path | bytes, device: Device, precision: str, shapes: NamedShapes | None = None) -> Infer:
        """Return what computes the outputs of one image by name; they belong to the caller.

        Args:
            model: the ONNX file, or its content.
            device: to run on.
            precision: one of `precisions`.
            shapes: of the inputs, where the file leaves them open: with them known a runtime is as fast as with a file
                that was made for them.

        Raises:
            RuntimeError: the runtime does not take the file, the device or the precision.
        """
        raise NotImplementedError

    def run(self, images: Images, intrinsics: Floats) -> BackendOutput:
        """See `Backend.run`."""
        return one_by_one(self._run_one, images, intrinsics)

    def _run_one(self, images: Images, intrinsics: Floats) -> BackendOutput:
        start = time.perf_counter()
        outputs = self._infer(dict(zip(INPUTS, (images, intrinsics), strict=True)))
        return BackendOutput(outputs, {"network": time.perf_counter() - start})

    def close(self) -> None:
        """See `Backend.close`."""
        del self._infer


class OpenVinoBackend(OnnxBackend):
    """Intel's runtime, for processors of Intel and AMD, and others with the instructions it asks for."""

    name = "openvino"
    precisions = MappingProxyType({"cpu": (FLOAT32, HALF, INT8)})

    @classmethod
    def load(cls, model: Path | bytes, device: Device, precision: str, shapes: NamedShapes | None = None) -> Infer:
        """See `OnnxBackend.load`."""
        openvino = import_openvino()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads(),
            # Two nodes on one machine would be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
            # By itself it takes half precision where the processor has it, which is another answer. Around integers
            # it would gain nothing either.
            "INFERENCE_PRECISION_HINT": "bf16" if precision == HALF else "f32",
        }
        core = openvino.Core()
        network = core.read_model(model if isinstance(model, bytes) else str(model))
        # Here, since an output of the compiled network may have other names beside that of the file.
        names = [output.any_name for output in network.outputs]
        if shapes is not None:
            network.reshape({name: list(axes.values()) for name, axes in shapes.items()})
        compiled = core.compile_model(network, "CPU", settings)
        request = compiled.create_infer_request()

        def infer(inputs: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
            request.infer(inputs, share_inputs=True)
            return {name: roomy_copy(tensor.data) for name, tensor in zip(names, request.output_tensors, strict=True)}

        return infer


def import_openvino() -> Any:
    """Return the module `openvino`, imported so that it tells nobody.

    By itself it sends an event to Google Analytics whenever it is imported, unless a file in the user's home declines
    that. Where `openvino_telemetry` cannot be imported it does without.

    Raises:
        ImportError: it is not installed.
    """
    hidden = "openvino_telemetry" not in sys.modules
    if hidden:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # is how an import is made to fail
    try:
        import openvino
    finally:
        if hidden:
            sys.modules.pop("openvino_telemetry", None)  # another thread may have done it
    return openvino


@functools.cache
def openvino_has_bfloat16() -> bool:
    """Whether this processor has the instructions that make it OpenVINO's half precision."""
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def processor_has_int8(facts: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor multiplies 8-bit integers without loss and faster than floats.

    On x86 that takes VNNI or AMX: without them products of unsigned and signed bytes are added up in 16 bits, where
    they saturate (ONNX Runtime's page on quantisation). Other architectures are taken to have it.
    """
    try:
        lines = facts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return True
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return flags is None or not INT8_FLAGS.isdisjoint(flags)


class OnnxRuntimeBackend(OnnxBackend):
    """Microsoft's runtime, for every processor, and for CUDA where the package with it is installed."""

    name = "onnxruntime"
    precisions: Mapping[str, tuple[str, ...]] = MappingProxyType({"cpu": (FLOAT32, INT8), "cuda": (FLOAT32,)})

    @classmethod
    def load(cls, model: Path | bytes, device: Device, precision: str, shapes: NamedShapes | None = None) -> Infer:
        """See `OnnxBackend.load`."""
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads()
        settings.log_severity_level = 3
        # Threads that spin between frames take the processor from everything else on the robot.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        sizes = {axis: size for axes in (shapes or {}).values() for axis, size in axes.items()}
        for axis, size in sizes.items():
            settings.add_free_dimension_override_by_name(axis, size)
        providers = cls.providers(model, device, precision)
        source = model if isinstance(model, bytes) else str(model)
        session = onnxruntime.InferenceSession(source, settings, providers=providers)
        if session.get_providers()[0] != providers[0][0]:  # it goes on with the next one after a line in the log
            raise RuntimeError(f"ONNX Runtime could not start its {providers[0][0]}")
        names = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))

    @classmethod
    def provider(cls, device_type: str) -> str:
        """What ONNX Runtime calls the part of it that does the work."""
        return "CPUExecutionProvider" if device_type == "cpu" else "CUDAExecutionProvider"

    @classmethod
    def providers(cls, model: Path | bytes, device: Device, precision: str) -> list[tuple[str, dict[str, Any]]]:
        """Those to use, and their options."""
        return [(cls.provider(device.type), {} if device.type == "cpu" else {"device_id": device.index or 0})]


class TensorRtBackend(OnnxRuntimeBackend):
    """NVIDIA's, as a provider of ONNX Runtime; building its engine takes minutes, and is kept beside the file."""

    name = "tensorrt"
    precisions = MappingProxyType({"cuda": (FLOAT32, HALF)})

    @classmethod
    def provider(cls, device_type: str) -> str:
        """See `OnnxRuntimeBackend.provider`."""
        return "TensorrtExecutionProvider"

    @classmethod
    def providers(cls, model: Path | bytes, device: Device, precision: str) -> list[tuple[str, dict[str, Any]]]:
        """See `OnnxRuntimeBackend.providers`; what TensorRT cannot run goes to CUDA."""
        if isinstance(model, bytes):
            raise RuntimeError("TensorRT keeps its engine beside the ONNX file: it takes no graph without one")
        options = {
            "device_id": device.index or 0,
            "trt_fp16_enable": precision == HALF,
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(model.parent),
            "trt_engine_cache_prefix": model.stem,
        }
        cuda = OnnxRuntimeBackend.provider("cuda"), {"device_id": device.index or 0}
        return [(cls.provider(device.type), options), cuda]


RUNTIMES: dict[str, type[OnnxBackend]] = {
    kind.name: kind for kind in (OpenVinoBackend, OnnxRuntimeBackend, TensorRtBackend)
}
