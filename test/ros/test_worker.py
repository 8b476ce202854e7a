"""The latest-frame worker: replaces instead of queueing, survives errors, stops cleanly."""

from __future__ import annotations

import threading
import time

import pytest

from cinet_ros.worker import LatestWorker

WAIT = 5.0


class Recorder:
    """Collects batches; ``gate`` holds the worker inside ``process`` until it is set."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.errors: list[tuple[Exception, dict[str, int]]] = []
        self.entered = threading.Semaphore(0)
        self.finished = threading.Semaphore(0)
        self.gate = threading.Event()

    def process(self, batch: dict[str, int]) -> None:
        self.entered.release()
        assert self.gate.wait(WAIT)
        self.batches.append(batch)
        self.finished.release()
        if -1 in batch.values():
            raise ValueError("bad frame")

    def failed(self, error: Exception, batch: dict[str, int]) -> None:
        self.errors.append((error, batch))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_only_the_latest_of_the_waiting_items_is_processed(recorder: Recorder) -> None:
    worker = LatestWorker(recorder.process, recorder.failed)
    assert worker.submit("", 0) is None
    assert recorder.entered.acquire(timeout=WAIT)  # 0 is in work, not waiting
    assert worker.submit("", 1) is None
    assert worker.submit("", 2) == 1
    assert worker.submit("", 3) == 2
    recorder.gate.set()
    assert recorder.finished.acquire(timeout=WAIT)
    assert recorder.finished.acquire(timeout=WAIT)
    assert worker.stop() == {}
    assert recorder.batches == [{"": 0}, {"": 3}]


def test_cameras_that_wait_together_share_a_batch_and_a_late_one_delays_nobody(recorder: Recorder) -> None:
    worker = LatestWorker(recorder.process, recorder.failed)
    worker.submit("front", 0)
    assert recorder.entered.acquire(timeout=WAIT)
    worker.submit("front", 1)
    worker.submit("rear", 10)
    recorder.gate.set()
    for _ in range(2):
        assert recorder.finished.acquire(timeout=WAIT)
    worker.stop()
    assert recorder.batches == [{"front": 0}, {"front": 1, "rear": 10}]


def test_an_error_is_reported_with_its_batch_and_the_next_frame_is_processed(recorder: Recorder) -> None:
    worker = LatestWorker(recorder.process, recorder.failed)
    recorder.gate.set()
    worker.submit("", -1)
    assert recorder.finished.acquire(timeout=WAIT)
    worker.submit("", 5)
    assert recorder.finished.acquire(timeout=WAIT)
    worker.stop()
    assert [(str(error), batch) for error, batch in recorder.errors] == [("bad frame", {"": -1})]
    assert recorder.batches[-1] == {"": 5}


def test_a_failing_error_handler_does_not_end_the_worker(recorder: Recorder) -> None:
    def broken(error: Exception, batch: dict[str, int]) -> None:
        raise RuntimeError("no logger")

    worker = LatestWorker(recorder.process, broken)
    recorder.gate.set()
    for item in (-1, 5):
        worker.submit("", item)
        assert recorder.finished.acquire(timeout=WAIT)
    worker.stop()
    assert recorder.batches == [{"": -1}, {"": 5}]


def test_stop_returns_what_still_waited_and_refuses_more(recorder: Recorder) -> None:
    worker = LatestWorker(recorder.process, recorder.failed)
    worker.submit("", 0)
    assert recorder.entered.acquire(timeout=WAIT)
    worker.submit("", 1)
    threading.Timer(0.1, recorder.gate.set).start()
    assert worker.stop() == {"": 1}
    with pytest.raises(RuntimeError, match="stopped"):
        worker.submit("", 2)


def test_stop_leaves_a_batch_that_hangs_and_says_so(recorder: Recorder) -> None:
    worker = LatestWorker(recorder.process, recorder.failed)
    worker.submit("", 0)
    assert recorder.entered.acquire(timeout=WAIT)
    worker.submit("", 1)
    assert worker.stop(timeout=0.05) == {"": 1}, "what waited is handed back nevertheless"
    assert worker.running
    recorder.gate.set()
    assert recorder.finished.acquire(timeout=WAIT)
    assert worker.stop() == {}
    assert not worker.running


def test_it_tells_how_long_the_batch_in_work_has_taken(recorder: Recorder) -> None:
    worker = LatestWorker(recorder.process, recorder.failed)
    assert worker.busy_for() == 0.0
    worker.submit("", 0)
    assert recorder.entered.acquire(timeout=WAIT)
    first = worker.busy_for()
    assert 0.0 < first < worker.busy_for()
    recorder.gate.set()
    worker.stop()
    assert worker.busy_for() == 0.0


def test_keys_in_an_order_have_a_turn_each_and_those_with_more_to_do_go_again() -> None:
    entered, gate, done = threading.Event(), threading.Event(), []
    left = {"frames": 3, "calls": 2}

    def process(batch: dict[str, int]) -> bool:
        entered.set()
        assert gate.wait(WAIT)
        (key,) = batch
        done.append(key)
        left[key] = left.get(key, 1) - 1
        return left[key] > 0

    worker = LatestWorker(process, lambda error, batch: None, order=("calls", "map", "frames"))
    worker.submit("frames", 0)
    assert entered.wait(WAIT)
    for key in ("map", "calls", "frames"):
        worker.submit(key, 0)
    gate.set()
    deadline = time.monotonic() + WAIT
    while len(done) < 6 and time.monotonic() < deadline:
        time.sleep(0.002)
    worker.stop()
    assert done == ["frames", "calls", "calls", "map", "frames", "frames"]


def test_what_is_to_go_again_does_not_replace_a_newer_item() -> None:
    seen: list[int] = []
    entered, gate = threading.Event(), threading.Event()

    def process(batch: dict[str, int]) -> bool:
        entered.set()
        assert gate.wait(WAIT)
        seen.append(batch["frames"])
        return len(seen) < 2

    worker = LatestWorker(process, lambda error, batch: None)
    worker.submit("frames", 1)
    assert entered.wait(WAIT)
    worker.submit("frames", 2)
    gate.set()
    deadline = time.monotonic() + WAIT
    while len(seen) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    assert worker.stop() == {}
    assert seen == [1, 2]
