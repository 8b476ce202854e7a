"""Selects the runtime of a core graph: the fastest that works on this machine, which is measured once and cached.

The counterpart of `selection` without PyTorch: a runtime is compared with what PyTorch answered when the graph was
made.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from cinet_core.inference.agreement import check_difference, tolerance_of
from cinet_core.inference.availability import NO_TORCH, check_backend, missing_requirement, resolve_precision
from cinet_core.inference.backend import CHOSEN, CPU, Backend, BackendOutput
from cinet_core.inference.background import BackgroundBackend
from cinet_core.inference.choices import AUTO, COMPILED, INT8, TORCH
from cinet_core.inference.core_backend import CoreBackend, GraphSizes
from cinet_core.inference.core_graph import CoreGraph, sampled
from cinet_core.inference.example_rooms import COMPARISON, example_rooms
from cinet_core.inference.measurements import (
    cache_folder,
    digest,
    fastest,
    in_words,
    machine_facts,
    measured_times,
    read_times,
    write_times,
)

__all__ = ["CANDIDATES", "check_core_backend", "check_reference", "select_core"]

CANDIDATES = ("openvino", "onnxruntime")
"""What `auto` tries; the first that is installed predicts meanwhile."""

# One check or measurement at a time in a process.
_PREPARING = threading.Lock()
_log = logging.getLogger(__name__)


def check_core_backend(name: str, precision: str) -> None:
    """Raise ValueError if a backend or precision does not exist, is not installed, or is none of a core graph's."""
    if name in (TORCH, COMPILED):
        raise ValueError(
            f"backend {name} takes a checkpoint, not a core graph: give the .safetensors file ({NO_TORCH})"
        )
    if precision == INT8:
        raise ValueError(
            f"precision {INT8} is made of a checkpoint, by PyTorch: give the .safetensors file ({NO_TORCH})"
        )
    check_backend(AUTO, precision, CPU)
    if name == AUTO:
        if not _installed(resolve_precision(precision, CPU)):
            raise ValueError("; ".join(str(_missing(one, resolve_precision(precision, CPU))) for one in CANDIDATES))
        return
    check_backend(name, precision, CPU, exporting=())


def select_core(
    name: str,
    graph: CoreGraph,
    sizes: GraphSizes,
    precision: str = AUTO,
    background: bool = False,
    folder: Path | None = None,
) -> Backend:
    """Build the backend of a core graph for images of one size.

    Each runtime is compared with the graph's reference answers the first time that it runs here in this version. "auto"
    times every one that is installed, once, and remembers the fastest for this graph, these sizes and this machine.

    Args:
        name: "auto", or one of `CANDIDATES`.
        graph: to be run.
        sizes: that it is run at.
        precision: one of `choices.PRECISIONS` but "int8".
        background: where several are to be timed, predict with the first of them meanwhile.
        folder: of what is remembered; None: `measurements.cache_folder()`.

    Raises:
        ValueError: as `check_core_backend`.
        RuntimeError: no runtime takes the graph, or answers as PyTorch did.
    """
    check_core_backend(name, precision)
    precision = resolve_precision(precision, CPU)
    chosen = _Remembered(folder or cache_folder(), graph, sizes, precision)
    if name != AUTO:
        return _checked(name, graph, sizes, precision, chosen, CHOSEN)
    names = _installed(precision)
    if len(names) == 1:
        return _checked(names[0], graph, sizes, precision, chosen, "the only runtime that is installed")
    known = chosen.times()
    if known is not None and known.keys() == set(names):
        reason = f"fastest here when measured: {in_words(known)}"
        return CoreBackend(graph, sizes, fastest(known), precision, reason)
    if not background:
        return _timed(names, graph, sizes, precision, chosen)
    first = _checked(names[0], graph, sizes, precision, chosen, "until the others are measured")
    return BackgroundBackend(first, lambda: _timed(names, graph, sizes, precision, chosen))


def check_reference(graph: CoreGraph, name: str, precision: str) -> None:
    """Raise RuntimeError where a runtime does not answer as PyTorch did, at the training's size."""
    tolerance = tolerance_of(precision, CPU.type)
    size = graph.metadata.camera.size
    backend = CoreBackend(graph, GraphSizes(size, size, size, graph.metadata.depth_range), name, precision)
    try:
        output = backend.run(*example_rooms(size, COMPARISON[: tolerance.rooms]))
    finally:
        backend.close()
    got = {one: sampled(values) for one, values in output.outputs.items()}
    expected = {one: values[: tolerance.rooms] for one, values in graph.reference.items()}
    if any(got[one].shape != values.shape for one, values in expected.items()):
        raise RuntimeError("its reference answers are of other sizes: export the graph anew")
    check_difference(BackendOutput(got, {}), BackendOutput(expected, {}), tolerance)


class _Remembered:
    """What earlier starts found out about a graph at these sizes here: times, and which runtimes answered rightly."""

    def __init__(self, folder: Path, graph: CoreGraph, sizes: GraphSizes, precision: str) -> None:
        machine = {"graph": graph.file_sha256, **machine_facts(CPU.type, precision)}
        self._times = folder / f"core-times-{digest({**machine, 'sizes': list(sizes)})}.json"
        self._right = folder / f"core-checked-{digest(machine)}.json"

    def times(self) -> dict[str, float] | None:
        return read_times(self._times)

    def remember_times(self, times: dict[str, float]) -> None:
        _keep(self._times, times)

    def is_right(self, name: str) -> bool:
        return name in (read_times(self._right) or {})

    def remember_right(self, name: str) -> None:
        _keep(self._right, {**(read_times(self._right) or {}), name: 1.0})


def _keep(path: Path, values: dict[str, float]) -> None:
    try:
        write_times(path, values)
    except OSError as error:  # a robot's home may be read-only: it is found out again at the next start
        _log.info("%s cannot be written (%s)", path, error)


def _missing(name: str, precision: str) -> str | None:
    return missing_requirement(name, CPU, precision, exporting=())


def _installed(precision: str) -> list[str]:
    return [name for name in CANDIDATES if _missing(name, precision) is None]


def _checked(
    name: str, graph: CoreGraph, sizes: GraphSizes, precision: str, remembered: _Remembered, reason: str
) -> CoreBackend:
    if not remembered.is_right(name):
        with _PREPARING:
            check_reference(graph, name, precision)
        remembered.remember_right(name)
    return CoreBackend(graph, sizes, name, precision, reason)


def _timed(
    names: list[str], graph: CoreGraph, sizes: GraphSizes, precision: str, remembered: _Remembered
) -> CoreBackend:
    backends: dict[str, CoreBackend] = {}
    for name in names:
        try:
            backends[name] = _checked(name, graph, sizes, precision, remembered, CHOSEN)
        except Exception as error:  # whatever it has against this machine, the others are still there
            _log.warning("backend %s does not work here: %s", name, error)
    if not backends:
        raise RuntimeError(f"none of {', '.join(names)} runs this graph: see the warnings in the log")
    with _PREPARING:
        times = measured_times(backends, sizes.image)
    if len(backends) == len(names):
        remembered.remember_times(times)
    best = fastest(times)
    for other in backends.keys() - {best}:
        backends[other].close()
    backends[best].reason = f"fastest here: {in_words(times)}"
    return backends[best]
