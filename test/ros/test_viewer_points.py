"""What the viewer takes in: clouds of any sender with the fields of `points`, and its parameters."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sensor_msgs.msg import PointCloud2, PointField

from cinet_core.messages.errors import ConversionError
from cinet_core.parameters import coerced
from cinet_ros.viewer.parameters import ViewerSettings
from cinet_ros.viewer.points import read_points

CONFIG = Path(__file__).resolve().parents[2] / "config" / "viewer.yaml"
XYZ = np.arange(18.0, dtype=np.float32).reshape(6, 3)
LABELS = [0, 1, 2, 254, 255, 70_000]


def cloud_message(order: str = "<", row_padding: int = 0, **changes: Any) -> PointCloud2:
    """Two rows of three points: label before coordinates, gaps, and bytes after each row."""
    layout = np.dtype(
        {"names": ["label", "xyz"], "formats": [f"{order}u4", f"3{order}f4"], "offsets": [4, 12], "itemsize": 28}
    )
    points = np.zeros((2, 3), layout)
    points["xyz"], points["label"] = XYZ.reshape(2, 3, 3), np.reshape(LABELS, (2, 3))
    rows = [row.tobytes() + b"\xff" * row_padding for row in points]
    fields = [PointField(name="label", offset=4, datatype=PointField.UINT32, count=1)]
    for number, axis in enumerate("xyz"):
        fields.append(PointField(name=axis, offset=12 + 4 * number, datatype=PointField.FLOAT32, count=1))
    message = PointCloud2(
        height=2, width=3, fields=fields, point_step=28, row_step=84 + row_padding, data=b"".join(rows)
    )
    message.is_bigendian = order == ">"
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("row_padding", [0, 5])
def test_any_layout_and_byte_order(order: str, row_padding: int) -> None:
    points, labels = read_points(cloud_message(order, row_padding), 100)
    np.testing.assert_array_equal(points, XYZ)
    np.testing.assert_array_equal(labels, [0, 1, 2, 254, 255, 255])


def test_more_than_asked_for_are_thinned_evenly_and_invalid_ones_left_out() -> None:
    points, labels = read_points(cloud_message(), 3)
    np.testing.assert_array_equal(points, XYZ[::2])
    np.testing.assert_array_equal(labels, [0, 2, 255])
    message = cloud_message()
    data = bytearray(message.data)
    data[12:16] = np.float32(np.nan).tobytes()
    message.data = bytes(data)
    assert len(read_points(message, 100)[0]) == 5


def test_an_empty_map_is_no_points() -> None:
    points, labels = read_points(cloud_message(height=1, width=0, row_step=0, data=b""), 10)
    assert (points.shape, labels.shape) == ((0, 3), (0,))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fields": []}, "encoding"),
        ({"data": bytes(167)}, "data"),
        ({"point_step": 20}, "data"),
        ({"row_step": 83}, "data"),
        ({"width": 2**31}, "data"),
    ],
)
def test_clouds_that_cannot_be_read(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConversionError) as caught:
        read_points(cloud_message(**changes), 100)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"serve": False}, "nothing would be shown"),
        ({"port": 9000, "data_port": 9000}, "one each"),
        ({"camera_in_base": (0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0)}, "quaternion of length 1.41"),
        ({"camera_in_base": (0.0,)}, "seven finite numbers"),
        ({"max_rate": 0.0}, "outside"),
        ({"pose_source": "tf"}, "not one of"),
    ],
)
def test_parameters_at_odds_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ViewerSettings(**values)


def test_the_file_of_parameters_has_every_one_at_its_default() -> None:
    written = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    fields = {field.name: field for field in dataclasses.fields(ViewerSettings)}
    assert set(written) == set(fields)
    for name, value in written.items():
        assert coerced(fields[name], value) == fields[name].default, name
