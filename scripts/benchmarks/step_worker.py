"""``python step_worker.py WIDTH HEIGHT BATCH``: training steps of the `cinet_core` that it finds, and their batches.

Two checkouts can so be compared by turns: each line on standard input asks for one batch and one step, and is answered
by the seconds of both. It uses only what both are likely to have.
"""

from __future__ import annotations

import json
import sys
import time

LONG = 100_000
"""Samples of an epoch: more than anybody waits for."""


def main(width: int, height: int, batch: int) -> None:
    """Answer requests until there are no more. Rooms are rendered once: a batch costs what varying them does."""
    import torch

    from cinet_core.training.optimization import make_optimizer
    from cinet_core.training.preparation import prepare
    from cinet_core.training.settings import Recipe
    from cinet_core.training.settings_data import DataSettings
    from cinet_core.training.settings_model import ModelSettings
    from cinet_core.training.settings_optimizer import OptimizerSettings
    from cinet_core.training.settings_run import RunSettings

    torch.set_num_threads(1)
    rooms = {"length": batch, "validation_length": 1, "test_length": 1, "width": width, "height": height}
    setup = prepare(
        Recipe(
            "steps",
            data=DataSettings(
                "synthetic", options=rooms, width=width, height=height, workers=0, cache=True, samples_per_epoch=LONG
            ),
            model=ModelSettings(config="lite", pretrained_encoder=False),
            optimizer=OptimizerSettings(batch_size=batch),
            run=RunSettings("unused"),
        )
    )
    module, stage = setup.module.train(), setup.plan[-1].losses
    optimizer = make_optimizer(module.model, module.loss, stage, 1e-9)
    batches = iter(setup.data.train_dataloader())
    for _ in sys.stdin:
        begun = time.perf_counter()
        samples = next(batches)
        loaded = time.perf_counter()
        module.batch_loss(samples, stage)["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        module.average.update_parameters(module.model)
        done = time.perf_counter()
        print(json.dumps({"batch": loaded - begun, "step": done - loaded}), flush=True)


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file, whose modules are called as other packages are
    # An installed checkout would lend the other one the modules that it does not have.
    sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in getattr(finder, "__name__", "")]
    main(*map(int, sys.argv[1:]))
