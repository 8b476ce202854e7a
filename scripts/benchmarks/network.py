"""Image to predictions: every configuration in every backend, at each size of the network's input.

The deployable graph runs as the node runs it: a camera image of 640x480 in, predictions of 640x480 out; the size in a
row is that of the network's input between them. Beside the time stand the operations of the graph, the share of this
machine's matrix throughput that is reached with them, and the roofline (`roofline`).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from cinet_core.checkpoint import Checkpoint, random_checkpoint
from cinet_core.inference.availability import TORCH
from cinet_core.inference.backend import Backend
from cinet_core.inference.choices import FLOAT32, HALF, INT8
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.torch_backend import TorchBackend
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.model.scene_understanding import SceneUnderstanding
from scripts.benchmarks.machine import Limits, measure_limits
from scripts.benchmarks.memory import in_fresh_process, peak_increase
from scripts.benchmarks.roofline import ComputeCost, cost_of
from scripts.benchmarks.rows import Row, Value, milliseconds, ratios
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.timing import take_turns
from scripts.benchmarks.variants import BackendVariant, build_all, cached_onnx, example, size_text, variants

WHOLE = "image to predictions"
FORWARD = "network, on the device"
MAIN_CONFIG = "lite"
DTYPES = {
    ("cpu", FLOAT32): torch.float32,
    ("cpu", HALF): torch.bfloat16,
    ("cpu", INT8): torch.int8,
    ("cuda", FLOAT32): torch.float32,
    ("cuda", HALF): torch.float16,
}
"""By type of device and precision."""


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Rows of all configurations; and of the memory that the attention map would take, on a CPU."""
    run.say("what this machine can do at best")
    limits: dict[str, Limits] = {}
    for precision in dict.fromkeys(variant.precision for variant in variants(run.device, compiled=False)):
        limits[precision], rows = measure_limits(run, DTYPES[run.device.type, precision])
        yield from rows
    for name in run.configs:
        checkpoint = random_checkpoint(name)
        checkpoint.model.to(run.device)
        for size in run.budget.network_sizes:
            yield from _forward(run, checkpoint, size, limits)
    if run.device.type == "cpu":
        yield from _peak_memory(run)


def _forward(
    run: BenchmarkRun, checkpoint: Checkpoint, network_size: tuple[int, int], limits: Mapping[str, Limits]
) -> Iterator[Row]:
    """One configuration at one size of its input."""
    name, camera = checkpoint.metadata.config.name, checkpoint.metadata.camera
    graph = DeployableGraph(checkpoint.model, camera, run.budget.image_size, network_size)
    images, intrinsics = example(run.budget.image_size)
    cost = cost_of(graph, torch.from_numpy(images), torch.from_numpy(intrinsics))
    backends = _backends(run, checkpoint, graph)
    run.say(f"{name} at {size_text(network_size)}: {', '.join(variant.name for variant in backends)}")
    forward: dict[BackendVariant, list[float]] = {variant: [] for variant in backends}

    def predict(variant: BackendVariant) -> None:
        forward[variant].append(backends[variant].run(images, intrinsics).seconds["network"])

    times = take_turns({variant: partial(predict, variant) for variant in backends}, run.budget)
    eager = times[next(iter(times))]
    for variant, whole in times.items():
        timed = Timed(variant, whole, forward[variant][-len(whole) :])  # without the warm-up
        yield from timed.rows(name, network_size, cost, limits[variant.precision], run.device)
        if whole is not eager:
            columns = variant.columns(run.device)
            subject = f"{name}, {variant.label(run.device)}"
            yield Row.of(f"{TORCH} / this", subject, "x", ratios(eager, whole), network_size, columns)
        backends[variant].close()


