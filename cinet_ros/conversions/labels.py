"""Messages that describe the classes: this package's and those of vision_msgs."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import ColorRGBA, Header

from cinet_core.label_sets import LabelSet
from cinet_core.messages import labels
from cinet_ros.msg import SemanticClass, SemanticClasses


def semantic_classes_message(label_set: LabelSet) -> SemanticClasses:
    """Id, name and colour of every class, as cinet_ros/SemanticClasses."""
    return labels.semantic_classes_message(label_set, SemanticClasses, SemanticClass, ColorRGBA)


def label_info_message(label_set: LabelSet, header: Header | None = None) -> Any:
    """Id and name of every class, as vision_msgs/LabelInfo.

    Raises:
        ModuleNotFoundError: vision_msgs is not installed.
    """
    from vision_msgs.msg import LabelInfo, VisionClass

    return labels.label_info_message(label_set, Header() if header is None else header, LabelInfo, VisionClass)
