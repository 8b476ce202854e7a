"""Writes a network of `tiny_network`, as a program that a fork server runs: it has imported PyTorch already.

``make_network.py random FILE`` or ``make_network.py trained FILE``, the second of every task that there is.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tiny_network import tiny_checkpoint, trained_checkpoint

from cinet_core.checkpoint import save_checkpoint
from cinet_core.tasks import TASKS

if __name__ == "__main__":
    kind, path = sys.argv[1:]
    made = tiny_checkpoint() if kind == "random" else trained_checkpoint(tasks=tuple(task.name for task in TASKS))
    save_checkpoint(Path(path), made.model, made.metadata)
