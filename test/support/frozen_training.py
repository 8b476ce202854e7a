"""``cinet train`` whose normalisation does not depend on how a batch is divided: ``frozen_training.py RECIPE FOLDER``.

All BatchNorm layers, not the encoder's alone, use the statistics that they start with: torch's SyncBatchNorm needs
GPUs, and without it each process would normalise its own images. What is left must be the same for any division.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import torch

from cinet_core.training.batch_norm import freeze_statistics
from cinet_core.training.preparation import prepare
from cinet_core.training.recipe_file import read_recipe
from cinet_core.training.run import check_run, fit


def main(recipe_file: str, folder: str, dies_after: int) -> None:
    """Train, or go on, and be killed after so many steps unless that is 0."""
    torch.set_num_threads(1)
    recipe = read_recipe(recipe_file, values={"run.output": folder})
    resume_from = check_run(recipe, resume=True)
    setup = prepare(recipe)
    freeze_statistics(setup.module.model)
    freeze_statistics(setup.module.average.module)

    def begun(batch: Any, batch_index: int) -> None:
        if dies_after and setup.module.global_step == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    setup.module.on_train_batch_start = begun  # type: ignore[method-assign]
    fit(setup, resume_from)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
