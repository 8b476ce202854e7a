"""scripts/demo.py where something is wrong: it says what, with a status, and leaves no process behind."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from cinet_core.checkpoint import random_checkpoint, save_checkpoint

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 120.0


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The demo, in a process group of its own, as a terminal starts it: a shell makes background jobs ignore SIGINT."""
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.demo", "--output", str(folder), *arguments],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def is_alone(process: subprocess.Popen[str]) -> bool:
    """Whether nothing is left of the group."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_leaves_panel_cloud_and_figures_that_account_for_every_frame(tmp_path: Path) -> None:
    demo = start(tmp_path, "--seconds", "2")
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0, output
    figures = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    frames = figures["frames"]
    assert 0 <= frames["received"] - frames["used"] - frames["dropped"] <= 2, "waiting and in work"
    assert all(row["messages"] > 0 for row in figures["topics"].values())
    assert not figures["random_weights"], "the weights that ship are the default"
    assert "random weights" not in output
    with Image.open(tmp_path / "panel.png") as panel:
        assert panel.size[0] > 1000
    assert b"property float confidence" in (tmp_path / "cloud.ply").read_bytes()[:400]
    assert is_alone(demo)


def test_without_valid_depth_no_cloud_of_an_earlier_run_is_passed_off(tmp_path: Path) -> None:
    random = random_checkpoint("lite")
    # the untrained network sees everything at some 2.4 m
    metadata = dataclasses.replace(random.metadata, depth_range=(0.1, 0.2))
    weights = tmp_path / "near.safetensors"
    save_checkpoint(weights, random.model, metadata)
    (tmp_path / "cloud.ply").write_bytes(b"of an earlier run")
    demo = start(tmp_path, "--seconds", "1", "--weights", str(weights))
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0, output
    assert "no cloud.ply" in output
    assert not (tmp_path / "cloud.ply").exists()
    assert (tmp_path / "panel.png").exists()


def test_weights_that_cannot_be_read_are_told_at_once(tmp_path: Path) -> None:
    demo = start(tmp_path, "--weights", str(tmp_path / "absent.safetensors"))
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 1
    assert "does not exist" in output
    assert "Traceback" not in output
    assert not (tmp_path / "perception_node.log").exists(), "no node was started for it"


def test_a_source_that_cannot_be_played_ends_the_demo_with_the_player_s_own_words(tmp_path: Path) -> None:
    source = tmp_path / "ab[/c]sent"
    demo = start(tmp_path, "--source", str(source))
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 1, output
    assert "player_node ended with status 2" in output
    assert "[player]" in output, "brackets of the log are no markup"
    assert "ab[/c]sent" in output.replace("\n", "")
    assert "Traceback" not in output
    assert is_alone(demo)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_and_its_processes(tmp_path: Path, number: signal.Signals) -> None:
    demo = start(tmp_path)
    deadline = time.monotonic() + TIMEOUT
    while not (tmp_path / "perception_node.log").exists():
        assert time.monotonic() < deadline
        assert demo.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130, output
    assert "interrupted" in output
    assert "Traceback" not in output
    assert is_alone(demo)
