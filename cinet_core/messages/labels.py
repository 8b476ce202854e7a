"""Messages that describe the classes: this package's and those of vision_msgs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cinet_core.label_sets import LabelSet

__all__ = ["label_info_message", "semantic_classes_message"]


def semantic_classes_message(
    label_set: LabelSet,
    classes_type: Callable[..., Any],
    class_type: Callable[..., Any],
    color_type: Callable[..., Any],
) -> Any:
    """Id, name and colour of every class, as cinet_ros/SemanticClasses; colours are the palette's, each 0..1.

    Args:
        label_set: the classes, in the order of their ids.
        classes_type, class_type, color_type: the classes SemanticClasses, SemanticClass and std_msgs' ColorRGBA.
    """
    classes = []
    for class_id, (name, color) in enumerate(zip(label_set.classes, label_set.colors, strict=True)):
        r, g, b = (float(value) / 255.0 for value in color)
        classes.append(class_type(id=class_id, name=name, color=color_type(r=r, g=g, b=b, a=1.0)))
    return classes_type(label_set=label_set.name, classes=classes)


def label_info_message(
    label_set: LabelSet, header: Any, info_type: Callable[..., Any], class_type: Callable[..., Any]
) -> Any:
    """Id and name of every class, as vision_msgs/LabelInfo; "unlabelled" (255) is not listed: it is no class.

    Args:
        label_set: the classes, in the order of their ids.
        header: of the message, which is latched and needs no stamp.
        info_type, class_type: the classes LabelInfo and VisionClass.
    """
    class_map = [class_type(class_id=class_id, class_name=name) for class_id, name in enumerate(label_set.classes)]
    return info_type(header=header, class_map=class_map, threshold=0.0)
