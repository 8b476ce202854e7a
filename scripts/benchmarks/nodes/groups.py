"""The groups that need ROS, by name, in their order. Not in ``__init__``: the processes of a group need no others."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.benchmarks.nodes import cloud, idle, mapping, node, traffic
from scripts.benchmarks.run import Group

NODE_GROUPS: Mapping[str, Group] = {
    "node": node.measure,
    "cloud": cloud.measure,
    "mapping": mapping.measure,
    "traffic": traffic.measure,
    "idle": idle.measure,
}
