"""Teachers are asked about several frames at a time where they allow it, and what comes out is the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from painted_walk import write_walk

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.labelling import LabelSettings, asking, label_dataset
from cinet_core.labelling.asking import MOST_AT_ONCE, at_once, in_order
from cinet_core.labelling.network_teacher import NetworkTeacher
from cinet_core.labelling.teacher import Answer, Bytes, Teacher


class Silent(Teacher):
    """Says nothing, to one thread at a time."""

    label_set = NYU40

    def answer(self, image: Bytes, camera: Intrinsics, scale: float = 1.0) -> Answer:
        return Answer()

    def close(self) -> None:
        pass


def numbers(count: int, drawn: list[int]) -> Iterator[int]:
    for number in range(count):
        drawn.append(number)
        yield number


def test_order_is_kept_and_few_wait() -> None:
    """Three are in work at once, which none of them could end if they were not."""
    together, drawn = threading.Barrier(3, timeout=60), []
    caller = threading.get_ident()

    def work(number: int) -> tuple[int, int, bool]:
        together.wait()
        return number**2, torch.get_num_threads(), threading.get_ident() == caller

    before = torch.get_num_threads()
    for place, (number, (square, threads, here)) in enumerate(in_order(numbers(12, drawn), work, 3)):
        assert (number, square, threads, here) == (place, place**2, 1, False)
        assert len(drawn) <= place + 4
    assert drawn == list(range(12))
    assert torch.get_num_threads() == before


def test_one_worker_is_the_caller() -> None:
    drawn: list[int] = []
    for place, (number, ident) in enumerate(in_order(numbers(3, drawn), lambda _: threading.get_ident(), 1)):
        assert (number, ident) == (place, threading.get_ident())
        assert len(drawn) == place + 1


def test_an_error_comes_out_and_ends_it() -> None:
    asked: list[int] = []

    def work(number: int) -> int:
        asked.append(number)
        return 1 // (number - 4)

    got: list[int] = []
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        got.extend(number for number, _ in in_order(range(1000), work, 2))
    assert got == [0, 1, 2, 3]
    assert max(asked) <= 7, "what waited is not done"
    assert torch.get_num_threads() == before


def test_only_small_networks_on_a_cpu_are_asked_together(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NetworkTeacher(str(weights), "cpu")
    for threads, most in ((1, 1), (5, 5), (64, MOST_AT_ONCE)):
        monkeypatch.setattr(asking, "threads", lambda number=threads: number)
        assert at_once([network]) == most
        assert at_once([network, Silent()]) == 1
    network.close()


def test_threads_change_nothing(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of a set, byte for byte, with mirror image and sizes, and a broken image in the middle."""
    write_walk(tmp_path / "in", 6)
    broken = sorted(path for path in (tmp_path / "in").glob("*.jpg"))[2]
    broken.write_bytes(b"no image")
    sets = []
    for threads in (1, 3):
        monkeypatch.setattr(asking, "threads", lambda number=threads: number)
        out = tmp_path / f"out{threads}"
        settings = LabelSettings(flip=True, scales=(1.0, 1.5), sensor="ignore")
        report = label_dataset(tmp_path / "in", out, [weights], settings=settings, device="cpu")
        assert report.frames == 5
        assert list(report.left_out) == [broken.stem]
        sets.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert sets[0] == sets[1]
