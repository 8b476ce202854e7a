"""scripts/demo.py where something is wrong: it says what, with a status, and leaves no process behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from demo_process import TIMEOUT, Demo
from fork_server import ForkServer


def test_weights_that_cannot_be_read_are_told_at_once(node_server: ForkServer, tmp_path: Path) -> None:
    status, output = Demo(node_server, tmp_path, "--weights", str(tmp_path / "absent.safetensors")).finish()
    assert status == 1
    assert "does not exist" in output
    assert "Traceback" not in output
    assert not (tmp_path / "perception_node.log").exists(), "no node was started for it"


def test_a_source_that_cannot_be_played_ends_the_demo_with_the_player_s_own_words(
    node_server: ForkServer, tmp_path: Path
) -> None:
    demo = Demo(node_server, tmp_path, "--source", str(tmp_path / "ab[/c]sent"))
    status, output = demo.finish()
    assert status == 1, output
    assert "player_node ended with status 2" in output
    assert "[player]" in output, "brackets of the log are no markup"
    assert "ab[/c]sent" in output.replace("\n", "")
    assert "Traceback" not in output
    assert demo.is_alone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_and_its_processes(
    node_server: ForkServer, tmp_path: Path, number: signal.Signals
) -> None:
    demo = Demo(node_server, tmp_path)
    deadline = time.monotonic() + TIMEOUT
    while not (tmp_path / "perception_node.log").exists():
        assert time.monotonic() < deadline
        assert demo.process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    demo.process.send_signal(number)
    status, output = demo.finish(timeout=30)
    assert status == 130, output
    assert "interrupted" in output
    assert "Traceback" not in output
    assert demo.is_alone()
