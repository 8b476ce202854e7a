"""``python -m scripts.benchmarks.device``: what nine minutes can tell of a CUDA device (scripts/gpu_run.sh).

`forward` takes one way of running a network in half precision, so that one that takes long to build, or fails, costs
only itself; `train` takes training steps with and without the loading of their batches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from cinet_core.checkpoint import random_checkpoint
from cinet_core.inference.availability import missing_requirement
from cinet_core.inference.backend import Backend
from cinet_core.inference.choices import HALF
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.torch_backend import CompiledTorchBackend, CudaGraph, TorchBackend, resolve_device
from scripts.benchmarks import machine
from scripts.benchmarks.network import Timed
from scripts.benchmarks.roofline import cost_of
from scripts.benchmarks.rows import BenchmarkReport, Row
from scripts.benchmarks.run import QUICK, BenchmarkBudget, BenchmarkRun, LeftOutError
from scripts.benchmarks.timing import take_turns
from scripts.benchmarks.variants import COMPILED, TORCH, BackendVariant, cached_onnx, example

WAYS = ("eager", "graph", "compile", "tensorrt")
BATCH = {"resnet101": 8, "lite": 16}
STEPS = 30


class ReplayedTorchBackend(TorchBackend):
    """PyTorch's own kernels, recorded once and replayed as a CUDA graph; not compiled, hence built in a second."""

    def __init__(self, graph: DeployableGraph) -> None:
        super().__init__(graph, HALF)
        image = torch.zeros(1, *graph.image_size, 3, dtype=torch.uint8, device=self._device)
        intrinsics = torch.full((1, 4), graph.canonical_focal, device=self._device)
        with torch.inference_mode():
            self._graph = CudaGraph(self._graph, image, intrinsics)


def forward(run: BenchmarkRun, config: str, way: str) -> Iterator[Row]:
    """Rows of one way of running a network in half precision, against the roofline of this device.

    Raises:
        LeftOutError: this machine lacks what it takes.
    """
    if run.device.type == "cpu" and way != "eager":
        raise LeftOutError(f"{way} is measured on a CUDA device")
    checkpoint = random_checkpoint(config)
    checkpoint.model.to(run.device).eval()
    size = run.budget.network_sizes[-1]
    graph = DeployableGraph(checkpoint.model, checkpoint.metadata.camera, run.budget.image_size, size)
    images, intrinsics = example(run.budget.image_size)
    variant, build = _build(run, way, graph, lambda: cached_onnx(run, checkpoint, graph)(HALF))
    begun = time.perf_counter()
    backend = build()
    backend.run(images, intrinsics)
    yield Row.of("build", f"{config}, {way}", "s", [time.perf_counter() - begun], size)
    limits, rows = machine.measure_limits(run, torch.bfloat16 if run.device.type == "cpu" else torch.float16)
    yield from rows
    cost = cost_of(graph, torch.from_numpy(images), torch.from_numpy(intrinsics))
    network: list[float] = []
    whole = take_turns({way: lambda: network.append(backend.run(images, intrinsics).seconds["network"])}, run.budget)[
        way
    ]
    backend.close()
    yield from Timed(variant, whole, network[-len(whole) :]).rows(f"{config}, {way}", size, cost, limits, run.device)


def _build(
    run: BenchmarkRun, way: str, graph: DeployableGraph, onnx: Callable[[], Path]
) -> tuple[BackendVariant, Callable[[], Backend]]:
    if way == "eager":
        return BackendVariant(TORCH, HALF), lambda: TorchBackend(graph, HALF)
    if way == "graph":
        return BackendVariant(TORCH, HALF, True), lambda: ReplayedTorchBackend(graph)
    name = COMPILED if way == "compile" else way
    reason = missing_requirement(name, run.device, HALF)
    if reason:
        raise LeftOutError(str(reason))
    if way == "compile":
        return BackendVariant(COMPILED, HALF, True), lambda: CompiledTorchBackend(graph, HALF)
    variant = BackendVariant(name, HALF)
    return variant, lambda: variant.build(graph, lambda precision: onnx())


def train(run: BenchmarkRun, config: str, quick: bool, workers: int) -> Iterator[Row]:
    """Images a second of training steps in bfloat16, stage 3: with the data pipeline, and of one batch again."""
    from cinet_core.training.optimization import make_optimizer
    from cinet_core.training.preparation import prepare
    from cinet_core.training.settings import Recipe
    from cinet_core.training.settings_data import DataSettings
    from cinet_core.training.settings_model import ModelSettings
    from cinet_core.training.settings_optimizer import OptimizerSettings
    from cinet_core.training.settings_run import RunSettings

    height, width = run.budget.network_sizes[-1]
    batch, steps = (2, 3) if quick else (BATCH[config], STEPS)
    rooms = {"length": 2 * batch, "validation_length": 1, "test_length": 1, "width": width, "height": height}
    recipe = Recipe(
        config,
        data=DataSettings(
            "synthetic", options=rooms, width=width, height=height, workers=workers,
            samples_per_epoch=batch * (steps + 2),
        ),
        model=ModelSettings(config=config, overrides={"channels_last": True}, pretrained_encoder=False),
        optimizer=OptimizerSettings(batch_size=batch),
        run=RunSettings(str(run.scratch / config), pictures=0),
    )  # fmt: skip
    preparation = prepare(recipe)
    module = preparation.module.to(run.device).train()
    stage = preparation.plan[-1].losses
    optimizer = make_optimizer(module.model, module.loss, stage, 1e-6)
    batches = iter(preparation.data.train_dataloader())
    held = next(batches).to(run.device)

    def step(one: bool) -> float:
        start = time.perf_counter()
        data = held if one else next(batches).to(run.device, non_blocking=True)
        module.batch_loss(data, stage, torch.bfloat16)["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        module.average.update_parameters(module.model)
        run.synchronise()
        return time.perf_counter() - start

    step(one=True)
    for name, one in (("one batch", True), ("with the data pipeline", False)):
        rates = [batch / step(one) for _ in range(steps)]
        columns: dict[str, float | str] = {"images": batch, "workers": workers}
        yield Row.of("training throughput", f"{config}, {name}", "images/s", rates, (height, width), columns)


def main() -> int:
    """Measure what the command line names, and write it as JSON; 0 also where it was left out with a reason."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks.device", description=__doc__)
    parser.add_argument("what", choices=["forward", "train"])
    parser.add_argument("--way", choices=WAYS, default="eager", help="of forward (%(default)s)")
    parser.add_argument("--config", choices=sorted(BATCH), default="resnet101")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=12, help="of train (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that every row comes out, not more")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    budget = QUICK if options.quick else BenchmarkBudget(network_sizes=((480, 640),))
    device = resolve_device(options.device)
    notes: list[str] = []
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="cinet_device_") as scratch:
        run = BenchmarkRun(budget, device, Path(scratch))
        try:
            if options.what == "forward":
                rows = list(forward(run, options.config, options.way))
            else:
                rows = list(train(run, options.config, options.quick, options.workers))
        except LeftOutError as error:
            notes.append(str(error))
    BenchmarkReport(machine.machine_facts(device), rows, notes, []).save(options.output)
    for row in rows:
        print(row)
    print(*notes, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
