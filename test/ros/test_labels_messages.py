"""The label set as messages."""

import pytest
from std_msgs.msg import Header

from cinet_core.label_sets import UNLABELLED, get_label_set
from cinet_ros.conversions.labels import label_info_message, semantic_classes_message
from cinet_ros.msg import SemanticClasses


@pytest.mark.parametrize("name", ["nyu40", "nyu13", "sun37"])
def test_semantic_classes_carry_id_name_and_color(name):
    label_set = get_label_set(name)
    msg = semantic_classes_message(label_set)
    assert msg.label_set == name
    assert [entry.id for entry in msg.classes] == list(range(len(label_set.classes)))
    assert tuple(entry.name for entry in msg.classes) == label_set.classes
    for entry, color in zip(msg.classes, label_set.colors, strict=True):
        assert [entry.color.r * 255, entry.color.g * 255, entry.color.b * 255] == pytest.approx(color.tolist())
        assert entry.color.a == 1.0
    assert SemanticClasses.UNLABELLED == UNLABELLED


def test_label_info_maps_ids_to_names():
    pytest.importorskip("vision_msgs.msg", reason="vision_msgs comes with a ROS 2 distribution, not from PyPI")
    msg = label_info_message(get_label_set("nyu40"), Header(frame_id="camera"))
    assert {entry.class_id: entry.class_name for entry in msg.class_map} == dict(
        enumerate(get_label_set("nyu40").classes)
    )
    assert msg.header.frame_id == "camera"


def test_label_info_without_vision_msgs_says_so():
    try:
        import vision_msgs.msg  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(ModuleNotFoundError, match="vision_msgs"):
            label_info_message(get_label_set("nyu40"))
    else:
        pytest.skip("vision_msgs is installed here")
