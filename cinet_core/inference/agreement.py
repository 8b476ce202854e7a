"""Whether a backend answers as PyTorch does: one that does not is not taken.

Where PyTorch is not installed, its answers are those that a core graph holds (`core_selection`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cinet_core.inference.backend import Backend, BackendOutput
from cinet_core.inference.choices import FLOAT32, HALF, INT8
from cinet_core.inference.example_rooms import COMPARISON, example_rooms
from cinet_core.tasks import TASKS, OutputSpec

if TYPE_CHECKING:
    from cinet_core.inference.graph import DeployableGraph

__all__ = [
    "BFLOAT16",
    "EXACT",
    "FLOAT16",
    "INTEGERS",
    "Tolerance",
    "check_answer",
    "check_difference",
    "difference",
    "tolerance_of",
]


class Tolerance(NamedTuple):
    """Tolerances for the difference between a backend and PyTorch in float32. A backend that exceeds them is rejected.

    Attributes:
        error: of numbers, as `difference` gives it.
        percentile: of the pixels, by which numbers are judged.
        equal: least share of equal ids.
        rooms: rendered images that are compared.
    """

    error: float
    percentile: float
    equal: float
    rooms: int


EXACT = Tolerance(1e-3, 100, 0.999, 1)
FLOAT16 = Tolerance(5e-2, 99, 0.97, 1)
# It has 8 bits, and depth of a whole room may move by some per cent: this is to find a runtime that computes something
# else, not to judge the rounding (docs/benchmarks.md). More rooms, so that none decides by itself.
BFLOAT16 = Tolerance(3e-2, 50, 0.93, 4)
# Integers of 8 bits, judged in the same way, are nearer: 0.7 to 1.1 %, 97 to 98 % (94 % at 160x120).
INTEGERS = Tolerance(2e-2, 50, 0.93, 4)


def check_answer(backend: Backend, graph: DeployableGraph, precision: str) -> None:
    """Raise RuntimeError where a backend does not answer as PyTorch does in float32."""
    from cinet_core.inference.torch_backend import TorchBackend

    tolerance = tolerance_of(precision, graph.model.image_mean.device.type)
    images, intrinsics = example_rooms(graph.image_size, COMPARISON[: tolerance.rooms])
    check_difference(backend.run(images, intrinsics), TorchBackend(graph).run(images, intrinsics), tolerance)


def tolerance_of(precision: str, device_type: str) -> Tolerance:
    """Return the tolerance for a precision other than "auto" on a type of device."""
    return {FLOAT32: EXACT, HALF: BFLOAT16 if device_type == "cpu" else FLOAT16, INT8: INTEGERS}[precision]


def check_difference(got: BackendOutput, expected: BackendOutput, tolerance: Tolerance) -> None:
    """Raise RuntimeError where a backend's answer is not near enough to PyTorch's."""
    found = difference(got, expected, tolerance.percentile)
    good, words = True, []
    for spec in _compared(found):
        value = found[spec.name]
        if spec.agreement == "equal":
            good &= value >= tolerance.equal
            words.append(f"{100 * value:.2f} % of {spec.name} are equal")
        else:
            good &= value <= tolerance.error
            pixels = f"{tolerance.percentile:g} of 100 pixels"
            words.append(f"{spec.name} differs by up to {100 * value:.2g} % in {pixels}")
    if not good:
        raise RuntimeError(f"it answers otherwise than PyTorch: {', '.join(words)}")


def difference(one: BackendOutput, other: BackendOutput, percentile: float = 100) -> dict[str, float]:
    """How two backends differ in each output that `OutputSpec.agreement` does not ignore, by name.

    Of ids it is the share of equal ones. Of numbers it is the relative, or absolute, difference from `other`, 1 being
    all of it: a percentile over the pixels that both hold valid. Where more than one pixel in a hundred is valid for
    one only, it is 1: rounding decides on which side of the depth range a pixel at its very end is, not more.
    """
    return {
        spec.name: float((one[spec.name] == other[spec.name]).mean())
        if spec.agreement == "equal"
        else _error(spec, one[spec.name], other[spec.name], percentile)
        for spec in _compared(other.outputs)
    }


def _compared(names: Collection[str]) -> list[OutputSpec]:
    specs = (spec for task in TASKS for spec in task.outputs)
    return [spec for spec in specs if spec.name in names and spec.agreement != "ignored"]


def _error(spec: OutputSpec, one: npt.NDArray[Any], other: npt.NDArray[Any], percentile: float) -> float:
    full = 255.0 if other.dtype == np.uint8 else 1.0
    one, other = one / np.float32(full), other / np.float32(full)
    valid = np.isfinite(one) & np.isfinite(other)
    if (np.isfinite(one) ^ np.isfinite(other)).mean() > 0.01:
        return 1.0
    if not valid.any():
        return 0.0
    errors = np.abs(one[valid] - other[valid])
    if spec.agreement == "relative":
        errors /= other[valid]
    return float(np.percentile(errors, percentile))
