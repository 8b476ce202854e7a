"""Message classes without ROS: those of a ROS distribution as rosbags has them, and this package's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cinet_core.bags.errors import BagError
from cinet_core.messages.fields import MessageTypes

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore

__all__ = ["OWN_DEFINITIONS", "OWN_PACKAGE", "definition_folder", "definition_of", "message_store", "message_types"]

OWN_PACKAGE = "cinet_ros"
OWN_DEFINITIONS = ("StageTime", "PerceptionStats", "SemanticClass", "SemanticClasses")

_VISION_MSGS = {
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
    "vision_msgs/msg/LabelInfo": ("std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n"),
}
"""Of vision_msgs 4, which no store of rosbags has."""

UNKNOWN_HASH = "RIHS01_" + 64 * "0"
"""Stands for the hash of a type whose definition is nowhere to be had."""


def definition_folder() -> Path:
    """Where this package's .msg files are: in the checkout, or with the installed ROS package.

    Raises:
        BagError: they are nowhere.
    """
    here = Path(__file__).resolve()
    # The checkout; a wheel, which carries them; and <prefix>/lib/pythonX.Y/site-packages/cinet_core of a ROS build.
    candidates = [here.parents[2] / "msg", here.parent / "msg"]
    candidates += [parent / "share" / OWN_PACKAGE / "msg" for parent in here.parents]
    for folder in candidates:
        if all((folder / f"{name}.msg").is_file() for name in OWN_DEFINITIONS):
            return folder
    names = ", ".join(f"{name}.msg" for name in OWN_DEFINITIONS)
    raise BagError(f"the message definitions {names} are not in {candidates[0]}: install the package again")


@cache
def message_store() -> Typestore:
    """The types that the bag commands read and write; one for the process, since its coders are made when first used.

    Raises:
        BagError: rosbags is not installed, or this package's definitions are missing.
    """
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise BagError(f"bags need the package rosbags, pip install rosbags ({error})") from error
    store = get_typestore(Stores.ROS2_HUMBLE)  # of the types used here all later distributions have the same
    texts = dict(_VISION_MSGS)
    folder = definition_folder()
    for name in OWN_DEFINITIONS:
        texts[f"{OWN_PACKAGE}/msg/{name}"] = (folder / f"{name}.msg").read_text(encoding="utf-8")
    types: dict[str, Any] = {}
    for name, text in texts.items():
        types.update(get_types_from_msg(text, name))
    store.register(types)
    return store


def message_types() -> MessageTypes:
    """The classes of `message_store` that hold a frame."""
    types = message_store().types
    stamp, header = types["builtin_interfaces/msg/Time"], types["std_msgs/msg/Header"]
    return MessageTypes(
        header=lambda: header(stamp=stamp(sec=0, nanosec=0), frame_id=""),
        image=types["sensor_msgs/msg/Image"],
        compressed_image=types["sensor_msgs/msg/CompressedImage"],
        camera_info=types["sensor_msgs/msg/CameraInfo"],
        region_of_interest=types["sensor_msgs/msg/RegionOfInterest"],
        point_cloud=types["sensor_msgs/msg/PointCloud2"],
        point_field=types["sensor_msgs/msg/PointField"],
        allocate=lambda length: np.zeros(length, dtype=np.uint8),
        numbers=_numbers,
    )


def _numbers(values: Sequence[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def definition_of(connection: Connection) -> tuple[str, str]:
    """Definition and hash of a topic's type, for a bag that gets its messages: as recorded, else as known here.

    Messages are copied as bytes, so that a type without definition is no obstacle: it keeps an empty one.
    """
    from rosbags.typesys import get_types_from_idl, get_types_from_msg
    from rosbags.typesys.store import Typestore

    text, digest = connection.msgdef.data, connection.digest
    if text and digest:
        return text, digest
    store = message_store()
    if text:
        try:  # in a store of its own: another distribution's definition may differ from the one known here
            read = get_types_from_idl(text) if text.startswith("=" * 80 + "\nIDL: ") else None
            own = Typestore()
            own.register(read if read is not None else get_types_from_msg(text, connection.msgtype))
            return text, own.hash_rihs01(connection.msgtype)
        except Exception:  # a definition that rosbags does not understand is kept as it is
            return text, UNKNOWN_HASH
    if connection.msgtype in store.fielddefs:
        return store.generate_msgdef(connection.msgtype, ros_version=2)[0], store.hash_rihs01(connection.msgtype)
    return "", digest or UNKNOWN_HASH
