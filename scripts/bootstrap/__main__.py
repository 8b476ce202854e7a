"""``python3 -m scripts.bootstrap``: every step that is not up to date."""

from __future__ import annotations

import argparse
import os
import sys
import time

from scripts import bootstrap
from scripts.bootstrap.command import say
from scripts.bootstrap.environment import DISTRIBUTIONS, LIGHT, LIGHT_TEST, ROOT, Environment, SetupError
from scripts.bootstrap.machine import check_platform, install_system_packages
from scripts.bootstrap.packages import install_packages
from scripts.bootstrap.workspace import build_workspace


def main() -> int:
    """Run every step that is not up to date."""
    parser = argparse.ArgumentParser(
        prog="python3 -m scripts.bootstrap",
        description=bootstrap.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ros", default=DISTRIBUTIONS[0], help=f"ROS 2 distribution: {' or '.join(DISTRIBUTIONS)}")
    parser.add_argument("--numpy", default="", help="version of NumPy, such as 1.26 (default: the pinned one)")
    parser.add_argument(
        "--torch-backend",
        default=os.environ.get("TORCH_BACKEND", ""),
        help="passed to uv: auto, cpu, cu128, ... (default: what PyPI offers, which is CUDA)",
    )
    parser.add_argument(
        "--light", default="", choices=("", LIGHT, LIGHT_TEST), help="without PyTorch; light-test: with what tests need"
    )
    arguments = parser.parse_args()
    started = time.monotonic()
    environment = Environment(ROOT, arguments.ros, arguments.numpy, arguments.torch_backend, arguments.light)
    try:
        check_platform(environment)
        install_system_packages()
        install_packages(environment)
        build_workspace(environment)
    except (SetupError, OSError) as error:
        print(f"[setup] failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("[setup] interrupted; run it again to go on", file=sys.stderr)
        return 130
    say(f"ready ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
