"""Which cameras there are, and where each one's images and calibration come from."""

from __future__ import annotations

from cinet_ros.launching.arguments import Values
from cinet_ros.launching.parameters import in_file

PERCEPTION = "perception"
COMPRESSED = "/compressed"
PLACE = "{camera}"
"""In a topic of several cameras: stands for the name of each."""


def camera_names(values: Values) -> list[str]:
    """Names of the perception node's cameras: of the argument `cameras`, else of the parameter file.

    Args:
        values: with `cameras`, `params_file` and `namespace`.

    Returns:
        Prefixes of the topics; one empty name where there is one camera without a prefix.
    """
    if given := values.words("cameras"):
        return given
    found = in_file(values, "params_file", PERCEPTION, "cameras")
    is_names = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return found if found and is_names else [""]  # of anything else the node says what is wrong


def reads_compressed(values: Values) -> bool:
    """Whether images arrive compressed: by the argument `image_transport`, else by the parameter file."""
    transport = values["image_transport"] or in_file(values, "params_file", PERCEPTION, "image_transport")
    return transport == "compressed"


def input_remappings(values: Values, cameras: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Remappings of the input topics that were given, for each camera.

    ``image:=/camera/image_raw`` of one camera; of several, one topic for each in the order of `cameras`, or one with
    ``{camera}`` in it: ``image:=/{camera}/image_raw``.

    Raises:
        ValueError: not as many topics as cameras.
    """
    images = _topics(values, "image", cameras)
    infos = _topics(values, "camera_info", cameras)
    remappings = {}
    for index, camera in enumerate(cameras):
        prefix = f"{camera}/" if camera else ""
        pairs = []
        if images:
            image = images[index].rstrip("/").removesuffix(COMPRESSED)
            pairs += [(f"{prefix}image", image), (f"{prefix}image{COMPRESSED}", f"{image}{COMPRESSED}")]
        if infos:
            pairs.append((f"{prefix}camera_info", infos[index]))
        remappings[camera] = pairs
    return remappings


def full_topic(topic: str, namespace: str) -> str:
    """Absolute name of a topic, as a node in that namespace resolves it."""
    if topic.startswith("/"):
        return topic
    namespace = namespace.strip("/")
    return f"/{namespace}/{topic}" if namespace else f"/{topic}"


def _topics(values: Values, name: str, cameras: list[str]) -> list[str]:
    topics = values[name].split() if "[" not in values[name] and "," not in values[name] else values.words(name)
    if not topics:
        return []
    if len(topics) == 1 and PLACE in topics[0]:
        return [topics[0].replace(PLACE, camera) for camera in cameras]
    if len(topics) != len(cameras):
        named = ", ".join(cameras) if cameras != [""] else "one, without a name"
        raise ValueError(
            f"{name}:={values[name]} names {len(topics)} topics for {len(cameras)} cameras ({named}): give one for "
            f"each in the order of cameras:=, or one with {PLACE} in it, such as {name}:=/{PLACE}/"
            + ("image_raw" if name == "image" else name)
        )
    return topics
