"""``python -m cinet_core.benchmarks``: everything that needs no ROS. `make bench` runs ``cinet_ros.benchmarks``."""

import sys

from cinet_core.benchmarks.harness import CORE_GROUPS, main
from cinet_core.heap import keep_freed_memory

if __name__ == "__main__":
    keep_freed_memory()  # as the node and the commands do
    sys.exit(main(CORE_GROUPS))
