"""Programs of the fork server end, fail, take signals and know their surroundings as other processes do."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fork_server import Forked, ForkServer

# Prints what surrounds it, then does what its argument says.
PROGRAM = """
import atexit, os, pathlib, sys, time
atexit.register(print, "the end")
print(sys.argv[1:], pathlib.Path.cwd().name, os.environ.get("OF_THE_TEST"), "colorsys" in sys.modules, __name__)
if sys.argv[1] == "wait":
    print("waiting", flush=True)
    time.sleep(60)
if sys.argv[1] == "fail":
    raise ValueError("it failed")
sys.exit(int(sys.argv[1]))
"""


Start = Callable[[str], Forked]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(["colorsys"])
    yield server
    server.close()


@pytest.fixture
def start(server: ForkServer, tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    started: list[Forked] = []

    def begin(argument: str) -> Forked:
        started.append(
            server.start(str(tmp_path / "program.py"), [argument, "b c"], tmp_path / f"{argument}.log", tmp_path)
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def test_a_program_runs_as_main_with_its_own_arguments_folder_and_environment(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status, variable in (("3", "here"), ("0", None)):
        if variable is None:
            monkeypatch.delenv("OF_THE_TEST")
        else:
            monkeypatch.setenv("OF_THE_TEST", variable)
        program = start(status)
        assert program.wait(20) == int(status)
        said = f"{[status, 'b c']} {tmp_path.name} {variable} True __main__"
        assert program.output().splitlines() == [said, "the end"]


def test_what_is_not_to_be_set_is_set_neither_in_the_server_nor_in_its_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TEST", "here")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    server = ForkServer(["colorsys"], OF_THE_TEST=None)
    program = server.start(str(tmp_path / "program.py"), ["0"], tmp_path / "log", tmp_path)
    assert program.wait(20) == 0
    assert f"{['0']} {tmp_path.name} None True" in program.output()
    assert server._process is not None
    environment = Path(f"/proc/{server._process.pid}/environ").read_bytes()
    assert b"OF_THE_TEST" not in environment
    server.close()


def test_an_exception_is_status_1_and_a_traceback(start: Start) -> None:
    program = start("fail")
    assert program.wait(20) == 1
    assert "ValueError: it failed" in program.output()
    assert "the end" in program.output(), "exit handlers run"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 1)])
def test_signals_reach_it_and_nothing_else(start: Start, number: int, status: int) -> None:
    program, other = start("wait"), start("0")
    assert other.wait(20) == 0
    while "waiting" not in program.output():
        assert program.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.05)
    assert os.getpgid(program.pid) == os.getpgid(0)
    program.send_signal(number)
    assert program.wait(20) == status
    program.send_signal(number)  # it has ended: nobody else is hit
    assert ("KeyboardInterrupt" in program.output()) == (number == signal.SIGINT)


PREDICTING = """
import sys
there = {name.partition(".")[0] for name in sys.modules}
import numpy as np
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor
with Predictor(named_network("random"), "cpu", (48, 64)) as predictor:
    predictor.predict(np.zeros((48, 64, 3), np.uint8))
print("imported here:", *sorted({name.partition(".")[0] for name in sys.modules} - there))
"""


@pytest.mark.torch("what a node without it imports takes no time")
def test_what_a_node_takes_to_predict_is_imported_before_it_is_forked(node_server: ForkServer, tmp_path: Path) -> None:
    """Else each of the nodes takes ten seconds more of the processor, which nobody sees."""
    (tmp_path / "program.py").write_text(PREDICTING, encoding="utf-8")
    done = node_server.start(str(tmp_path / "program.py"), [], tmp_path / "program.log", tmp_path)
    assert done.wait(60) == 0, done.output()
    (line,) = [line for line in done.output().splitlines() if line.startswith("imported here:")]
    assert not {"torch", "torchvision", "timm", "sympy", "safetensors"} & set(line.split())
