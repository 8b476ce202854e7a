"""Starts the perception node, which turns camera images into metric depth, semantic labels and a semantic cloud.

A managed (lifecycle) node that configures and activates itself by default. The README lists its topics, encodings,
conventions and parameters. This file only starts it; `cinet_ros.perception` is the node.
"""

from __future__ import annotations

from cinet_core.heap import keep_freed_memory
from cinet_ros import node_process


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; see `node_process.run` for the exit status."""
    keep_freed_memory()  # PyTorch on a CPU: each image's tensors are as large as the last one's
    return node_process.run("perception", _make, args)


def _make() -> node_process.RunnableNode:
    from cinet_ros.perception import PerceptionNode

    return PerceptionNode()


if __name__ == "__main__":
    node_process.leave(main())
