"""Until a backend is ready another one works, and stays where none comes."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from cinet_core.inference.backend import BackendOutput
from cinet_core.inference.background import BackgroundBackend, is_preparing
from cinet_core.inference.onnx_file import ExportError


def one_image() -> tuple[np.ndarray, np.ndarray]:
    """An image that nobody looks at, and intrinsics."""
    return np.zeros((1, 24, 32, 3), np.uint8), np.float32([[300, 310, 16, 12]])


class Fake:
    """A backend that says who it is by its depth."""

    device, reason = "cpu", "because"

    def __init__(self, name: str, depth: float) -> None:
        self.name, self._depth, self.closed = name, depth, False

    def run(self, images: np.ndarray, intrinsics: np.ndarray) -> BackendOutput:
        assert not self.closed
        shape = images.shape[:3]
        depth = np.full(shape, self._depth, np.float32)
        labels = np.zeros(shape, np.uint8)
        return BackendOutput({"depth": depth, "labels": labels, "confidence": labels}, {})

    def close(self) -> None:
        self.closed = True


def test_one_works_until_the_other_is_ready() -> None:
    images, intrinsics = one_image()
    ready = threading.Event()
    first, second = Fake("first", 1.0), Fake("second", 2.0)

    def prepare() -> Fake:
        assert ready.wait(20)
        return second

    backend = BackgroundBackend(first, prepare)
    assert backend.run(images, intrinsics)["depth"][0, 0, 0] == 1
    assert (backend.name, backend.reason) == ("first", "until another one is ready")
    ready.set()
    assert backend.wait(20)
    assert backend.run(images, intrinsics)["depth"][0, 0, 0] == 2
    assert (backend.name, backend.reason) == ("second", "because")
    assert first.closed
    backend.close()
    assert second.closed


def test_where_the_other_fails_the_first_stays_and_says_why() -> None:
    def prepare() -> Fake:
        raise ExportError("no such operator")

    backend = BackgroundBackend(Fake("first", 1.0), prepare)
    assert backend.wait(20)
    assert backend.run(*one_image())["depth"][0, 0, 0] == 1
    assert "no such operator" in backend.reason


@pytest.mark.parametrize("close_first", [True, False])
def test_what_comes_after_the_end_is_closed(close_first: bool) -> None:
    ready, second = threading.Event(), Fake("second", 2.0)

    def prepare() -> Fake:
        assert ready.wait(20)
        return second

    backend = BackgroundBackend(Fake("first", 1.0), prepare)
    assert is_preparing()
    if not close_first:
        ready.set()
        assert backend.wait(20)
    backend.close()
    ready.set()
    assert backend.wait(20)
    assert second.closed
    assert not is_preparing()
