"""Frees what killed processes leave in shared memory: Fast DDS does not, and a node that is respawned would fill it.

Every process with the shipped Fast DDS profile holds a segment of 134 MB. One that is killed (SIGKILL, the kernel when
memory is short) leaves it; the file ``<segment>_el`` beside it is then no longer locked. `fastdds shm clean` of a
ROS 2 distribution goes by the same sign.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
# fastrtps_ up to Fast DDS 2, fastdds_ since 3, and 16 hex digits. Ports are small, and are cleaned by their next user.
SEGMENT_LOCK = re.compile(r"(fastrtps|fastdds)_[0-9a-f]{16}_el")
# A process makes its lock file a moment before it locks it.
LEAST_AGE = 1.0


def free_dead_segments(folder: Path = SHARED_MEMORY) -> int:
    """Remove the segments of this user that no living process holds; return the bytes that were freed.

    Args:
        folder: where segments are; nothing happens where it is not there.
    """
    if not folder.is_dir():
        return 0
    return sum(_free(lock) for lock in folder.iterdir() if SEGMENT_LOCK.fullmatch(lock.name))


def _free(lock: Path) -> int:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # another user's, or gone meanwhile
        return 0
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.getuid() or time.time() - facts.st_mtime < LEAST_AGE:
            return 0
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment = lock.with_name(lock.name.removesuffix("_el"))
        size = segment.stat().st_blocks * 512 if segment.exists() else 0
        segment.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    except OSError:  # locked: its process lives
        return 0
    finally:
        os.close(descriptor)
    return size
