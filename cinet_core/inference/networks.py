"""Loads the network that a user has named: in PyTorch where it is installed, else as a core graph."""

from __future__ import annotations

from pathlib import Path

from cinet_core.inference.availability import NO_TORCH, has_torch
from cinet_core.inference.core_graph import load_core_graph
from cinet_core.inference.engine import Network
from cinet_core.model_metadata import DEFAULT_WEIGHTS, CheckpointError, is_graph, weights_path

__all__ = ["RANDOM_WEIGHTS", "named_network", "refused_without_torch"]

RANDOM_WEIGHTS = "random"
"""Name to use instead of a path for an untrained network, for tests and timing."""


def named_network(name: str | Path, config: str | None = None) -> Network:
    """Load the network that a user has named.

    Args:
        name: a checkpoint; a core graph, an .onnx file of `cinet export --any-size`, which runs without PyTorch;
            "default", what comes with this package, as a checkpoint where PyTorch is installed and else as a core
            graph; or "random", an untrained network, which PyTorch makes.
        config: network of "random", a name in `CONFIGS`; None = the default, `DEFAULT_CONFIG`.

    Raises:
        CheckpointError: as `load_checkpoint` and `load_core_graph`, or it takes PyTorch, which is not installed.
        ValueError: there is no such configuration, or it was named for a file, which knows its own.
    """
    if is_graph(name) or (str(name) == DEFAULT_WEIGHTS and not has_torch()):
        if config:
            raise ValueError(
                f"config {config!r} chooses the network of the weights {RANDOM_WEIGHTS!r}; a file knows its own"
            )
        return load_core_graph(None if str(name) == DEFAULT_WEIGHTS else name)
    refusal = refused_without_torch(name)
    if refusal is not None:
        raise CheckpointError(refusal)
    from cinet_core.checkpoint import named_checkpoint

    return named_checkpoint(name, config)


def refused_without_torch(name: str | Path) -> str | None:
    """Return why weights cannot be used here for want of PyTorch, with the remedy; None where they can."""
    if has_torch() or is_graph(name) or str(name) == DEFAULT_WEIGHTS:
        return None
    if str(name) == RANDOM_WEIGHTS:
        return f"random weights are made by PyTorch, which is not installed: give 'default', or {NO_TORCH}"
    path = weights_path(name)
    graph = path.with_suffix(".onnx")
    return (
        f"{path} is a checkpoint, which takes PyTorch, and that is not installed. Where it is, run: cinet export "
        f"{path} {graph} --any-size; then give {graph} here. Or {NO_TORCH}"
    )
