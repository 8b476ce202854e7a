"""Which cameras there are, and where each one's images and calibration come from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from cinet_ros.launching.arguments import Values

COMPRESSED = "/compressed"
PLACE = "{camera}"
"""In a topic of several cameras: stands for the name of each."""


def camera_names(values: Values, node_name: str = "perception") -> list[str]:
    """Names of the perception node's cameras: of the argument `cameras`, else of the parameter file.

    Args:
        values: with `cameras`, `params_file` and `namespace`.
        node_name: of the perception node.

    Returns:
        Prefixes of the topics; one empty name where there is one camera without a prefix.
    """
    return values.words("cameras") or _parameter(values, node_name, "cameras") or [""]


def reads_compressed(values: Values, node_name: str = "perception") -> bool:
    """Whether images arrive compressed: by the argument `image_transport`, else by the parameter file."""
    transport = values["image_transport"] or _parameter(values, node_name, "image_transport")
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


def _parameter(values: Values, node_name: str, parameter: str) -> Any:
    """A parameter of the node as its file says; None where it does not."""
    file = values.file("params_file")
    if file is None:
        return None
    try:
        sections = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
        found = [section["ros__parameters"].get(parameter) for section in _of_node(sections, values, node_name)]
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        return None  # the node reads the same file, and says what is wrong with it
    return next((value for value in reversed(found) if value is not None), None)


def _of_node(sections: dict[str, Any], values: Values, node_name: str) -> Iterable[dict[str, Any]]:
    """Sections of a parameter file that are this node's, the one that wins last: a full name beats a wildcard."""
    namespace = values["namespace"].strip("/")
    full = f"/{namespace}/{node_name}" if namespace else f"/{node_name}"
    for name in ("/**", f"/**/{node_name}", node_name, full):
        if name in sections:
            yield sections[name]
