"""Selects the Fast DDS profile of a process, and gives a process of ours a segment of the size of what it sends."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

# Distributions whose Fast DDS (2.x) reads the older variable; later ones warn where it is set.
FAST_DDS_2 = ("humble", "iron", "jazzy")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

# Files in config/.
PROFILE = "fastdds.xml"
LOCALHOST_PROFILE = "fastdds_localhost.xml"

SEGMENT_VARIABLE = "CINET_SHARED_MEMORY"
"""Environment variable: MiB of shared memory for what one of our nodes sends, in place of what its kind has."""
LEAST_SEGMENT, LARGEST_SEGMENT = 1, 4096

# What is ours in a profile, by which a user's own is left alone.
_OUR_TRANSPORT = "cinet_shared_memory"
_SEGMENT_SIZE = re.compile(r"<segment_size>\d+</segment_size>")


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


def segment_size(environment: Mapping[str, str], usual: int | None) -> int | None:
    """MiB of shared memory for what a process sends: those of `SEGMENT_VARIABLE`, else the usual ones of its kind.

    Args:
        environment: variables of the process, such as ``os.environ``.
        usual: of this kind of node; None: those of the profile.

    Raises:
        ValueError: the variable is no whole number from `LEAST_SEGMENT` to `LARGEST_SEGMENT`.
    """
    text = environment.get(SEGMENT_VARIABLE, "").strip()
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and LEAST_SEGMENT <= int(text[:9]) <= LARGEST_SEGMENT):
        raise ValueError(
            f"{SEGMENT_VARIABLE} is {text!r}: give MiB of shared memory, a whole number from {LEAST_SEGMENT} to "
            f"{LARGEST_SEGMENT}, or leave it unset"
        )
    return int(text)


@contextmanager
def sized_segment(environment: MutableMapping[str, str], size: int | None) -> Iterator[None]:
    """Let the participant that is made meanwhile have a segment of this size, where the profile is one of ours.

    Fast DDS takes a whole segment at once, and reads its profile when the first node of a process is made: a copy of
    the profile with this size is named in its place until then. A user's own profile is left alone, and so is a process
    without any.

    Args:
        environment: variables of the process, such as ``os.environ``; as before at the end.
        size: MiB; None: that of the profile.
    """
    variable = profile_variable(environment.get("ROS_DISTRO", ""))
    profile = environment.get(variable, "")
    text = "" if size is None else _our_profile(profile)
    if size is None or not text:
        yield
        return
    with tempfile.NamedTemporaryFile("w", prefix="cinet_fastdds_", suffix=".xml", encoding="utf-8") as file:
        file.write(_SEGMENT_SIZE.sub(f"<segment_size>{size * 2**20}</segment_size>", text))
        file.flush()
        environment[variable] = file.name
        try:
            yield
        finally:
            environment[variable] = profile


def _our_profile(path: str) -> str:
    """The text of a profile of `config/`; empty for anything else."""
    try:
        text = Path(path).read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError):  # Fast DDS says what is wrong with it
        return ""
    return text if _OUR_TRANSPORT in text else ""


if __name__ == "__main__":
    print(profile_variable(os.environ.get("ROS_DISTRO", "")), profile_name(os.environ))
