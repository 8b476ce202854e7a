"""What the name of an image topic says: its words, its transport, and whether its images are rectified.

Names are words between slashes, underscores and capitals; a word counts only as a whole, so that ``direct`` does not
hold ``rect``. Node and bags share this.
"""

from __future__ import annotations

import re

__all__ = ["arrive_rectified", "base_topic", "is_rectified", "topic_parts", "words"]

TRANSPORTS = frozenset(
    {"compressed", "compresseddepth", "theora", "zstd", "ffmpeg", "foxglove", "h264", "h265", "avif", "depthz", "draco"}
)
"""What image_transport's plugins, in lower case, put behind the name of the image topic that they carry."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_RECTIFIED = frozenset({"rect", "rectified"})
_NOT_RECTIFIED = frozenset({"raw", "unrect", "unrectified", "distorted"})


def words(name: str) -> list[str]:
    """The words of a name in lower case, digits apart: ``aligned_depth_to_infra1`` -> aligned depth to infra 1."""
    return [word.lower() for word in _WORD.findall(name)]


def base_topic(topic: str) -> str:
    """The image topic without its transport: ``/cam/image_raw`` of ``/cam/image_raw/compressed``."""
    head, _, last = topic.rpartition("/")
    return head if head.strip("/") and last.lower() in TRANSPORTS else topic


def topic_parts(topic: str) -> list[str]:
    """Parts of the name of the image topic, without its transport."""
    return [part for part in base_topic(topic).split("/") if part]


def is_rectified(topic: str) -> bool:
    """Whether the name says that the images are rectified; it is what ``auto`` of ``input_rectified`` goes by.

    ``rect`` or ``rectified`` must be a word of the last part (``image_rect``, ``image_rect_color``,
    ``image_rect_raw``). Where the last part says neither that nor ``raw``, the part before it counts as well
    (``rect/image``, ``left_rect/image``); a part that is nothing but this word counts in any case (``rect/image_raw``).
    What comes before names a robot or a camera, not an image: ``/rectified_cam/image_raw`` is not rectified.

    Args:
        topic: resolved name, with or without a transport (``/compressed``).
    """
    *_, before, last = ["", "", *topic_parts(topic)]
    said = set(words(last))
    if said & _RECTIFIED:
        return True
    named = set(words(before))
    return bool(named & _RECTIFIED) and (named <= _RECTIFIED or not said & _NOT_RECTIFIED)


def arrive_rectified(setting: str, topic: str) -> bool:
    """Return whether the images of a topic arrive rectified.

    Args:
        setting: ``input_rectified``: "true", "false", or "auto" for `is_rectified`.
        topic: resolved name.
    """
    return setting == "true" or (setting == "auto" and is_rectified(topic))
