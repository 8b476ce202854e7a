"""What the class ids mean, as messages: this package's and vision_msgs'."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import ColorRGBA, Header

from cinet_core.data.label_sets import LabelSet
from cinet_ros.msg import SemanticClass, SemanticClasses


def semantic_classes_message(label_set: LabelSet) -> SemanticClasses:
    """Id, name and colour of every class, as cinet_ros/SemanticClasses; colours are the palette's, each 0..1."""
    classes = []
    for class_id, (name, color) in enumerate(zip(label_set.classes, label_set.colors, strict=True)):
        r, g, b = (float(value) / 255.0 for value in color)
        classes.append(SemanticClass(id=class_id, name=name, color=ColorRGBA(r=r, g=g, b=b, a=1.0)))
    return SemanticClasses(label_set=label_set.name, classes=classes)


def label_info_message(label_set: LabelSet, header: Header | None = None) -> Any:
    """Id and name of every class, as vision_msgs/LabelInfo; "unlabelled" (255) is not listed: it is no class.

    Args:
        label_set: the classes, in the order of their ids.
        header: optional; the message is latched and needs none.

    Raises:
        ModuleNotFoundError: vision_msgs is not installed.
    """
    from vision_msgs.msg import LabelInfo, VisionClass

    msg = LabelInfo()
    if header is not None:
        msg.header = header
    msg.class_map = [VisionClass(class_id=class_id, class_name=name) for class_id, name in enumerate(label_set.classes)]
    return msg
