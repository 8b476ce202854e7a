#!/usr/bin/env python3
"""The perception node as it is, but for its patience with a lifecycle manager that does not come."""

from __future__ import annotations

import sys

from cinet_ros import bond, perception_node

if __name__ == "__main__":
    bond.CONNECT_TIMEOUT = 1.0
    sys.exit(perception_node.main())
