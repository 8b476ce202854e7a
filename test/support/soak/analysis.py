"""What long runs are judged by: growth of memory, change of latency, and frames that add up.

`Arrays` are what the camera (``stamps``, ``span``) and the listener (``stamps/TOPIC`` and its `STATS`) have written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.benchmarks.nodes.processes import Samples

Values = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]
OUTER_THIRDS = ("first_third", "last_third")


@dataclass(frozen=True)
class Growth:
    """A straight line through samples.

    Attributes:
        per_hour: its slope, units an hour.
        over_span: how much it rises from the first to the last sample.
        standard_error: of `over_span`, from the scatter about the line.
    """

    per_hour: float
    over_span: float
    standard_error: float


def growth(seconds: npt.ArrayLike, values: npt.ArrayLike) -> Growth:
    """Least-squares line through (N,) samples over time; N >= 3.

    Raises:
        ValueError: fewer than three samples.
    """
    x, y = np.asarray(seconds, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(x) < 3:
        raise ValueError(f"{len(x)} samples have no trend: 3 are needed, run longer")
    span = x[-1] - x[0]
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    scatter = y - y.mean() - slope * centred
    error = float(np.sqrt(scatter @ scatter / (len(x) - 2) / (centred @ centred)))
    return Growth(3600 * slope, slope * span, error * span)


def latencies(seconds: npt.ArrayLike) -> dict[str, float]:
    """p50, p90, p99 and max of (N,) latencies, milliseconds."""
    values = 1e3 * np.asarray(seconds, dtype=np.float64)
    results = {f"p{share}": float(np.percentile(values, share)) for share in (50, 90, 99)}
    return {**results, "max": float(values.max())}


def outer_thirds(values: npt.ArrayLike) -> tuple[Values, Values]:
    """The first and the last third of (N,) values, N >= 3.

    Raises:
        ValueError: fewer than three values.
    """
    array = np.asarray(values, dtype=np.float64)
    third = len(array) // 3
    if third == 0:
        raise ValueError(f"{len(array)} values have no thirds: 3 are needed, run longer")
    return array[:third], array[-third:]


def unaccounted(received: npt.ArrayLike, used: npt.ArrayLike, dropped: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """(N,) frames that were received and are neither used nor dropped: those that wait for the worker."""
    arrays = [np.asarray(values).astype(np.int64) for values in (received, used, dropped)]
    return arrays[0] - arrays[1] - arrays[2]


def frame_counts(sent: Arrays, got: Arrays) -> dict[str, float]:
    """Where the frames went; the node's last word came when all had arrived."""
    count, seconds = len(sent["stamps"]), float(np.diff(sent["span"])[0])
    received, used, dropped = (int(got[name][-1]) for name in ("received", "used", "dropped"))
    waiting = unaccounted(got["received"], got["used"], got["dropped"])
    return {
        "sent": count,
        "sent_hz": round(count / seconds, 2),
        "received": received,
        "received_share": round(received / count, 4),
        "used": used,
        "used_hz": round(used / seconds, 2),
        "dropped": dropped,
        "unaccounted_least": int(waiting.min()),
        "unaccounted_most": int(waiting.max()),
        "stats_taken": len(got["used"]),
    }


def memory_growth(samples: Samples, warm: float) -> dict[str, dict[str, float]]:
    """Memory of the node after the warm-up (steady seconds), megabytes."""
    seconds = np.asarray(samples.seconds)
    results = {}
    for name, values in (("resident", samples.resident), ("private", samples.private)):
        trend = growth(seconds[seconds > warm], np.asarray(values)[seconds > warm])
        results[name] = {
            "at_the_end": values[-1],
            "growth": trend.over_span,
            "growth_error": trend.standard_error,
            "growth_per_hour": trend.per_hour,
        }
    return {name: rounded(values) for name, values in results.items()}


def latency_change(got: Arrays, warm: float) -> dict[str, dict[str, float]]:
    """Callback-to-publish latency after the warm-up (steady seconds): of all frames, and of the outer thirds, ms."""
    values = got["receive_latency"][got["arrival"] > warm]
    parts = {"all": values, **dict(zip(OUTER_THIRDS, outer_thirds(values), strict=True))}
    return {name: rounded(latencies(part)) for name, part in parts.items()}


def strange_stamps(sent: npt.NDArray[np.int64], got: Arrays) -> dict[str, int]:
    """How many output messages have a stamp that no image had, or one that the same topic had before."""
    topics = [stamps for name, stamps in got.items() if name.startswith("stamps/")]
    return {
        "never_sent": sum(int((~np.isin(stamps, sent)).sum()) for stamps in topics),
        "repeated": sum(len(stamps) - len(np.unique(stamps)) for stamps in topics),
    }


def within(got: Arrays, spans: Sequence[npt.NDArray[np.float64]], warm_up: float) -> Arrays:
    """Statistics of the frames within spans of steady time, without the first ``warm_up`` share of each."""
    arrival = got["arrival"]
    inside = np.zeros(len(arrival), dtype=bool)
    for begin, end in spans:
        inside |= (arrival > begin + warm_up * (end - begin)) & (arrival < end)
    return {name: values[inside] for name, values in got.items() if not name.startswith("stamps/")}


def dropped_share(got: Arrays, spans: Sequence[npt.NDArray[np.float64]], warm_up: float) -> float:
    """Share of the frames received within spans of steady time (as `within`) that were dropped."""
    change = dict.fromkeys(("received", "dropped"), 0.0)
    for span in spans:
        values = within(got, [span], warm_up)
        for name in change:
            change[name] += values[name][-1] - values[name][0]
    return change["dropped"] / change["received"]


def rounded(results: Mapping[str, float]) -> dict[str, float]:
    """Two digits after the point are more than can be repeated."""
    return {name: round(value, 2) for name, value in results.items()}
