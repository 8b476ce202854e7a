"""``python -m scripts.benchmarks``, from the checkout: what `make bench` runs (docs/benchmarks.md).

Without ROS, the groups that need none.
"""

import sys
from importlib.util import find_spec

from cinet_core.heap import keep_freed_memory
from scripts.benchmarks.harness import CORE_GROUPS, main

if __name__ == "__main__":
    keep_freed_memory()  # as the node and the commands do
    groups = dict(CORE_GROUPS)
    if find_spec("rclpy") is not None:
        from scripts.benchmarks.nodes.groups import NODE_GROUPS

        groups |= NODE_GROUPS
    sys.exit(main(groups))
