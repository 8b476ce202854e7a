"""What the phases of the node's measurement amount to: arithmetic only, on what listener, floor and sampler wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.benchmarks.nodes.listener import STAGES
from scripts.benchmarks.nodes.phases import ALL_NAME, FLOOR, PAIR_NAME, Phase, floor_name
from scripts.benchmarks.nodes.processes import Samples
from scripts.benchmarks.rows import Row, Value, milliseconds

Arrays = Mapping[str, npt.NDArray[Any]]
Values = npt.NDArray[np.float64]
# Of a frame: what the network takes, on whatever device.
NETWORK_STAGES = ("upload", "network", "download")
TAIL = 99


@dataclass(frozen=True)
class NodeRecording:
    """What was written.

    Attributes:
        phases: that the listener took.
        got: the listener's arrays.
        floor: of the publisher of ready messages.
        samples: of the node's process.
    """

    phases: Sequence[Phase]
    got: Arrays
    floor: Arrays
    samples: Samples

    def spans(self, name: str) -> list[tuple[float, float]]:
        """Steady seconds, begin and end, of all phases of a name."""
        pairs = zip(self.phases, self.got["spans"], strict=True)
        return [(float(begin), float(end)) for phase, (begin, end) in pairs if phase.name == name]

    def frames(self, name: str) -> dict[str, Values]:
        """Statistics of the frames that arrived within the phases of a name."""
        inside = self._within(self.got["arrival"], name)
        columns = ("latency", "receive_latency", *STAGES)
        return {column: self.got[column][inside].astype(np.float64) for column in columns}

    def floor_seconds(self, name: str, serialised: bool = False) -> Values:
        """Of the frames that were published from ready messages within the phases of a name."""
        taken = self._within(self.floor["begun"], name) & (self.floor["serialised"] == serialised)
        return np.asarray(self.floor["seconds"][taken], dtype=np.float64)

    def processor_seconds(self, name: str) -> float:
        """That the node spent within the phases of a name."""
        times, spent = self.samples.seconds, self.samples.spent
        spans = self.spans(name)
        return float(sum(np.interp(end, times, spent) - np.interp(begin, times, spent) for begin, end in spans))

    def _within(self, moments: npt.NDArray[Any], name: str) -> npt.NDArray[np.bool_]:
        inside = np.zeros(len(moments), dtype=bool)
        for begin, end in self.spans(name):
            inside |= (moments > begin) & (moments < end)
        return inside


def phase_rows(recording: NodeRecording) -> Iterator[Row]:
    """Latency by what is subscribed to; stages, the input, and the overhead against its floor."""
    names = list(dict.fromkeys(phase.name for phase in recording.phases if phase.stats and phase.seconds > 0))
    for name in names:
        yield _subscribed(recording, name)
    everything = recording.frames(ALL_NAME)
    yield _latency("input: stamp to image callback", ALL_NAME, everything["latency"] - everything["receive_latency"])
    for name in (ALL_NAME, PAIR_NAME):
        yield from _stages(recording, name)
        yield from overhead_rows(recording, name)


def _stages(recording: NodeRecording, name: str) -> Iterator[Row]:
    """Those that there are; and what is in none of them, such as the wait for the worker's thread to wake up."""
    frames = recording.frames(name)
    for stage in STAGES:
        if frames[stage].any():
            yield _latency(f"stage, {name}", stage, frames[stage])
    accounted = np.sum([frames[stage] for stage in STAGES], axis=0)
    yield _latency(f"stage, {name}", "all that is in none", frames["receive_latency"] - accounted)


def _subscribed(recording: NodeRecording, name: str) -> Row:
    """Stamp to last publish; beside it from the callback on, and what the node's process spent."""
    frames, spent = recording.frames(name), recording.processor_seconds(name)
    wall = sum(end - begin for begin, end in recording.spans(name))
    received = 1000 * frames["receive_latency"]
    beside: dict[str, Value] = {}
    if len(received):
        beside = {
            "from callback, p50 [ms]": float(np.median(received)),
            f"from callback, p{TAIL} [ms]": float(np.percentile(received, TAIL)),
            "processor a frame [ms]": 1000 * spent / len(received),
            "processor [% of a core]": 100 * spent / wall,
        }
    return _latency("stamp to last publish", name, frames["latency"], beside)


def overhead_rows(recording: NodeRecording, name: str) -> Iterator[Row]:
    """Image callback to the return of the last publish, without the network; the floor; and one over the other."""
    frames, floor = recording.frames(name), recording.floor_seconds(floor_name(name))
    overhead = frames["receive_latency"] - sum(frames[stage] for stage in NETWORK_STAGES)
    yield _latency("ready messages published (floor)", name, floor)
    sent = recording.floor_seconds(floor_name(name), serialised=True)
    yield _latency("the same, serialised beforehand as the node does", name, sent)
    share = float(np.median(overhead) / np.median(floor))
    beside: dict[str, Value] = {"times the floor": share}
    yield _latency("overhead: callback to last publish - network", name, overhead, beside)


def frame_rate_rows(got: Arrays, rate: float) -> Iterator[Row]:
    """Frames a second of which every topic has arrived, in each second of the last phase; and how long these took.

    Args:
        got: the listener's arrays.
        rate: of the camera, Hz.
    """
    begin, end = got["spans"][-1]
    complete = whole_frames(got)
    arrivals = got["arrivals/stats"][np.isin(got["stamps/stats"], complete)]
    seconds = max(1, int(end - begin))
    counts, _ = np.histogram(arrivals, bins=seconds, range=(float(begin), float(begin) + seconds))
    yield Row.of(f"whole frames, camera at {rate:g} Hz", ALL_NAME, "1/s", [float(count) for count in counts])
    inside = (got["arrival"] > begin) & (got["arrival"] < end)
    network = sum(got[stage][inside] for stage in NETWORK_STAGES)
    yield _latency(f"network, camera at {rate:g} Hz", ALL_NAME, network)
    yield _latency(f"begin of work to last publish, camera at {rate:g} Hz", ALL_NAME, _worked(got)[inside])


def _worked(got: Arrays) -> Values:
    """Seconds from the begin of a frame's work to its last publish: the sum of its stages."""
    return np.sum([got[stage] for stage in STAGES], axis=0)


def whole_frames(got: Arrays) -> npt.NDArray[np.int64]:
    """Stamps that arrived on every topic that was listened to."""
    topics = [values for name, values in got.items() if name.startswith("stamps/") and FLOOR not in name]
    common = topics[0]
    for stamps in topics[1:]:
        common = np.intersect1d(common, stamps)
    return np.asarray(common, dtype=np.int64)


def memory_rows(samples: Samples) -> Iterator[Row]:
    """Of the node's process, over all phases."""
    for kind, values in (("resident", samples.resident), ("private", samples.private)):
        yield Row.of("memory of the node", kind, "MB", values, beside={"most": max(values)})


def _latency(quantity: str, subject: str, seconds: Values, beside: Mapping[str, Value] | None = None) -> Row:
    if len(seconds) == 0:
        raise ValueError(f"{quantity}, {subject}: no frame came; measure longer")
    tail: dict[str, Value] = {f"p{TAIL} [ms]": 1000 * float(np.percentile(seconds, TAIL))}
    return Row.of(quantity, subject, "ms", milliseconds(seconds.tolist()), beside=tail | dict(beside or {}))
