"""``cinet train`` as its users meet it: whole runs as processes, killed, resumed, and divided over two processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from fork_server import Forked, ForkServer
from safetensors.torch import load_file

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")

from cinet_core.checkpoint import read_metadata
from cinet_core.cli import main
from cinet_core.training.checkpoints import BEST_FILE, FINAL_FILE, RESUME_FILE, AtomicCheckpointIO

STEPS_AN_EPOCH = 4
EPOCHS_A_STAGE = 2
STEPS_A_STAGE = STEPS_AN_EPOCH * EPOCHS_A_STAGE
LEARNING_RATE = 1e-2
RECIPE = {
    "name": "tiny",
    "data": {
        "root": "synthetic",
        "options": {"length": 16, "validation_length": 3, "width": 64, "height": 48, "shadows": False},
        "label_set": "nyu13",
        "width": 64,
        "height": 48,
        "workers": 0,
        "cache": True,
    },
    "model": {
        "pretrained_encoder": False,
        "overrides": {
            "encoder": "tf_mobilenetv3_small_minimal_100",
            "feature_channels": 16,
            "query_channels": 4,
            "decoder_channels": [8, 8, 8],
        },
    },
    "stages": {
        "ideal": {"epochs": EPOCHS_A_STAGE, "learning_rate": LEARNING_RATE},
        "attention": {"epochs": EPOCHS_A_STAGE, "learning_rate": LEARNING_RATE},
        "consistency": {"epochs": EPOCHS_A_STAGE, "learning_rate": LEARNING_RATE, "schedule": "poly"},
    },
    "optimizer": {"batch_size": 4},
    "run": {
        "accelerator": "cpu",
        "devices": 1,
        "log_every": 1,
        "pictures": 0,
        "checkpoint_minutes": 0,
        "precision": "64-true",
    },
}


Start = Callable[..., Forked]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Begins `cinet train` with a folder for the run, and what else its command line shall have."""
    modules = ("cinet_core.training.train", "jsonargparse", "torch.utils.tensorboard")
    # One thread: two processes of two threads each would only wait for each other.
    server = ForkServer(modules, OMP_NUM_THREADS="1", MASTER_ADDR="127.0.0.1")

    def begin(folder: Path, *arguments: str) -> Forked:
        config = folder.parent / "recipe.yaml"
        config.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
        command = ["train", "--config", str(config), f"run.output={folder}", *arguments]
        return server.start("cinet_core.cli", command, folder.with_suffix(".log"), folder.parent)

    yield begin
    server.close()


def finish(process: Forked) -> str:
    assert process.wait(240) == 0, process.output()
    return process.output()


def kill_at(process: Forked, checkpoint: Path, step: int) -> None:
    """Kill -9 as soon as a checkpoint of this step or a later one lies there."""
    deadline, seen = time.monotonic() + 120, 0
    while time.monotonic() < deadline and process.poll() is None:
        written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        if written > seen and AtomicCheckpointIO().load_checkpoint(checkpoint)["global_step"] >= step:
            process.kill()
            assert process.wait() == -signal.SIGKILL
            return
        seen = written
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"no checkpoint of step {step}: {process.output()}")


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """Every logged number by name and step, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[str, dict[int, float]] = {}
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    for name in events.Tags()["scalars"]:
        found[name] = {event.step: event.value for event in events.Scalars(name)}
    return found


@pytest.fixture(scope="module")
def reference(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    output = finish(start(folder))
    assert "epoch 6/6  stage 3  step 24" in output
    return folder


def test_every_term_is_logged_in_its_stage(reference: Path) -> None:
    logged = curves(reference)
    steps = set(range(3 * STEPS_A_STAGE))
    for name in ("berhu", "pair", "normal", "depth", "segmentation", "total"):
        assert set(logged[f"train/{name}"]) == steps, name
    assert set(logged["train/attention"]) == {step for step in steps if step >= STEPS_A_STAGE}
    assert set(logged["train/consistency"]) == {step for step in steps if step >= 2 * STEPS_A_STAGE}
    assert {step // STEPS_A_STAGE + 1 == stage for step, stage in logged["stage"].items()} == {True}
    # What labels helped with is never called validation.
    assert max(logged["oracle/rms"]) < STEPS_A_STAGE <= min(logged["validation/rms"])
    assert read_metadata(reference / BEST_FILE).metrics["training"]["validation"]["oracle"] is False


def test_learning_rates_follow_the_schedules(reference: Path) -> None:
    rates = curves(reference)
    encoder = next(values for name, values in rates.items() if "lr-" in name and "encoder" in name)
    rest = next(values for name, values in rates.items() if "lr-" in name and "rest" in name)
    for step in range(3 * STEPS_A_STAGE):
        done = max(step - 2 * STEPS_A_STAGE, 0) / STEPS_A_STAGE
        assert rest[step] == pytest.approx(LEARNING_RATE * (1 - done) ** 0.9, rel=1e-5), step
        assert encoder[step] == pytest.approx(0.1 * rest[step], rel=1e-5)


def test_a_run_killed_in_each_stage_repeats_exactly(start: Start, reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    checkpoint = folder / RESUME_FILE
    # In the middle of an epoch of stage 1, at the end of one in stage 2, at the last step of stage 3.
    for number, step in enumerate((2, STEPS_A_STAGE + STEPS_AN_EPOCH, 3 * STEPS_A_STAGE - 1)):
        kill_at(start(folder, *["--resume"] * (number > 0)), checkpoint, step)
    finish(start(folder, "--resume"))
    before, after = curves(reference), curves(folder)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert after[name] == values, name
    for file in (FINAL_FILE, BEST_FILE):  # the average of the weights, and the metrics that chose it
        first, second = load_file(reference / file), load_file(folder / file)
        assert all(torch.equal(first[name], second[name]) for name in first), file
        assert read_metadata(reference / file).metrics == read_metadata(folder / file).metrics


@pytest.mark.soak  # 20 s; that the losses and the metrics are those of one process is in `make test`
def test_two_processes_learn_nearly_what_one_with_the_double_batch_learns(
    start: Start, reference: Path, tmp_path: Path
) -> None:
    # On a CPU each process normalises its own two images instead of all four: that is the whole difference.
    folder = tmp_path / "run"
    finish(start(folder, "optimizer.batch_size=2", "run.devices=2"))
    before, after = curves(reference), curves(folder)
    for name in ("train/depth", "train/segmentation", "train/total", "oracle/rms", "validation/rms"):
        assert after[name] == pytest.approx(before[name], rel=0.05), name
    assert after["stage"] == before["stage"]


def test_another_recipe_does_not_go_on_with_the_run(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--config", str(reference.parent / "recipe.yaml"), f"run.output={reference}"]
    before = (reference / RESUME_FILE).read_bytes()
    assert main([*arguments, "--resume", "optimizer.momentum=0.8"]) == 2
    assert "optimizer.momentum was 0.9, is 0.8" in capsys.readouterr().err
    assert main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert (reference / RESUME_FILE).read_bytes() == before
