"""scripts/demo.py where something is wrong: it says what, with a status, and leaves no process behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from demo_process import TIMEOUT, is_alone, start


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
