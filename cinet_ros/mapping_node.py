"""Starts the mapping node, which fuses the outputs of the perception node and poses into a semantic map.

A managed (lifecycle) node that configures and activates itself by default. docs/mapping_node.md lists its topics,
services and parameters. This file only starts it; `cinet_ros.mapping.node` is the node.
"""

from __future__ import annotations

from cinet_ros import node_process

# MiB that it sends through. A map of a million points is 32 MB, and one is on its way at a time: the map's topics keep
# the last message.
SHARED_MEMORY = 64


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; see `node_process.run` for the exit status."""
    return node_process.run("mapping", _make, args, SHARED_MEMORY)


def _make() -> node_process.RunnableNode:
    from cinet_ros.mapping.node import MappingNode

    return MappingNode()


if __name__ == "__main__":
    node_process.leave(main())
