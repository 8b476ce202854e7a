"""All message conversions under random damage: each gives a sound result or a refusal that a user can act on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from malformed import BYTES_PER_PIXEL, LENSES, SIZES, USED, Case, camera_infos, images
from malformed_files import compressed_images
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics
from cinet_core.messages.camera import CameraModel, CameraModelCache
from cinet_core.messages.cloud import CloudBuffer
from cinet_core.messages.colors import pack_rgb, unpack_rgb
from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.encoding import ImageBuffer, camera_info_message
from cinet_core.messages.errors import MAX_PIXELS, REASONS, ConversionError, quoted
from cinet_core.messages.images import decode_image
from cinet_core.messages.settings import DEPTH_ENCODINGS, LABEL_ENCODINGS
from cinet_ros.conversions.ros_types import ROS_TYPES

LONGEST_TEXT = 1000
SIZE = st.sampled_from(SIZES)
fuzz = settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refusal(case: Case, error: ConversionError) -> str:
    """The reason, once the error is as it should be: known, expected, and short whatever the message held."""
    assert error.reason in REASONS
    assert error.reason in case.outcomes, f"{case.changes}: {error}"
    assert 30 < len(str(error)) < LONGEST_TEXT
    return error.reason


def decoded(case: Case, decode: Any) -> np.ndarray | None:
    """The image; None where it was refused as it should be."""
    try:
        rgb: np.ndarray = decode(case.message)
    except ConversionError as error:
        refusal(case, error)
        return None
    assert USED in case.outcomes, case.changes
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3
    assert rgb.flags.c_contiguous
    assert 0 < rgb.shape[0] * rgb.shape[1] <= MAX_PIXELS
    return rgb


@fuzz
@given(SIZE.flatmap(lambda size: images(*size)))
def test_images(case: Case) -> None:
    rgb = decoded(case, decode_image)
    if rgb is not None:
        assert rgb.shape[:2] == (case.message.height, case.message.width)


@fuzz
@given(SIZE.flatmap(lambda size: compressed_images(*size)))
def test_compressed_images(case: Case) -> None:
    decoded(case, decode_compressed)


def asked(
    cache: CameraModelCache, message: CameraInfo, width: int, height: int, rectified: bool
) -> CameraModel | ConversionError:
    """The camera model or its refusal."""
    try:
        return cache.get(message, width, height, rectified)
    except ConversionError as error:
        return error


@fuzz
@given(SIZE.flatmap(lambda size: st.tuples(st.just(size), camera_infos(*size), st.booleans())))
def test_camera_infos(drawn: tuple[tuple[int, int], Case, bool]) -> None:
    (width, height), case, rectified = drawn
    cache = CameraModelCache()
    outcomes = [asked(cache, case.message, width, height, rectified) for _ in range(2)]
    if isinstance(outcomes[0], ConversionError):
        # without a pinhole the node uses the frame as if there were no camera_info
        allowed = case.outcomes | {"no_intrinsics"} if USED in case.outcomes and case.changes else case.outcomes
        refusal(Case(case.message, case.changes, allowed), outcomes[0])
        assert str(outcomes[1]) == str(outcomes[0]), "remembered"
        return
    camera = outcomes[0]
    assert outcomes[1] is camera
    assert USED in case.outcomes, case.changes
    image, valid = camera.rectify(np.full((height, width, 3), 7, np.uint8))
    assert image.shape == (height, width, 3)
    assert valid.shape == (height, width)
    assert valid.mean() >= 0.01
    k = camera.intrinsics
    assert all(1e-3 <= value <= 1e7 for value in (k.fx, k.fy))
    assert all(abs(value) <= 1e7 for value in (k.cx, k.cy))
    assert (k.width, k.height) == (width, height)


def test_sound_messages_are_used() -> None:
    """Else the tests above would pass on a decoder that refuses everything."""
    found = set()

    @fuzz
    @given(SIZE.flatmap(lambda size: st.one_of(images(*size), compressed_images(*size))))
    def look(case: Case) -> None:
        decode = decode_image if isinstance(case.message, Image) else decode_compressed
        if not case.changes and decoded(case, decode) is not None:
            found.add(getattr(case.message, "encoding", None) or case.message.format)

    look()
    assert {"bgr8; png compressed bgr8", "bgr8; jpg compressed bgr8"} <= found
    assert len(found & set(BYTES_PER_PIXEL)) > 2


FOCALS, CENTRES = st.floats(0.01, 1e5), st.floats(-1e4, 1e5)


@st.composite
def intrinsics(draw: Any, width: int, height: int) -> Intrinsics:
    return Intrinsics(draw(FOCALS), draw(FOCALS), draw(CENTRES), draw(CENTRES), width, height)


def on_the_wire(message: Any) -> Any:
    """The message as a subscriber gets it."""
    return deserialize_message(serialize_message(message), type(message))


@fuzz
@given(st.tuples(st.integers(1, 8000), st.integers(1, 8000)).flatmap(lambda size: intrinsics(*size)))
def test_a_published_camera_info_is_read_back_unchanged(camera: Intrinsics) -> None:
    message: CameraInfo = on_the_wire(camera_info_message(ROS_TYPES, camera, Header()))
    if camera.width * camera.height <= 10_000:  # a model has a mask of the image's size
        assert CameraModel.from_camera_info(message, camera.width, camera.height, rectified=False).intrinsics == camera
    assert Intrinsics.from_matrix(message.k, message.width, message.height) == camera
    assert np.reshape(message.p, (3, 4))[:, :3].ravel().tolist() == list(message.k)


DEPTHS = st.floats(width=32)
SHAPE = (3, 5)


@fuzz
@given(arrays(np.float32, SHAPE, elements=DEPTHS), st.sampled_from(DEPTH_ENCODINGS))
def test_any_depth_is_published(depth: np.ndarray, encoding: str) -> None:
    before = depth.copy()
    message: Image = on_the_wire(ImageBuffer(ROS_TYPES, encoding, *SHAPE).fill_depth(depth, Header()))
    np.testing.assert_array_equal(depth, before)
    got = np.frombuffer(message.data, np.float32 if encoding == "32FC1" else np.uint16).reshape(SHAPE)
    if encoding == "32FC1":
        np.testing.assert_array_equal(got, depth)
        return
    metres = depth.astype(np.float64)
    invalid = ~np.isfinite(metres) | (metres <= 0)
    assert (got[invalid] == 0).all()
    expected = np.minimum(metres[~invalid] * 1000.0, 65535.0)
    assert np.abs(got[~invalid] - expected).max(initial=0.0) <= 0.51


@fuzz
@given(arrays(np.uint8, SHAPE), st.sampled_from(LABEL_ENCODINGS))
def test_any_labels_are_published(labels: np.ndarray, encoding: str) -> None:
    message: Image = on_the_wire(ImageBuffer(ROS_TYPES, encoding, *SHAPE).fill(labels, Header()))
    kind = {"mono8": np.uint8, "16SC1": np.int16, "16UC1": np.uint16}[encoding]
    assert np.frombuffer(message.data, kind).tolist() == labels.ravel().tolist()


@fuzz
@given(
    depth=arrays(np.float32, SHAPE, elements=DEPTHS),
    camera=intrinsics(SHAPE[1], SHAPE[0]),
    labels=arrays(np.uint8, SHAPE),
    colors=arrays(np.uint8, (*SHAPE, 3)),
    decimation=st.integers(1, 6),
    nearest=st.sampled_from((0.0, 0.5)),
    farthest=st.sampled_from((math.inf, 20.0)),
)
def test_any_depth_makes_a_cloud(
    depth: np.ndarray,
    camera: Intrinsics,
    labels: np.ndarray,
    colors: np.ndarray,
    decimation: int,
    nearest: float,
    farthest: float,
) -> None:
    buffer = CloudBuffer(ROS_TYPES, *SHAPE, decimation)
    with np.errstate(over="ignore"):
        filled = buffer.fill(depth, camera, colors, labels, labels, Header(), min_range=nearest, max_range=farthest)
    message: PointCloud2 = on_the_wire(filled)
    every = (slice(None, None, decimation),) * 2
    shape = depth[every].shape
    assert (message.height, message.width) == shape
    words = np.frombuffer(message.data, np.float32).reshape(*shape, 8)
    valid = np.isfinite(words[..., 2])
    assert (np.isnan(words[..., :3]).all(axis=2) == ~valid).all()
    assert (words[..., 2][valid] == depth[every][valid]).all()
    assert (words[..., 2][valid] > 0).all()
    assert words[..., 5].copy().view(np.uint32).tolist() == labels[every].tolist()
    packed = words[..., 4].copy().view(np.uint32)
    assert packed.tolist() == pack_rgb(colors[every]).tolist()
    assert not np.isnan(words[..., 4]).any(), "a NaN colour loses its bits on the way through a float"


@fuzz
@given(arrays(np.uint8, (2, 3, 3)))
def test_colors_survive_packing(rgb: np.ndarray) -> None:
    np.testing.assert_array_equal(unpack_rgb(pack_rgb(rgb), np.empty_like(rgb)), rgb)


@fuzz
@given(st.text())
def test_a_quoted_text_is_short_and_on_one_line(text: str) -> None:
    assert len(quoted(text * 50)) < LONGEST_TEXT
    assert "\n" not in quoted(text)
    assert text not in LENSES or quoted(text) == repr(text)
