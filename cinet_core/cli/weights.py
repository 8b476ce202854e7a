"""What the arguments for weights stand for: a file, what ships, or none at all."""

from __future__ import annotations

from cinet_core.checkpoint import Checkpoint, load_checkpoint, random_checkpoint
from cinet_core.model.config import DEFAULT_CONFIG

RANDOM = "random"
"""In place of a file: a network without training, for plumbing and timing."""


def named_checkpoint(weights: str, config: str | None = None) -> Checkpoint:
    """The checkpoint that a command line names.

    Args:
        weights: a .safetensors file, "default" for the weights that ship, or "random".
        config: configuration of random weights; None: the default.

    Raises:
        CheckpointError: the file cannot be read.
        ValueError: there is no such configuration.
    """
    return random_checkpoint(config or DEFAULT_CONFIG) if weights == RANDOM else load_checkpoint(weights)
