"""Subscribes to what a phase names, one phase after another, and notes what came when.

``python -m scripts.benchmarks.nodes.listener --phases FILE --output FILE`` ends when all phases have.
"""

from __future__ import annotations

import argparse
import array
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from cinet_core.messages.topics import STATS
from cinet_ros.frame_messages import MESSAGE_TYPES
from cinet_ros.msg import PerceptionStats
from cinet_ros.stop_request import StopRequest
from scripts.benchmarks.nodes.phases import FLOOR, Phase, read_phases

STAGES = ("decode", "rectify", "upload", "network", "download", "build", "compress", "publish")
FRAME_STATISTICS = ("stamp", "arrival", "receive_latency", "latency", "received", "used", "dropped")
QUEUE_DEPTH = 10
POLL_SECONDS = 0.05
# Of a phase, before it counts: for subscriptions that are still being matched.
SETTLE_SECONDS = 0.7
# For the first message of each topic; the first phase waits for the node to start.
PATIENCE = 300.0
# In front of a message on the wire: its byte order (the second byte) and padding.
_ENCAPSULATION_BYTES = 4


class OutputListener(Node):
    """Notes stamp and arrival of every message, and of `stats` the values.

    Attributes:
        stamps, arrivals: by topic; nanoseconds, and seconds of the steady clock.
        stats: by the names in `FRAME_STATISTICS` and `STAGES`; seconds, and nanoseconds of the stamp; stages that a
            frame did not have are 0.
        backend: that the latest frame was predicted with.
    """

    def __init__(self) -> None:
        super().__init__("listener")
        self.stamps: dict[str, array.array[int]] = {}
        self.arrivals: dict[str, array.array[float]] = {}
        self.stats = {name: array.array("q" if name == "stamp" else "d") for name in (*FRAME_STATISTICS, *STAGES)}
        self.backend = ""
        self._taken: dict[str, Any] = {}

    def take(self, phase: Phase) -> None:
        """Subscribe to what a phase names, and to nothing else; what both name stays as it is."""
        for topic in phase.expected:
            if topic not in self._taken:
                self._taken[topic] = self._subscription(topic)
        for topic in self._taken.keys() - set(phase.expected):
            self.destroy_subscription(self._taken.pop(topic))

    def _subscription(self, topic: str) -> Any:
        if topic == STATS:
            return self.create_subscription(PerceptionStats, topic, self._note_stats, QUEUE_DEPTH)
        kind = MESSAGE_TYPES[topic.removeprefix(FLOOR)]
        return self.create_subscription(kind, topic, self._noting(topic), QUEUE_DEPTH, raw=True)

    def has_heard(self, phase: Phase, since: float) -> bool:
        """Whether every topic of a phase has come since then, steady seconds."""
        latest = {topic: values[-1] for topic, values in self.arrivals.items()}
        return all(latest.get(topic, 0.0) > since for topic in phase.expected)

    def _noting(self, topic: str) -> Callable[[bytes], None]:
        def note(serialized: bytes) -> None:
            self._note(topic, stamp_of(serialized))

        return note

    def _note(self, topic: str, stamp: int) -> None:
        self.stamps.setdefault(topic, array.array("q")).append(stamp)
        self.arrivals.setdefault(topic, array.array("d")).append(time.monotonic())

    def _note_stats(self, message: PerceptionStats) -> None:
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        self._note(STATS, stamp)
        self.backend = message.backend
        self.stats["stamp"].append(stamp)
        counts = (message.frames_received, message.frames_used, message.frames_dropped)
        values = (time.monotonic(), message.receive_latency, message.latency, *counts)
        for name, value in zip(FRAME_STATISTICS[1:], values, strict=True):
            self.stats[name].append(value)
        stages = {part.stage: part.seconds for part in message.stages}
        for name in STAGES:
            self.stats[name].append(stages.get(name, 0.0))

    def save(self, path: Path, spans: list[tuple[float, float]]) -> None:
        """Write all as ``stamps/TOPIC``, ``arrivals/TOPIC`` and the names of `stats`; and the spans of the phases.

        Args:
            path: .npz.
            spans: steady seconds, begin and end of each phase.
        """
        arrays: dict[str, Any] = {name: np.asarray(values) for name, values in self.stats.items()}
        arrays |= {f"stamps/{topic}": np.asarray(values) for topic, values in self.stamps.items()}
        arrays |= {f"arrivals/{topic}": np.asarray(values) for topic, values in self.arrivals.items()}
        np.savez(path, spans=np.asarray(spans), **arrays)


def stamp_of(serialized: bytes) -> int:
    """Stamp in nanoseconds of a serialized message that begins with a header; large ones are not worth unpacking."""
    order = "<" if serialized[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", serialized, _ENCAPSULATION_BYTES)
    return int(seconds * 1_000_000_000 + nanoseconds)


def run_phase(
    listener: OutputListener, spin: Callable[[], None], phase: Phase, backend: str = ""
) -> tuple[float, float]:
    """Take a phase until it is over; its span, steady seconds, without what came before all was matched.

    Args:
        listener: that takes.
        spin: serves it for a moment; raises where it is to end.
        phase: to take.
        backend: that the node has to have come to; "": any.

    Raises:
        TimeoutError: a topic did not come, or the backend.
    """
    begun = time.monotonic()
    listener.take(phase)
    while not listener.has_heard(phase, begun) or (backend and listener.backend != backend):
        if time.monotonic() > begun + PATIENCE:
            raise TimeoutError(f"{phase.name}: not all of {phase.expected} came from backend {backend or 'any'}")
        spin()
    settled = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < settled + phase.seconds:
        spin()
    return settled, time.monotonic()


def main() -> int:
    """Take all phases, and save; 1 where a signal came before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=Path, required=True, help="JSON of `write_phases`")
    parser.add_argument("--output", type=Path, required=True, help=".npz")
    parser.add_argument("--backend", default="", help="wait in the first phase until the node predicts with this one")
    options = parser.parse_args()
    stop = StopRequest()
    stop.listen()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    listener = OutputListener()
    executor = SingleThreadedExecutor()
    executor.add_node(listener)

    def spin() -> None:
        if stop():
            raise KeyboardInterrupt
        executor.spin_once(timeout_sec=POLL_SECONDS)

    print("listening", flush=True)
    try:
        spans = []
        for index, phase in enumerate(read_phases(options.phases)):
            spans.append(run_phase(listener, spin, phase, "" if index else options.backend))
        listener.save(options.output, spans)
    except KeyboardInterrupt:
        return 1
    finally:
        listener.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
