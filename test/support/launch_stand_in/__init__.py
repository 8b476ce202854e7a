"""Stand-in for the parts of `launch` and `launch_ros` that our launch files use, where no ROS distribution is.

It has the real signatures (test_launch_stand_in.py compares them where the real packages import) and runs a
description: arguments, conditions, substitutions, groups, includes, OpaqueFunctions, event handlers. It starts nothing:
test/support/launch_walk.py records what would be started, with the real packages and with these alike.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys

MODULES = (
    "launch",
    "launch.actions",
    "launch.conditions",
    "launch.event_handlers",
    "launch.events",
    "launch.events.process",
    "launch.launch_description_sources",
    "launch.substitutions",
    "launch.utilities",
    "launch_ros",
    "launch_ros.actions",
    "launch_ros.parameter_descriptions",
)


def has_real_launch() -> bool:
    """Tell whether the real packages import. `launch` alone is no proof: this checkout has a folder of that name."""
    loaded = sys.modules.get("launch_ros")
    if loaded is not None:
        return not loaded.__name__.startswith(__name__)
    return importlib.util.find_spec("launch_ros") is not None


def install() -> None:
    """Make ``import launch`` and ``import launch_ros`` find the stand-in, unless the real packages are there."""
    if has_real_launch():
        return
    for name in MODULES:
        sys.modules[name] = importlib.import_module(f"{__name__}.{name}")


def has_ros2_launch() -> bool:
    """Tell whether launch files can be started for real."""
    return has_real_launch() and shutil.which("ros2") is not None
