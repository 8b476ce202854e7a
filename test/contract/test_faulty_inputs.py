"""Faulty inputs over the real wire: each is dropped under its own reason, named with a remedy, and the next is used."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from malformed_files import image_file, with_size
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

WIDTH, HEIGHT = 64, 48
SMALL_NETWORK = {"weights": "random", "network_width": 64, "network_height": 48}
DEPTH, INFO = "depth_registered/image_rect", "depth_registered/camera_info"
NAN = float("nan")

_SECONDS = itertools.count(1000)


def image(scale: int = 1, **fields: Any) -> Image:
    """A grey image with a stamp of its own, with fields replaced."""
    width, height = WIDTH * scale, HEIGHT * scale
    message = Image(width=width, height=height, encoding="mono8", step=width, data=bytes([99]) * (width * height))
    message.header.frame_id = "camera"
    message.header.stamp.sec = next(_SECONDS)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def compressed(data: bytes, text: str = "png") -> CompressedImage:
    """A compressed image with a stamp of its own."""
    message = CompressedImage(format=text, data=data)
    message.header.stamp.sec = next(_SECONDS)
    return message


def diagnosed(wire: Any) -> tuple[DiagnosticStatus, dict[str, str]]:
    """The next row of the camera, and its values."""
    row = wire.diagnosis("perception: camera")
    return row, {item.key: item.value for item in row.values}


def loses(wire: Any, make_info: Callable[..., CameraInfo], broken: Any, info: CameraInfo, reason: str) -> str:
    """Send a frame that must be dropped, then a sound one that must be used; return what diagnostics say."""
    wire.subscribe_stats()
    wire.publisher("camera_info", CameraInfo).publish(info)
    wire.spin_for(0.3)  # the two topics are not ordered against each other
    wire.exchange(broken, info, [])
    rows: list[tuple[DiagnosticStatus, dict[str, str]]] = []

    def dropped() -> bool:
        rows.append(diagnosed(wire))
        return f"dropped: {reason}" in rows[-1][1]

    wire.spin_until(dropped, f"frame dropped as {reason}")
    row, values = rows[-1]
    assert values[f"dropped: {reason}"] == "1", "each reason has one test"
    assert row.level == DiagnosticStatus.ERROR
    sound = image() if isinstance(broken, Image) else compressed(image_file(".png", WIDTH, HEIGHT))
    stats = wire.exchange(sound, make_info(sound, WIDTH, HEIGHT, fx=60.0), ["stats"])["stats"]
    assert stats.frames_received == stats.frames_used + stats.frames_dropped
    return str(row.message)


def fault(injected: str, reason: str, says: str, *values: Any) -> Any:
    """A row of the table."""
    marks = pytest.mark.fault(
        area="input",
        fault=f"on the wire: {injected}",
        injected=injected,
        expected=f"dropped as `{reason}`, ERROR that says `{says}`; the next frame is used",
    )
    return pytest.param(*values, reason, says, marks=marks, id=injected)


class TestRawImages:
    """One node that reads `image`."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        return start("perception_node", SMALL_NETWORK, until="configured")

    @pytest.mark.parametrize(
        ("fields", "reason", "says"),
        [
            fault("a depth image", "encoding", "publish one of rgb8", {"encoding": "32FC1"}),
            fault("100 bytes of data", "data", "truncated", {"data": bytes(100)}),
            fault("a size of 60000x60000", "size", "reduce the camera's resolution", {"width": 60000, "height": 60000}),
        ],
    )
    def test_images(
        self,
        wire: Any,
        make_info: Callable[..., CameraInfo],
        observed: Callable[[str], None],
        fields: dict[str, Any],
        reason: str,
        says: str,
    ) -> None:
        broken = image(**fields)
        text = loses(wire, make_info, broken, make_info(broken, WIDTH, HEIGHT), reason)
        assert says in text
        observed(f"1 of 2 dropped as {reason}, the next one used")

    @pytest.mark.parametrize(
        ("fields", "reason", "says"),
        [
            fault("camera_info of another aspect", "aspect", "another aspect", {"width": WIDTH // 2}),
            fault(
                "camera_info with an unknown model",
                "distortion_model",
                "plumb_bob",
                {"distortion_model": "omni", "d": [0.1] * 5},
            ),
            fault("coefficients of 1e300", "distortion_coefficients", "calibrate anew", {"d": [1e300] * 5}),
            fault("R of zeros but one", "rectification_matrix", "not a rotation", {"r": [1.0] + [0.0] * 8}),
        ],
    )
    def test_camera_infos(
        self,
        wire: Any,
        make_info: Callable[..., CameraInfo],
        observed: Callable[[str], None],
        fields: dict[str, Any],
        reason: str,
        says: str,
    ) -> None:
        frame = image()
        info = make_info(frame, WIDTH, HEIGHT)
        for name, value in fields.items():
            setattr(info, name, value)
        text = loses(wire, make_info, frame, info, reason)
        assert says in text
        observed(f"1 of 2 dropped as {reason}, the next one used")

    @pytest.mark.fault(
        area="input",
        injected="camera_info whose K is zero, NaN or negative",
        expected="used as uncalibrated: depth, but no cloud and no camera_info; diagnostics name the values",
    )
    @pytest.mark.parametrize("focal", [0.0, NAN, -60.0])
    def test_an_invalid_k_is_no_calibration(
        self, wire: Any, make_info: Callable[..., CameraInfo], observed: Callable[[str], None], focal: float
    ) -> None:
        for topic, kind in ((DEPTH, Image), (INFO, CameraInfo), ("points", PointCloud2)):
            wire.subscribe(topic, kind)
        frame = image()
        wire.exchange(frame, make_info(frame, WIDTH, HEIGHT, fx=focal), [DEPTH])
        row, _ = diagnosed(wire)
        assert row.level != DiagnosticStatus.OK
        assert f"K = [{focal:g}" in row.message
        assert "assumed_fov" in row.message
        assert not wire.messages["points"]
        assert not wire.messages[INFO]
        observed(row.message)

    @pytest.mark.fault(
        area="input",
        injected="focal length, then size, changed while the camera runs, forth and back",
        expected="every output follows with its own frame",
    )
    def test_calibration_and_resolution_change_at_run_time(
        self, wire: Any, make_info: Callable[..., CameraInfo]
    ) -> None:
        topics = {DEPTH: Image, INFO: CameraInfo, "points": PointCloud2, "semantic_color/image_raw": Image}
        for topic, kind in topics.items():
            wire.subscribe(topic, kind)
        for scale, fx in ((1, 60.0), (1, 90.0), (2, 90.0), (1, 60.0)):
            frame = image(scale)
            got = wire.exchange(frame, make_info(frame, WIDTH * scale, HEIGHT * scale, fx=fx), list(topics))
            for topic, message in got.items():
                assert (message.width, message.height) == (WIDTH * scale, HEIGHT * scale), topic
                assert message.header == frame.header
            assert got[INFO].k[0] == pytest.approx(fx)

    @pytest.mark.fault(
        area="input",
        injected="an image before its camera_info",
        expected="it is taken with the camera_info before; the next one has its own",
    )
    def test_a_late_camera_info(self, wire: Any, make_info: Callable[..., CameraInfo]) -> None:
        wire.subscribe(INFO, CameraInfo)
        first, late = image(), image()
        wire.exchange(first, make_info(first, WIDTH, HEIGHT, fx=60.0), [INFO])
        assert wire.exchange(late, None, [INFO])[INFO].k[0] == pytest.approx(60.0)
        after = image()
        assert wire.exchange(after, make_info(after, WIDTH, HEIGHT, fx=80.0), [INFO])[INFO].k[0] == pytest.approx(80.0)

    @pytest.mark.fault(
        area="input",
        injected="stamps of the year 2038, and with 4 billion nanoseconds",
        expected="used and copied as they are, latency NaN, a WARN that names use_sim_time",
    )
    def test_stamps_of_the_future(self, wire: Any, make_info: Callable[..., CameraInfo]) -> None:
        wire.subscribe_stats()
        for seconds, nanoseconds in ((2**31 - 1, 0), (-5, 2**32 - 1)):
            frame = image()
            frame.header.stamp.sec, frame.header.stamp.nanosec = seconds, nanoseconds
            stats = wire.exchange(frame, make_info(frame, WIDTH, HEIGHT), ["stats"])["stats"]
            assert np.isnan(stats.latency)
        row, _ = diagnosed(wire)
        assert "use_sim_time" in row.message

    @pytest.mark.fault(
        area="input",
        injected="bytes on the wire that are no message: empty, cut short, 4 GB claimed, noise",
        expected="the middleware drops them; frames before and after are used, the node stays responsive",
    )
    def test_bytes_that_are_no_message(self, wire: Any, make_info: Callable[..., CameraInfo]) -> None:
        wire.subscribe(DEPTH, Image)
        frame = image()
        wire.exchange(frame, make_info(frame, WIDTH, HEIGHT), [DEPTH])
        raw = serialize_message(image())
        at = raw.rindex((WIDTH * HEIGHT).to_bytes(4, "little"))
        for data in (
            b"",
            b"\0",
            raw[:4],
            raw[:30],
            raw[:-9],
            b"\xff" * 50,
            raw[:at] + b"\xff\xff\xff\x7f" + raw[at + 4 :],
        ):
            wire.publisher("image", Image).publish(data)
            wire.spin_for(0.02)
        frame = image()
        wire.exchange(frame, make_info(frame, WIDTH, HEIGHT), [DEPTH])
        assert wire.set_parameters("/perception", overlay_opacity=0.4)[0].successful

    @pytest.mark.fault(
        area="input",
        injected="300 images as fast as they can be sent, then one every 10 ms for 2 s",
        expected="received = used + dropped; only stamps that were sent come out, in their order, the last one too",
    )
    def test_bursts_and_overload(
        self, wire: Any, make_info: Callable[..., CameraInfo], observed: Callable[[str], None]
    ) -> None:
        wire.subscribe_stats()
        frame = image()
        before = wire.exchange(frame, make_info(frame, WIDTH, HEIGHT), ["stats"])["stats"]
        wire.messages["stats"].clear()
        images, sent = wire.publisher("image", Image), []
        for number in range(500):
            frame = image()
            sent.append(frame.header.stamp.sec)
            images.publish(frame)
            if number >= 300:
                wire.spin_for(0.01)
        frame = image()
        after = wire.exchange(frame, make_info(frame, WIDTH, HEIGHT), ["stats"])["stats"]
        out = [message.header.stamp.sec for message in wire.messages["stats"]]
        assert set(out) <= {*sent, frame.header.stamp.sec}
        assert out == sorted(set(out))
        assert after.frames_received == after.frames_used + after.frames_dropped
        received, used = after.frames_received - before.frames_received, after.frames_used - before.frames_used
        assert used == len(out)
        assert 1 < used < received <= 501
        observed(f"{received} of 501 received, {used} used")


class TestCompressedImages:
    """One node that reads `image/compressed`."""

    PNG = image_file(".png", WIDTH, HEIGHT)

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        return start("perception_node", SMALL_NETWORK | {"image_transport": "compressed"}, until="configured")

    @pytest.mark.parametrize(
        ("data", "text", "reason", "says"),
        [
            fault("a PNG of 400 bytes that claims 30000x30000", "size", "30000", with_size(PNG, 30000, 30000), "png"),
            fault(
                "a PNG whose chunk claims 2 GB",
                "data",
                "bytes after it",
                PNG[:33] + b"\x7f\xff\xff\xffIDAT" + PNG[33:],
                "png",
            ),
            fault("noise", "format", "neither JPEG nor PNG", bytes(range(200)), "jpeg"),
            fault("a depth image", "compressed_depth", "colour image", PNG, "16UC1; compressedDepth png"),
        ],
    )
    def test_files(
        self,
        wire: Any,
        make_info: Callable[..., CameraInfo],
        observed: Callable[[str], None],
        data: bytes,
        text: str,
        reason: str,
        says: str,
    ) -> None:
        broken = compressed(data, text)
        said = loses(wire, make_info, broken, make_info(broken, WIDTH, HEIGHT), reason)
        assert says in said
        observed(f"1 of 2 dropped as {reason}, the next one used")
