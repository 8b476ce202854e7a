"""``python -m cinet_core.cli`` where the ``cinet`` command is not installed."""

import sys

from cinet_core.cli import run

sys.exit(run())
