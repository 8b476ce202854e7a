"""Devices that fail: told in this project's words, with nothing of the attempt left in memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import tiny_checkpoint

from cinet_core.checkpoint import Checkpoint
from cinet_core.inference.backend import DeviceLostError, OutOfDeviceMemoryError
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.torch_backend import on_device

CPU = torch.device("cpu")
IMAGE = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return tiny_checkpoint()


@pytest.fixture
def predictor(checkpoint: Checkpoint) -> Predictor:
    return Predictor(checkpoint, "cpu", network_size=(16, 16))


def raising(error: Exception) -> Callable[..., Any]:
    def work(*arguments: Any) -> Any:
        raise error

    return work


def test_memory_that_the_system_does_not_have_is_told_with_the_device() -> None:
    with pytest.raises(OutOfDeviceMemoryError, match=r"cpu is out of memory: .*allocate"):
        on_device(CPU, lambda: torch.empty(2**60, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), OutOfDeviceMemoryError, "cpu is out of memory"),
        (RuntimeError("CUDA error: out of memory"), OutOfDeviceMemoryError, "cpu is out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when ..."), OutOfDeviceMemoryError, "out of memory"),
        (RuntimeError("CUDA error: device-side assert triggered\nmore"), DeviceLostError, "cpu failed: .*triggered$"),
        (RuntimeError("shapes do not match"), RuntimeError, "^shapes do not match$"),
        (ValueError("out of memory"), ValueError, "^out of memory$"),
    ],
)
def test_what_frameworks_raise_is_told_apart(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception], text: str
) -> None:
    monkeypatch.setattr(DeployableGraph, "forward", raising(error))
    with pytest.raises(kind, match=text) as raised:
        predictor.predict(IMAGE)
    assert raised.type is kind
    monkeypatch.undo()
    assert predictor.predict(IMAGE).depth.shape == IMAGE.shape[:2], "the next image may do"


def test_nothing_of_the_attempt_is_kept_by_the_error_that_tells_of_it() -> None:
    tensors: list[weakref.ref[torch.Tensor]] = []

    def work() -> None:
        large = torch.zeros(8)
        tensors.append(weakref.ref(large))
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(OutOfDeviceMemoryError) as raised:
        on_device(CPU, work)
    assert raised.value is not None
    assert tensors[0]() is None


def test_a_renewed_predictor_shares_the_weights_and_nothing_else(predictor: Predictor) -> None:
    expected = predictor.predict(IMAGE)
    other = predictor.renewed()
    assert other._engine is predictor._engine
    predictor.close()
    np.testing.assert_array_equal(other.predict(IMAGE).depth, expected.depth)
    assert other._backends is not predictor._backends
    with pytest.raises(RuntimeError, match="closed"):
        predictor.renewed()


def test_on_the_cpu_there_is_nothing_to_fall_back_to_and_no_device_memory(predictor: Predictor) -> None:
    predictor.fall_back_to_cpu()
    assert predictor.device == "cpu"
    assert predictor.device_memory() == {}
    assert predictor.predict(IMAGE).depth.shape == IMAGE.shape[:2]


@pytest.mark.gpu
def test_a_gpu_without_memory_is_left_for_the_cpu_and_empty_then(checkpoint: Checkpoint, predictor: Predictor) -> None:
    before = torch.cuda.memory_allocated()
    on_gpu = Predictor(checkpoint, "cuda", network_size=(16, 16))
    assert on_gpu.device_memory()["allocated"] > before
    with pytest.raises(OutOfDeviceMemoryError, match="cuda:0 is out of memory"):
        on_device(torch.device("cuda:0"), lambda: torch.empty(2**50, dtype=torch.uint8, device="cuda"))
    on_gpu.fall_back_to_cpu()
    assert torch.cuda.memory_allocated() == before
    np.testing.assert_allclose(on_gpu.predict(IMAGE).depth, predictor.predict(IMAGE).depth, rtol=1e-3)