@dataclass(frozen=True)
class Timed:
    """Seconds of each run of a variant: as a whole, and of the graph on the device alone."""

    variant: BackendVariant
    whole: Sequence[float]
    network: Sequence[float]

    def rows(
        self, name: str, network_size: tuple[int, int], cost: ComputeCost, limits: Limits, device: torch.device
    ) -> Iterator[Row]:
        """Its rows; on a GPU the copies to and from it are apart, elsewhere there are none.

        Args:
            name: of the configuration.
            network_size: (height, width) of the network's input.
            cost: of the graph.
            limits: of the device, in the variant's precision.
            device: that it ran on.
        """
        subject, columns = f"{name}, {self.variant.label(device)}", self.variant.columns(device)
        against = columns | self._against(cost, limits)
        if device.type == "cpu":
            yield Row.of(WHOLE, subject, "ms", milliseconds(self.whole), network_size, against)
            return
        yield Row.of(WHOLE, subject, "ms", milliseconds(self.whole), network_size, columns)
        yield Row.of(FORWARD, subject, "ms", milliseconds(self.network), network_size, against)
        yield Row.of(f"{WHOLE} / {FORWARD}", subject, "x", ratios(self.whole, self.network), network_size, columns)

    def _against(self, cost: ComputeCost, limits: Limits) -> dict[str, Value]:
        """What the cost of the graph makes of its median time."""
        median, number_bytes = statistics.median(self.network), self.variant.number_bytes
        roofline, layers = cost.roofline(limits, number_bytes), cost.layer_by_layer(limits, number_bytes)
        return {
            "GFLOP": cost.operations / 1e9,
            "of matrix throughput [%]": 100 * cost.operations / median / limits.operations,
            "least bytes [MB]": cost.least_numbers * number_bytes / 2**20,
            "bytes [MB]": cost.numbers * number_bytes / 2**20,
            "roofline [ms]": 1000 * roofline,
            "times that": median / roofline,
            "layer by layer [ms]": 1000 * layers,
            "times it": median / layers,
        }


def _backends(run: BenchmarkRun, checkpoint: Checkpoint, graph: DeployableGraph) -> dict[BackendVariant, Backend]:
    """All that there are, where it matters; elsewhere PyTorch only, for an export of a large network takes minutes."""
    camera = checkpoint.metadata.camera
    trained = graph.network_size == (camera.height, camera.width)
    if not trained and checkpoint.metadata.config.name != MAIN_CONFIG and run.device.type == "cpu":
        return {BackendVariant(TORCH): TorchBackend(graph)}
    # On a CPU compiling takes a minute for each.
    main = checkpoint.metadata.config.name == MAIN_CONFIG
    compiled = run.device.type == "cuda" or (trained and main)
    onnx = cached_onnx(run, checkpoint, graph)
    # Finding the ranges of a large network takes minutes.
    return build_all(run, checkpoint.metadata.config.name, graph, onnx, compiled, quantized=main)


def _peak_memory(run: BenchmarkRun) -> Iterator[Row]:
    """Memory of one forward pass, of the SUM alone and of the network, with and without the N x N map."""
    size = run.budget.image_size
    for subject in ("scene understanding", "network"):
        peaks = {}
        for keep_attention in (False, True):
            run.say(f"memory of the {subject}, map {'kept' if keep_attention else 'not made'}")
            peaks[keep_attention] = [
                in_fresh_process(peak_of_forward, subject, size, keep_attention) for _ in range(run.budget.processes)
            ]
            label = f"{MAIN_CONFIG} {subject}, map {'kept' if keep_attention else 'not made'}"
            yield Row.of("peak memory", label, "MB", peaks[keep_attention], size)
        saved = [kept - blocked for kept, blocked in zip(peaks[True], peaks[False], strict=True)]
        yield Row.of("peak memory", f"{MAIN_CONFIG} {subject}, difference", "MB", saved, size)


def peak_of_forward(subject: str, size: tuple[int, int], keep_attention: bool) -> float:
    """Memory in MB that one forward pass needs at its peak, on top of what the process held before."""
    checkpoint = random_checkpoint(MAIN_CONFIG)
    config = checkpoint.metadata.config
    module: nn.Module = checkpoint.model
    value = torch.zeros(1, 3, *size)
    if subject == "scene understanding":
        module = SceneUnderstanding(config.feature_channels, config.query_channels, config.num_classes).eval()
        value = torch.zeros(1, config.feature_channels, *(-(-length // FEATURE_STRIDE) for length in size))
    with torch.inference_mode():
        return peak_increase(lambda: module(value, keep_attention=keep_attention))
