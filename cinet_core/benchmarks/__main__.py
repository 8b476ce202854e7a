"""``python -m cinet_core.benchmarks``: everything that needs no ROS. `make bench` runs ``cinet_ros.benchmarks``."""

import sys

from cinet_core.benchmarks.harness import CORE_GROUPS, main

if __name__ == "__main__":
    sys.exit(main(CORE_GROUPS))
