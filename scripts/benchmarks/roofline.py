"""What a network has to do at least: operations, bytes, and the time that a machine needs for them.

Two bounds. The roofline knows no order of work: all operations at the machine's best, or weights, input and output
moved once, whichever takes longer; nothing that computes them all is faster. Layer by layer, every convolution and
product of matrices reads what it needs from memory and writes what it gives, and all between is done on the way:

    roofline       = max(operations / operations a second, least bytes / bytes a second)
    layer by layer = sum over them of max(operations / operations a second, bytes / bytes a second)

The second is what can be hoped for without fusing them, and is beaten where a cache holds what one leaves to the next.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from scripts.benchmarks.machine import Limits

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Operation:
    """A convolution or a product of matrices: multiplications and additions, and numbers read and written."""

    operations: int
    numbers: int

    def seconds(self, limits: Limits, number_bytes: int) -> float:
        """The least time that a machine needs for it."""
        return max(self.operations / limits.operations, self.numbers * number_bytes / limits.bytes)


@dataclass(frozen=True)
class ComputeCost:
    """One pass of a network.

    Attributes:
        parts: its convolutions and products of matrices.
        least_numbers: of its weights, input and output.
    """

    parts: tuple[Operation, ...]
    least_numbers: int

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return sum(part.operations for part in self.parts)

    @property
    def numbers(self) -> int:
        """Read and written, layer by layer."""
        return sum(part.numbers for part in self.parts)

    def roofline(self, limits: Limits, number_bytes: int = FLOAT32_BYTES) -> float:
        """The least seconds that a machine needs.

        Args:
            limits: of the machine, in the precision of the numbers.
            number_bytes: of one number: 4 in float32, 2 in half precision.
        """
        return max(self.operations / limits.operations, self.least_numbers * number_bytes / limits.bytes)

    def layer_by_layer(self, limits: Limits, number_bytes: int = FLOAT32_BYTES) -> float:
        """Seconds with each part on its own; arguments as for `roofline`."""
        return sum(part.seconds(limits, number_bytes) for part in self.parts)


def cost_of(module: nn.Module, *inputs: Tensor) -> ComputeCost:
    """Count one pass; nothing is computed, and the module stays as it is.

    Args:
        module: such as a `DeployableGraph`.
        inputs: only their shapes and types count.
    """
    shapes_only = copy.deepcopy(module).to("meta")
    arguments = [tensor.to("meta") for tensor in inputs]
    counter = _Counter()
    # Not in inference mode: there products of matrices are not taken apart into what the registry knows.
    with torch.no_grad(), counter:
        outputs = shapes_only(*arguments)
    return ComputeCost(tuple(counter.parts), _numbers((list(module.parameters()), arguments, outputs)))


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            operations = int(count(*args, **(kwargs or {}), out_val=result))
            self.parts.append(Operation(operations, _numbers((args, kwargs, result))))
        return result


def _numbers(values: Iterable[Any]) -> int:
    return sum(leaf.numel() for leaf in tree_leaves(values) if isinstance(leaf, Tensor))
