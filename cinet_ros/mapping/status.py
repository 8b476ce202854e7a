"""The mapping node's part of /diagnostics: its frames, its poses and its map."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticStatus

from cinet_core.process_memory import resident_memory
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import Conditions, status
from cinet_ros.mapping.map_store import MapStore
from cinet_ros.mapping.pose_sources import PoseSource
from cinet_ros.supervisor import WorkerSupervisor

MEBIBYTE = 2**20


def frames_status(
    name: str, topic: str, counters: FrameCounters, conditions: Conditions, waiting: int
) -> DiagnosticStatus:
    """Row of /diagnostics: where the frames went. received = used + dropped + waiting + in work + incomplete.

    Args:
        name: of the row.
        topic: of the depth.
        counters: since activation.
        conditions: of the frames.
        waiting: frames for their pose, or the worker.
    """
    counts, (rate_in, rate_out) = counters.now(), counters.rates()
    values = {
        "rate in [Hz]": f"{rate_in:.1f}",
        "rate fused [Hz]": f"{rate_out:.1f}",
        "age of the last frame [s]": _age(counters.last_received),
        "received": counts.received,
        "used": counts.used,
        "waiting": waiting,
        **{f"dropped: {reason}": count for reason, count in sorted(counts.drops.items())},
        **{f"{kind} stamps": count for kind, count in sorted(counts.stamps.items())},
    }
    return status(name, topic, "fusing", conditions, values)


def poses_status(name: str, poses: PoseSource, conditions: Conditions) -> DiagnosticStatus:
    """Row of /diagnostics: how many poses came, and what was wrong with them."""
    values = {
        "frame": poses.map_frame,
        "age of the last pose [s]": _age(poses.last_received),
        **dict(sorted(poses.counts().items())),
    }
    return status(name, poses.topic or "TF", "coming", conditions, values)


def map_status(
    name: str, device: str, store: MapStore | None, conditions: Conditions, supervisor: WorkerSupervisor
) -> DiagnosticStatus:
    """Row of /diagnostics: the map, the worker and the memory; ``store`` is None where the node is not configured."""
    memory = resident_memory()
    values = {
        "host memory [MiB]": "unknown" if memory is None else f"{memory / MEBIBYTE:.1f}",
        "worker restarts": supervisor.restarts,
        "threads that hang": supervisor.left_behind,
        "in work for [s]": f"{supervisor.busy_for():.1f}",
    }
    if store is not None:
        known = {**store.statistics, **store.correction, **store.objects.statistics}
        values |= {str(key): str(value) for key, value in known.items()}
    return status(name, device, "not configured" if store is None else "ready", conditions, values)


def _age(moment: float | None) -> str:
    return "none yet" if moment is None else f"{time.monotonic() - moment:.1f}"
