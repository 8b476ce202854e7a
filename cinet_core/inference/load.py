"""Loads a predictor from the name of its weights: the usual entry point of a program."""

from __future__ import annotations

from pathlib import Path

from cinet_core.inference.choices import AUTO, TORCH
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor
from cinet_core.model_metadata import DEFAULT_WEIGHTS
from cinet_core.threads import use_threads

__all__ = ["load"]


def load(
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    config: str | None = None,
    device: str = AUTO,
    backend: str = TORCH,
    precision: str = AUTO,
    threads: int | None = None,
    network_size: tuple[int, int] | None = None,
    output_size: tuple[int, int] | None = None,
    depth_range: tuple[float, float] | None = None,
) -> Predictor:
    """Load a network and return a predictor for it.

    Close the predictor when it is no longer needed, or use it in a `with` statement.

    >>> import cinet_core
    >>> with cinet_core.load("random", device="cpu") as predictor:
    ...     predictor
    <Predictor lite (RANDOM WEIGHTS), nyu40, cpu, torch>

    Args:
        weights: a .safetensors file of `cinet train`; an .onnx file of `cinet export --any-size`, which runs without
            PyTorch; "default", which comes with this package as both; or "random", an untrained network for tests.
        config: network of "random", a name in `CONFIGS`; None = the default, `DEFAULT_CONFIG`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        backend: what runs the network: "torch", "torch_compile", "openvino", "onnxruntime", "tensorrt"; or "auto", the
            fastest here, which is found out once and takes a while. Where PyTorch is not installed, "torch" means
            "auto".
        precision: "float32", "half", "int8" (on a CPU), or "auto": half on a GPU, float32 on a CPU.
        threads: number of threads of the numerical libraries in this process; None does not change it.
        network_size: (height, width) that the network runs at; None = about as many pixels as in training, with the
            image's aspect.
        output_size: (height, width) of predictions; None = the image's.
        depth_range: (nearest, farthest) valid depth in metres; None = the checkpoint's.

    Raises:
        CheckpointError: the weights cannot be read.
        ValueError: the configuration, device, backend or precision does not exist or is not installed; or as
            `Predictor`.
        OutOfDeviceMemoryError, DeviceLostError: the weights cannot be moved to the device.
    """
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads is {threads}: it must be at least 1, or None")
        use_threads(threads)
    return Predictor(
        named_network(weights, config),
        device,
        network_size=network_size,
        output_size=output_size,
        depth_range=depth_range,
        backend=backend,
        precision=precision,
    )
