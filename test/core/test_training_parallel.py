"""N processes learn what one with the whole batch learns, and a killed run goes on, with what is not the paper's.

Balancing of the tasks, a teacher that gives way, and a sigma that is measured over the first batches of stage 3 all
have a state of their own, which must be equal on all processes and survive a kill.
"""

from __future__ import annotations

import csv
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fork_server import Forked, ForkServer
from safetensors.torch import load_file
from tiny_network import TINY

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")

from cinet_core.losses.balance import REBALANCE_EVERY
from cinet_core.losses.consistency import MEASURED_BATCHES
from cinet_core.training.checkpoints import FINAL_FILE, RESUME_FILE, AtomicCheckpointIO

PROGRAM = Path(__file__).parents[1] / "support" / "frozen_training.py"
EPOCHS = (1, 1, 5)
STEPS_AN_EPOCH = 2
STEPS = sum(EPOCHS) * STEPS_AN_EPOCH
KILLED_AT = 7
"""In the middle of an epoch of stage 3, sigma half measured, the first factors known."""

LOSSES: dict[str, dict[str, Any]] = {
    "gradients": {"balance": "gradients", "teacher": "annealed", "consistency_start": "median"},
    "uncertainty": {"balance": "uncertainty", "teacher": "none", "consistency_start": "median"},
}


def recipe(losses: str, processes: int, checkpoint_minutes: float = 10) -> dict[str, Any]:
    rooms = {"length": 8, "validation_length": 2, "width": 48, "height": 32, "shadows": False}
    stages = ("ideal", "attention", "consistency")
    return {
        "name": losses,
        "data": {
            "root": "synthetic", "options": rooms, "label_set": "nyu13", "width": 48, "height": 32, "workers": 0,
            "validation_limit": 0, "cache": True, "statistics_samples": 2,
        },
        "model": {"pretrained_encoder": False, "overrides": TINY},
        "stages": {name: {"epochs": n, "learning_rate": 1e-3} for name, n in zip(stages, EPOCHS, strict=True)},
        "losses": LOSSES[losses],
        "optimizer": {"batch_size": 4 // processes},
        "run": {
            "accelerator": "cpu", "devices": processes, "precision": "64-true", "log_every": 1, "pictures": 0,
            "checkpoint_minutes": checkpoint_minutes, "loggers": ["csv"],
        },
    }  # fmt: skip


Train = Callable[..., None]


@pytest.fixture(scope="module")
def train() -> Iterator[Train]:
    """Runs a training in a process, or in several that find each other as those of a cluster do."""
    server = ForkServer(("cinet_core.training.train", "jsonargparse", "cinet_core.rooms.raycast.scenes"))

    def to_the_end(folder: Path, losses: str, processes: int = 1, dies_after: int = 0) -> None:
        config = folder.with_suffix(".yaml")
        config.write_text(yaml.safe_dump(recipe(losses, processes, 0 if dies_after else 10)), encoding="utf-8")
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            port = str(holder.getsockname()[1])
        running: list[Forked] = []
        for rank in range(processes):
            # A rank in the environment: Lightning starts no processes of its own then.
            cluster = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": str(rank), "NODE_RANK": "0"}
            with pytest.MonkeyPatch.context() as environment:
                for name, value in {"OMP_NUM_THREADS": "1", **(cluster if processes > 1 else {})}.items():
                    environment.setenv(name, value)
                arguments = [str(config), str(folder), str(dies_after)]
                log = folder.with_suffix(f".{rank}.log")
                running.append(server.start(str(PROGRAM), arguments, log, folder.parent))
        for process in running:
            status = process.wait(120)
            assert status == (-signal.SIGKILL if dies_after else 0), process.output()

    yield to_the_end
    server.close()


def curves(folder: Path) -> dict[str, list[float]]:
    """What was logged at every step, by name."""
    found: dict[str, list[float]] = {}
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["name"], []).append(float(row["value"]))
    return found


def state(folder: Path) -> dict[str, torch.Tensor]:
    """Weights, sigma and factors where the run ended."""
    return dict(AtomicCheckpointIO().load_checkpoint(folder / RESUME_FILE)["state_dict"])


@pytest.fixture(scope="module", params=sorted(LOSSES))
def reference(request: pytest.FixtureRequest, train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process that nothing disturbed; its name is that of its losses."""
    folder = tmp_path_factory.mktemp("reference") / str(request.param)
    train(folder, folder.name)
    return folder


def test_the_options_act(reference: Path) -> None:
    """Else nothing would be shown by what follows."""
    logged, name = curves(reference), reference.name
    assert len(logged["train/attention"]) == STEPS, "from the first stage on"
    variance = logged["train/variance_depth"]
    assert len(variance) == EPOCHS[2] * STEPS_AN_EPOCH
    assert variance[MEASURED_BATCHES - 2] != variance[MEASURED_BATCHES - 1] != variance[-1], "measured, then learned"
    assert variance[-1] < 1, "far below the count of channels"
    factors = logged["train/factor_depth"]
    assert len(set(factors)) == (STEPS if name == "uncertainty" else -(-STEPS // REBALANCE_EVERY))
    assert factors[-1] != 1


def test_two_processes_learn_what_one_with_the_double_batch_learns(
    train: Train, reference: Path, tmp_path: Path
) -> None:
    """To the order in which numbers are added: sigma, factors, weights to 1e-8, losses to the last bits of float32.

    The network gives depth, and Lightning logs, in float32.
    """
    folder = tmp_path / "two"
    train(folder, reference.name, processes=2)
    one, two = curves(reference), curves(folder)
    assert one.keys() == two.keys()
    for name, values in one.items():
        assert two[name] == pytest.approx(values, rel=5e-7), name
    expected, found = state(reference), state(folder)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name].double(), value.double(), rtol=1e-8, atol=1e-8), name


@pytest.mark.parametrize("reference", ["gradients"], indirect=True)
def test_a_killed_run_goes_on_exactly(train: Train, reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    train(folder, reference.name, dies_after=KILLED_AT)
    measured = int(state(folder)["loss.feature_variance.batches"])
    assert 0 < measured < MEASURED_BATCHES, "in the middle of measuring"
    train(folder, reference.name)
    assert curves(folder) == curves(reference)
    before, after = state(reference), state(folder)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    shipped = load_file(reference / FINAL_FILE)
    assert all(torch.equal(load_file(folder / FINAL_FILE)[name], value) for name, value in shipped.items())
