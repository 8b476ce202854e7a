"""The second generation of the network against the first, with random weights, in every backend, by turns.

`lite` is measured with the tasks of the weights `preview`, `lite_v1` with the two that it had. Both go from an image of
640x480 to predictions of 640x480, the argmax of all classes and the upsampling of logits and depth included.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cinet_core.checkpoint import Checkpoint, random_checkpoint
from cinet_core.inference.backend import Backend
from cinet_core.inference.graph import DeployableGraph
from cinet_core.model_metadata import read_metadata
from scripts.benchmarks.network import WHOLE
from scripts.benchmarks.rows import Row, milliseconds, ratios
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.timing import Work, take_turns
from scripts.benchmarks.variants import BackendVariant, build_all, cached_onnx, example

BEFORE, NOW = "lite_v1", "lite"


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """`compare` of the two that there are."""
    tasks = read_metadata("preview").config.tasks
    yield from compare(run, random_checkpoint(BEFORE), random_checkpoint(NOW, tasks=tasks))


def compare(run: BenchmarkRun, before: Checkpoint, now: Checkpoint) -> Iterator[Row]:
    """Times of both, and their ratio run against run, in each variant that both can be built in.

    Args:
        run: gives device, sizes and budget.
        before: one of `BEFORE`'s shape.
        now: one of `NOW`'s.
    """
    size = run.budget.network_sizes[0]
    images, intrinsics = example(run.budget.image_size)
    built: dict[str, dict[BackendVariant, Backend]] = {}
    for name, checkpoint in {BEFORE: before, NOW: now}.items():
        checkpoint.model.to(run.device)
        graph = DeployableGraph(checkpoint.model, checkpoint.metadata.camera, run.budget.image_size, size)
        built[name] = build_all(run, name, graph, cached_onnx(run, checkpoint, graph), compiled=False)
    for variant in (variant for variant in built[BEFORE] if variant in built[NOW]):
        run.say(f"{BEFORE} and {NOW}, {variant.name}")
        works: dict[str, Work] = {name: partial(built[name][variant].run, images, intrinsics) for name in built}
        times, columns = take_turns(works, run.budget), variant.columns(run.device)
        for name, seconds in times.items():
            subject = f"{name}, {variant.label(run.device)}"
            yield Row.of(WHOLE, subject, "ms", milliseconds(seconds), size, columns)
        faster = ratios(times[BEFORE], times[NOW])
        yield Row.of(f"{BEFORE} / this", f"{NOW}, {variant.label(run.device)}", "x", faster, size, columns)
    for backends in built.values():
        for backend in backends.values():
            backend.close()
