"""``python -m cinet_ros.benchmarks``: everything, as `make bench` runs it; see docs/benchmarks.md."""

import sys

from cinet_core.benchmarks.harness import CORE_GROUPS, main
from cinet_ros.benchmarks import cloud, node

if __name__ == "__main__":
    sys.exit(main({**CORE_GROUPS, "node": node.measure, "cloud": cloud.measure}))
