"""Networks of the tests where there is no PyTorch to make them: see `scripts.light_networks`."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def light_network(name: str) -> Path | None:
    """Where the tests run without PyTorch, a network that was made for them (`make test-light`); None elsewhere."""
    folder = os.environ.get("CINET_LIGHT_NETWORKS")
    return Path(folder) / f"{name}.onnx" if folder else None


HAS_TORCH = importlib.util.find_spec("torch") is not None
"""Whether this is the full environment."""

RANDOM = str(light_network("random") or "random")
"""What a node's parameter `weights` is given where the network does not matter."""
