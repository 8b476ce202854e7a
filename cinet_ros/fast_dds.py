"""Selects the Fast DDS profile of a process and the environment variable that names it."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Distributions whose Fast DDS (2.x) reads the older variable; later ones warn where it is set.
FAST_DDS_2 = ("humble", "iron", "jazzy")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

# Files in config/.
PROFILE = "fastdds.xml"
LOCALHOST_PROFILE = "fastdds_localhost.xml"


def profile_variable(distribution: str) -> str:
    """Name of the environment variable in which Fast DDS of a distribution looks for its profile.

    Args:
        distribution: value of ``ROS_DISTRO``; an empty or unknown one counts as the newest.
    """
    return PROFILE_VARIABLES[0 if distribution in FAST_DDS_2 else 1]


def profile_name(environment: Mapping[str, str]) -> str:
    """Name of the profile in ``config/`` that fits an environment.

    Humble keeps to this machine by appending a UDP transport that is limited to 127.0.0.1 to those of the profile
    (rmw_fastrtps_shared_cpp/src/participant.cpp), so that a profile with a UDP transport of its own still reaches the
    network. Later distributions limit discovery itself, and ignore the variable (Kilted) or read it as that limit.

    Args:
        environment: variables of the process, such as ``os.environ``.
    """
    stays_here = environment.get("ROS_LOCALHOST_ONLY") == "1"
    return LOCALHOST_PROFILE if stays_here and environment.get("ROS_DISTRO") == "humble" else PROFILE


if __name__ == "__main__":
    print(profile_variable(os.environ.get("ROS_DISTRO", "")), profile_name(os.environ))
