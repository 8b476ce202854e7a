"""Trains the default network on with rooms made on the device, for as long as there is time (scripts/gpu_run.sh).

``python -m scripts.gpu_continue SECONDS FOLDER VALUE...``: VALUE is NAME=VALUE of a recipe, laid over
config/train/weights.yaml. Steps are timed first, on rooms as they are trained on, and the epochs made as long as fits
the seconds, so that the learning rate comes to its end. How long that is is kept in FOLDER/epoch.json: the same command
goes on where a run was killed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cinet_core.training.optimization import make_optimizer
from cinet_core.training.plan import autocast_type, training_device
from cinet_core.training.preparation import TrainingSetup, prepare
from cinet_core.training.recipe_file import read_recipe
from cinet_core.training.run import check_run, fit
from cinet_core.training.settings import Recipe

RECIPE = "config/train/weights.yaml"
TIMED, WARM_UP = 6, 2
USED = 0.75
"""Share of what is left that goes into steps: the rest is for validation and what the measurement missed."""


def main(seconds: float, folder: Path, values: dict[str, str]) -> int:
    """Measure, plan, train; 0 where it came to its end."""
    begun = time.monotonic()
    recipe = read_recipe(RECIPE, values={"run.output": str(folder), **values})
    stored = folder / "epoch.json"
    if not stored.exists():
        folder.mkdir(parents=True, exist_ok=True)
        taken = seconds_a_step(prepare(recipe))
        left = seconds - (time.monotonic() - begun)
        epochs = _epochs(recipe)
        # `fit` prepares anew, which takes about as long as it did here.
        steps = max(1, int(USED * (left - (time.monotonic() - begun)) / taken / epochs))
        samples = steps * recipe.optimizer.batch_size
        stored.write_text(json.dumps({"samples_per_epoch": samples, "seconds_a_step": taken}), encoding="utf-8")
    plan = json.loads(stored.read_text(encoding="utf-8"))
    print(f"{plan['seconds_a_step']:.3f} s a step, {plan['samples_per_epoch']} rooms an epoch")
    recipe = with_samples(recipe, plan["samples_per_epoch"])
    result = fit(prepare(recipe), check_run(recipe, resume=True))
    print(f"{time.monotonic() - begun:.0f} s of {seconds:.0f}: {json.dumps(result.metrics)}")
    return 0


def with_samples(recipe: Recipe, samples: int) -> Recipe:
    """The recipe with epochs of so many samples, and a warm-up of at most a quarter of the steps."""
    steps = samples // recipe.optimizer.batch_size * _epochs(recipe)
    optimizer = replace(recipe.optimizer, warmup_steps=min(recipe.optimizer.warmup_steps, steps // 4))
    return replace(recipe, data=replace(recipe.data, samples_per_epoch=samples), optimizer=optimizer)


def _epochs(recipe: Recipe) -> int:
    stages = recipe.stages
    return stages.ideal.epochs + stages.attention.epochs + stages.consistency.epochs


def seconds_a_step(setup: TrainingSetup) -> float:
    """The mean of some steps with the making of their rooms; the network is not used afterwards."""
    device, module, stage = training_device(setup), setup.module, setup.plan[-1].losses
    module.to(device).train()
    optimizer = make_optimizer(module.model, module.loss, stage, 1e-9, algorithm=setup.recipe.optimizer.algorithm)
    half = autocast_type(setup.recipe.run.precision)
    begun = 0.0
    for step, batch in zip(range(WARM_UP + TIMED), _endless(setup), strict=False):
        if step == WARM_UP:
            begun = time.perf_counter()
        module.batch_loss(batch.to(device), stage, half)["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) / TIMED


def _endless(setup: TrainingSetup) -> Iterator[Any]:
    """Batches without an end."""
    epoch = 0
    while True:
        setup.data.resume_at(epoch)
        yield from setup.data.train_dataloader()
        epoch += 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), Path(sys.argv[2]), dict(pair.split("=", 1) for pair in sys.argv[3:])))
