"""The ``cinet`` command."""

from cinet_core.cli.main import main

__all__ = ["main"]
