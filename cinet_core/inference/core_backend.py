"""Runs a core graph in a runtime of ONNX files: NumPy and OpenCV resample around it, PyTorch has no part in it."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cinet_core.graph_file import CORE_INPUTS
from cinet_core.inference.backend import CHOSEN, CPU, BackendOutput, Floats, Images, one_by_one
from cinet_core.inference.choices import FLOAT32
from cinet_core.inference.core_graph import CoreGraph
from cinet_core.inference.numpy_resampling import Shrink, resized
from cinet_core.inference.runtimes import RUNTIMES
from cinet_core.tasks import task_specs

__all__ = ["CoreBackend", "GraphSizes"]

_AXES = {"pixels": ("height", "width", "channels"), "intrinsics": ("values",), "depth_scale": ()}


class GraphSizes(NamedTuple):
    """What a graph is made for.

    Attributes:
        image: (H, W) of the images that come in.
        network: (height, width) that the network runs at.
        output: (h, w) of the predictions.
        depth_range: (nearest, farthest) valid depth in metres.
    """

    image: tuple[int, int]
    network: tuple[int, int]
    output: tuple[int, int]
    depth_range: tuple[float, float]

    @property
    def zoom(self) -> float:
        """By how much the network's image is smaller than the camera's, as a factor of focal lengths."""
        return float((self.network[0] * self.network[1] / (self.image[0] * self.image[1])) ** 0.5)


class CoreBackend:
    """Runs one core graph for images of one size, one image after another. See `Backend`.

    Args:
        graph: to be run.
        sizes: that it is run at.
        name: of the runtime, in `runtimes.RUNTIMES`.
        precision: one of the runtime's on a CPU.
        reason: why it was taken.

    Raises:
        RuntimeError: the runtime does not take the graph or the precision.
    """

    def __init__(
        self, graph: CoreGraph, sizes: GraphSizes, name: str, precision: str = FLOAT32, reason: str = CHOSEN
    ) -> None:
        self.name, self.device, self.reason = name, str(CPU), reason
        self.sizes = sizes
        self._inputs = graph.inputs
        self._tasks = task_specs(graph.metadata.config.tasks)
        self._canonical_focal = graph.metadata.camera.canonical_focal
        self._shrink = Shrink(sizes.image, sizes.network)
        height, width = sizes.network
        lengths = {"batch": 1, "height": height, "width": width, "channels": 3, "values": 4}
        shapes = {name: {axis: lengths[axis] for axis in ("batch", *_AXES[name])} for name in graph.inputs}
        self._infer = RUNTIMES[name].load(graph.content, CPU, precision, shapes)

    def run(self, images: Images, intrinsics: Floats) -> BackendOutput:
        """See `Backend.run`."""
        return one_by_one(self._run_one, images, intrinsics)

    def _run_one(self, images: Images, intrinsics: Floats) -> BackendOutput:
        start = time.perf_counter()
        focal = np.sqrt(intrinsics[:, 0] * intrinsics[:, 1]) * np.float32(self.sizes.zoom)
        depth_scale = (focal / np.float32(self._canonical_focal)).astype(np.float32)
        given = dict(zip(CORE_INPUTS, (self._shrink(images[0])[None], intrinsics, depth_scale), strict=True))
        answers = self._infer({name: given[name] for name in self._inputs})
        outputs: dict[str, npt.NDArray[Any]] = {}
        for task in self._tasks:
            of_task = {
                spec.name: resized(answers[spec.name][0], self.sizes.output, spec.resize) for spec in task.outputs
            }
            outputs |= of_task if task.finish is None else task.finish(of_task, self.sizes.depth_range)
        return BackendOutput(
            {name: values[None] for name, values in outputs.items()}, {"network": time.perf_counter() - start}
        )

    def close(self) -> None:
        """See `Backend.close`."""
        del self._infer
