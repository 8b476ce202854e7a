"""``python -m cinet_ros.benchmarks``: everything, as `make bench` runs it; see docs/benchmarks.md."""

import sys

from cinet_core.benchmarks.harness import CORE_GROUPS, main
from cinet_core.heap import keep_freed_memory
from cinet_ros.benchmarks import cloud, idle, mapping, node, traffic

GROUPS = {
    "node": node.measure,
    "cloud": cloud.measure,
    "mapping": mapping.measure,
    "traffic": traffic.measure,
    "idle": idle.measure,
}

if __name__ == "__main__":
    keep_freed_memory()  # as the node and the commands do
    sys.exit(main({**CORE_GROUPS, **GROUPS}))
