"""What the mapper's measurement amounts to: arithmetic only, on what the robot beside it has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from scripts.benchmarks.rows import Row, Value

CounterValues = Mapping[str, int]


class SaveCall(NamedTuple):
    """One call of save: when, seconds until the answer, and what that was."""

    begun: float
    seconds: float
    success: bool
    message: str


@dataclass
class MappingRecord:
    """What the robot saw; all moments in seconds of the steady clock.

    Attributes:
        camera: arrivals of the camera's frames.
        maps: arrivals of the map.
        counts: when, and the mapper's counts of its frames by their names in /diagnostics.
        saves: calls, answered or not.
        span: begin and end of the measurement.
        backend: that the perception node predicted with at its end.
    """

    camera: list[float] = field(default_factory=list)
    maps: list[float] = field(default_factory=list)
    counts: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    saves: list[SaveCall] = field(default_factory=list)
    span: tuple[float, float] = (0.0, 0.0)
    backend: str = ""

    def as_json(self) -> dict[str, Any]:
        """As values that JSON has."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> MappingRecord:
        """Inverse of `as_json`."""
        lists = {
            "counts": [(when, counts) for when, counts in values["counts"]],
            "saves": [SaveCall(*call) for call in values["saves"]],
            "span": tuple(values["span"]),
        }
        return cls(**{**values, **lists})


class FusedCounts(NamedTuple):
    """Frames between the first and the last report of the mapper within the measurement."""

    sent: int  # by the camera
    received: int
    used: int
    drops: dict[str, int]  # by reason


def fused(record: MappingRecord) -> FusedCounts:
    """What became of the frames.

    Raises:
        ValueError: the mapper reported fewer than two times.
    """
    begin, end = record.span
    inside = [(when, counts) for when, counts in record.counts if begin <= when <= end]
    if len(inside) < 2:
        raise ValueError(f"{len(inside)} reports of the mapper's frames in {end - begin:.0f} s: measure longer")
    (first, before), (last, after) = inside[0], inside[-1]
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    drops = {name.partition(": ")[2]: count for name, count in grown.items() if name.startswith("dropped") and count}
    sent = sum(first < moment <= last for moment in record.camera)
    return FusedCounts(sent, grown["received"], grown["used"], drops)


def mapping_rows(subject: str, records: Sequence[MappingRecord]) -> Iterator[Row]:
    """Frames fused, time between maps, and time of save; each run is one value of the first.

    Args:
        subject: whose nodes these are.
        records: one a run.
    """
    frames = [fused(record) for record in records]
    beside: dict[str, Value] = {
        "sent": sum(each.sent for each in frames),
        "received": sum(each.received for each in frames),
        "fused": sum(each.used for each in frames),
        "dropped": "; ".join(_in_words(each.drops) for each in frames),
        "backend": ", ".join(sorted({record.backend for record in records})),
    }
    shares = [100.0 * each.used / max(each.sent, 1) for each in frames]
    yield Row.of("frames fused, of those that the camera sent", subject, "%", shares, beside=beside)
    gaps = [float(gap) for record in records for gap in gaps_between_maps(record)]
    count = sum(len(_inside(record, record.maps)) for record in records)
    yield Row.of("time between maps", subject, "s", gaps, beside={"maps": count, "longest [s]": max(gaps)})
    saves = [call for record in records for call in record.saves]
    if saves:
        seconds = [call.seconds for call in saves]
        done = sum(call.success for call in saves)
        said = next((call.message for call in saves if not call.success), "")
        longest: dict[str, Value] = {"saved": f"{done} of {len(saves)}", "longest [s]": max(seconds), "else": said}
        yield Row.of("save, call to answer", subject, "s", seconds, beside=longest)


def gaps_between_maps(record: MappingRecord) -> list[float]:
    """Seconds from one map to the next; what is before the first and after the last counts as a gap too."""
    begin, end = record.span
    return np.diff([begin, *_inside(record, record.maps), end]).tolist()


def _inside(record: MappingRecord, moments: Sequence[float]) -> list[float]:
    begin, end = record.span
    return [moment for moment in moments if begin <= moment <= end]


def _in_words(drops: CounterValues) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items())) or "none"
