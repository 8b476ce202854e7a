"""Supervises a worker: replaces one that hangs or has died, and reports when only a new process can recover.

A thread cannot be ended from outside. One that hangs is left behind: nothing of it is published or counted any more,
and a new one takes over. Each keeps the memory of its frame, so their number is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from cinet_ros.camera import Job
from cinet_ros.diagnostics import ERROR, WARN, Conditions
from cinet_ros.worker import LatestWorker

# One more that hangs, and a new process is the remedy: what made three threads hang will make the fourth.
MAX_LEFT_BEHIND = 2

HUNG_REMEDY = (
    "if the network is only slow, raise watchdog_timeout; else look into the log of the device's driver (dmesg)"
)


class FrameProcessor(Protocol):
    """What a worker runs.

    Attributes:
        published: whether anything has been published.
        fallback: why it runs on the CPU although another device was requested, or None.
        lost_device: why only a new process can use the device, or None.
        progressed: when it last came forward within a turn that may take long, steady clock, seconds; 0: never.
    """

    published: bool
    fallback: str | None
    lost_device: str | None
    progressed: float

    def process(self, batch: dict[str, Job]) -> bool | None:
        """Called by `LatestWorker`."""

    def failed(self, error: Exception, batch: dict[str, Job]) -> None:
        """Called by `LatestWorker`."""

    def abandon(self, reason: str) -> None:
        """Publish nothing more, and count the current frames. Thread-safe."""


class WorkerSupervisor:
    """Supervises the worker of a node and keeps track of threads that hang.

    Args:
        conditions: where trouble is reported.
        on_left_behind: called when a thread is left behind with what it works on, before another is started.
        order: as `LatestWorker` takes it.
    """

    def __init__(self, conditions: Conditions, on_left_behind: Callable[[], None], order: Sequence[str] = ()) -> None:
        self.restarts = 0
        self._conditions = conditions
        self._on_left_behind = on_left_behind
        self._order = order
        self._make: Callable[[], FrameProcessor] | None = None
        self._pipeline: FrameProcessor | None = None
        self._worker: LatestWorker[Job] | None = None
        self._left_behind: list[LatestWorker[Job]] = []

    @property
    def working(self) -> bool:
        """Whether a worker accepts frames."""
        return self._worker is not None

    @property
    def left_behind(self) -> int:
        """The number of threads that still hang."""
        self._left_behind = [worker for worker in self._left_behind if worker.running]
        return len(self._left_behind)

    def busy_for(self) -> float:
        """Seconds since the current turn began."""
        return self._worker.busy_for() if self._worker is not None else 0.0

    def start(self, make: Callable[[], FrameProcessor]) -> None:
        """Start a worker.

        Args:
            make: builds the work of a worker; called again for one that replaces it.

        Raises:
            RuntimeError: too many threads hang already, or the system gives no further one.
        """
        if self.left_behind > MAX_LEFT_BEHIND:
            raise RuntimeError(self._too_many())
        self._make = make
        self._begin()

    def submit(self, camera: str, job: Job) -> Job | None:
        """Submit an item as `LatestWorker.submit` does.

        Raises:
            RuntimeError: there is no worker.
        """
        if self._worker is None:
            raise RuntimeError("there is no worker: start one")
        return self._worker.submit(camera, job)

    def stop(self, timeout: float, reason: str) -> dict[str, Job]:
        """Stop the worker after its current frame, and return the waiting items, which were not counted.

        A frame that does not end within ``timeout`` seconds is counted as dropped for ``reason``, and its thread left
        behind. Does nothing where there is no worker.
        """
        worker, pipeline = self._worker, self._pipeline
        self._worker = self._pipeline = None
        self._conditions.clear("hung")
        if worker is None or pipeline is None:
            return {}
        waiting = worker.stop(timeout)
        pipeline.abandon(reason)  # a worker that ended has nothing in work, unless it died of it
        if worker.running:
            self._left_behind.append(worker)
            self._on_left_behind()
            self.report()
        return waiting

    def check(self, timeout: float) -> str | None:
        """Check the worker, and return why the process has to end, or None. Call it periodically.

        Args:
            timeout: how long a frame may take, seconds; 0: forever.
        """
        if self._worker is None or self._pipeline is None:
            return None
        if self._pipeline.lost_device is not None:
            return f"{self._pipeline.lost_device}: no frame of this process will succeed any more"
        trouble = self._trouble(self._worker, self._pipeline, timeout)
        if trouble is None:
            return None
        waiting = self.stop(0.0, "hung")
        if self.left_behind > MAX_LEFT_BEHIND:
            return f"{trouble}, and {self._too_many()}"
        self.restarts += 1
        try:
            self._begin()
        except RuntimeError as error:
            return f"{trouble}, and no new worker could be started: {error}"
        for camera, job in waiting.items():
            self.submit(camera, job)
        text = f"{trouble}: it is dropped, and a new worker has taken over; {HUNG_REMEDY}"
        self._conditions.report("hung", ERROR, text, lasting=True)
        return None

    def report(self) -> None:
        """Update the diagnostics about the worker and its predecessors. Call it periodically."""
        pipeline = self._pipeline
        if pipeline is not None and pipeline.published:
            self._conditions.clear("hung")
        if pipeline is not None and pipeline.fallback is not None:
            text = (
                f"predicting on the CPU since {pipeline.fallback}. It is slow: free memory on the device, then "
                "deactivate, clean up and configure the node"
            )
            self._conditions.report("fallback", WARN, text, lasting=True)
        hanging = self.left_behind
        if hanging:
            text = f"{hanging} of at most {MAX_LEFT_BEHIND} threads hang and keep their memory: restart the node"
            self._conditions.report("left_behind", WARN, text, lasting=True)
        else:
            self._conditions.clear("left_behind")

    @staticmethod
    def _trouble(worker: LatestWorker[Job], work: FrameProcessor, timeout: float) -> str | None:
        if not worker.running:
            return "the worker has died"
        if 0 < timeout < min(worker.busy_for(), time.monotonic() - work.progressed):
            return f"the frame in work did not end within watchdog_timeout = {timeout:g} s"
        return None

    def _begin(self) -> None:
        assert self._make is not None
        pipeline = self._make()
        self._worker = LatestWorker(pipeline.process, pipeline.failed, name="worker", order=self._order)
        self._pipeline = pipeline

    def _too_many(self) -> str:
        return f"{self.left_behind} threads hang, more than the {MAX_LEFT_BEHIND} that may be left behind"
