"""Inputs as cameras really send them: compressed, distorted, several at once, uncalibrated, at 30 Hz."""

from __future__ import annotations

import functools
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from made_images import smooth_image
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from cinet_ros.msg import SemanticClasses

WIDTH, HEIGHT = 160, 120
SMALL_NETWORK = {"weights": "random", "network_width": 80, "network_height": 64}
rgb_image = functools.partial(smooth_image, WIDTH, HEIGHT, seed=1)


def as_array(message: Image) -> np.ndarray:
    """(H, W) float32 or (H, W, 3) uint8 pixels."""
    if message.encoding == "32FC1":
        return np.frombuffer(bytes(message.data), "<f4").reshape(message.height, message.width)
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, -1).squeeze()


class TestSeveralCameras:
    """Two cameras in one process, in a namespace that holds "rect": one distorted, one without any calibration."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        parameters = SMALL_NETWORK | {"cameras": ["front", "rear"], "camera_info_timeout": 0.5}
        return start("perception_node", parameters, until="configured", namespace="direct_drive")

    @pytest.mark.fault(
        area="input",
        injected="a distorted camera whose P keeps the whole field of view",
        expected="rectified once; all outputs live in the rectified frame, invalid where it has no source",
    )
    def test_a_distorted_camera_is_rectified_once_and_all_outputs_live_in_the_rectified_frame(
        self, wire: Any, make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
    ) -> None:
        topics = {
            "rgb/image_rect": Image,
            "depth_registered/image_rect": Image,
            "semantic/image_raw": Image,
            "semantic/confidence": Image,
            "depth_registered/camera_info": CameraInfo,
            "points": PointCloud2,
        }
        for topic, kind in topics.items():
            wire.subscribe(f"/direct_drive/front/{topic}", kind)
        fx, cx, cy = 100.0, 80.0, 60.0
        d = [-0.35, 0.12, 0.001, -0.001, 0.0]
        # P keeps the whole field of view: the corners of the rectified image have no source
        p = [80.0, 0.0, 79.0, 0.0, 0.0, 80.0, 61.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        image = make_image(rgb_image())
        info = make_info(image, WIDTH, HEIGHT, d=d, p=p, k=[fx, 0.0, cx, 0.0, fx, cy, 0.0, 0.0, 1.0])
        got = wire.exchange(
            image, info, [f"/direct_drive/front/{topic}" for topic in topics], prefix="/direct_drive/front/"
        )
        got = {topic.removeprefix("/direct_drive/front/"): message for topic, message in got.items()}

        camera = np.array([[fx, 0, cx], [0, fx, cy], [0, 0, 1]])
        projection = np.asarray(p).reshape(3, 4)[:, :3]
        maps = cv2.initUndistortRectifyMap(camera, np.array(d), np.eye(3), projection, (WIDTH, HEIGHT), cv2.CV_32FC1)
        expected = cv2.remap(rgb_image(), *maps, cv2.INTER_LINEAR)
        inside = (maps[0] > 1) & (maps[0] < WIDTH - 2) & (maps[1] > 1) & (maps[1] < HEIGHT - 2)
        outside = (maps[0] < -1) | (maps[0] > WIDTH) | (maps[1] < -1) | (maps[1] > HEIGHT)
        assert inside.any()
        assert outside.any()
        difference = np.abs(as_array(got["rgb/image_rect"]).astype(int) - expected)
        assert difference[inside].max() <= 3
        info_out = got["depth_registered/camera_info"]
        assert np.asarray(info_out.k).reshape(3, 3) == pytest.approx(projection)
        assert not np.any(info_out.d)
        assert np.isnan(as_array(got["depth_registered/image_rect"])[outside]).all()
        assert (as_array(got["semantic/image_raw"])[outside] == 255).all()
        assert (as_array(got["semantic/confidence"])[outside] == 0).all()

    @pytest.mark.fault(
        area="input",
        injected="images, but never a camera_info",
        expected="they wait camera_info_timeout; then depth, but no cloud; a WARN names assumed_fov",
    )
    def test_a_camera_without_calibration_yields_depth_but_no_cloud_and_says_so(
        self, wire: Any, make_image: Callable[..., Image]
    ) -> None:
        wire.subscribe("/direct_drive/rear/depth_registered/image_rect", Image)
        wire.subscribe("/direct_drive/rear/points", PointCloud2)
        wire.subscribe("/direct_drive/rear/depth_registered/camera_info", CameraInfo)
        wire.subscribe("/diagnostics", DiagnosticArray)
        topic = "/direct_drive/rear/depth_registered/image_rect"
        wire.publisher("/direct_drive/rear/camera_info", CameraInfo)  # there is a driver, but it sends no calibration
        publisher = wire.publisher("/direct_drive/rear/image", Image)
        wire.spin_until(lambda: publisher.get_subscription_count() > 0, "subscriber")
        publisher.publish(make_image(rgb_image()))
        wire.spin_for(0.7)
        assert not wire.messages[topic], "the first images wait for a camera_info"
        wire.exchange(make_image(rgb_image()), None, [topic], prefix="/direct_drive/rear/")
        wire.spin_until(
            lambda: any("assumed_fov" in s.message for a in wire.messages["/diagnostics"] for s in a.status), "warning"
        )
        assert not wire.messages["/direct_drive/rear/points"]
        assert not wire.messages["/direct_drive/rear/depth_registered/camera_info"]

    def test_an_assumed_field_of_view_brings_the_cloud_back(self, wire: Any, make_image: Callable[..., Image]) -> None:
        assert wire.set_parameters("/direct_drive/perception", assumed_fov=90.0)[0].successful
        for topic, kind in (("points", PointCloud2), ("depth_registered/camera_info", CameraInfo)):
            wire.subscribe(f"/direct_drive/rear/{topic}", kind)
        topics = ["/direct_drive/rear/points", "/direct_drive/rear/depth_registered/camera_info"]
        got = wire.exchange(make_image(rgb_image()), None, topics, prefix="/direct_drive/rear/")
        assert got[topics[1]].k[0] == pytest.approx(WIDTH / 2)  # tan(45 degrees) = 1
        wire.set_parameters("/direct_drive/perception", assumed_fov=0.0)


class TestCompressed:
    """image/compressed in place of image."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        return start("perception_node", SMALL_NETWORK | {"image_transport": "compressed"}, until="configured")

    @pytest.mark.parametrize(
        ("kind", "text", "tolerance"),
        [("png", "rgb8; png compressed bgr8", 0), ("jpeg", "rgb8; jpeg compressed bgr8", 8), ("jpeg", "bgr8", 8)],
    )
    def test_compressed_images(
        self,
        wire: Any,
        make_image: Callable[..., Any],
        make_info: Callable[..., Any],
        kind: str,
        text: str,
        tolerance: int,
    ) -> None:
        wire.subscribe("rgb/image_rect", Image)
        _, data = cv2.imencode(f".{kind}", cv2.cvtColor(rgb_image(), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 98])
        message = CompressedImage(header=make_image(rgb_image()).header, format=text)
        message.data = data.tobytes()
        got = wire.exchange(message, make_info(message, WIDTH, HEIGHT), ["rgb/image_rect"])["rgb/image_rect"]
        assert np.abs(as_array(got).astype(int) - rgb_image()).max() <= tolerance

    @pytest.mark.fault(
        area="input",
        injected="a JPEG cut after 200 bytes",
        expected="dropped and counted, ERROR in diagnostics; the next one is used",
    )
    def test_a_corrupted_image_is_counted_and_the_next_one_is_used(
        self, wire: Any, make_image: Callable[..., Any], make_info: Callable[..., Any]
    ) -> None:
        wire.subscribe_stats()
        wire.subscribe("/diagnostics", DiagnosticArray)
        _, data = cv2.imencode(".jpeg", rgb_image())
        broken = CompressedImage(header=make_image(rgb_image()).header, format="jpeg", data=data.tobytes()[:200])
        wire.exchange(broken, make_info(broken, WIDTH, HEIGHT), [])
        wire.spin_until(
            lambda: any(s.level == DiagnosticStatus.ERROR for a in wire.messages["/diagnostics"] for s in a.status),
            "error in diagnostics",
        )
        good = CompressedImage(header=make_image(rgb_image()).header, format="jpeg", data=data.tobytes())
        stats = wire.exchange(good, make_info(good, WIDTH, HEIGHT), ["stats"])["stats"]
        assert stats.frames_dropped == 1
        assert stats.frames_received == stats.frames_used + stats.frames_dropped


class TestRate:
    """A camera at 640x480 and 30 Hz under the shipped Fast DDS profile."""

    FRAMES = 60

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        return start("perception_node", {"weights": "random"}, until="configured")

    @pytest.mark.fault(
        area="input",
        injected="640x480 at 30 Hz from a reliable and from a best-effort publisher",
        expected="95 % received with either, received = used + dropped",
    )
    @pytest.mark.parametrize("reliability", ["reliable", "best_effort"])
    def test_publishers_of_either_reliability_deliver(
        self, wire: Any, start: Callable[..., Any], reliability: str, tmp_path: Path
    ) -> None:
        still = cv2.resize(rgb_image(), (640, 480), interpolation=cv2.INTER_LINEAR)
        encoded = cv2.imencode(".jpg", still)[1].tobytes()
        for index in range(self.FRAMES):  # a folder played once sends every frame exactly once
            (tmp_path / f"{index:04d}.jpg").write_bytes(encoded)
        wire.subscribe_stats()
        wire.spin_for(1.0)
        before = max((item.frames_received for item in wire.messages["stats"]), default=0)
        player = start(
            "player_node",
            {
                "source": str(tmp_path), "rate": 30.0, "loop": False, "reliability": reliability, "fov": 60.0,
                "wait_for_subscribers": 1, "wait_timeout": 30.0,
            },
        )  # fmt: skip
        wire.spin_until(lambda: player.process.poll() is not None, "end of the player", timeout=60.0)
        assert player.process.returncode == 0, player.output()
        wire.spin_for(1.0)
        assert f"sent {self.FRAMES} frames" in player.output()
        last = max(wire.messages["stats"], key=lambda item: item.frames_received)
        assert last.frames_received - before >= 0.95 * self.FRAMES
        assert last.frames_received >= last.frames_used + last.frames_dropped


class TestLifecycle:
    """The managed node, by its services."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def node(cls, start: Callable[..., Any]) -> Any:
        return start("perception_node", SMALL_NETWORK | {"autostart": False})

    @pytest.fixture
    def change(self, wire: Any) -> Iterator[Callable[[int], bool]]:
        client = wire.node.create_client(ChangeState, "/perception/change_state")
        assert client.wait_for_service(60.0)

        def request(transition: int) -> bool:
            future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            wire.spin_until(future.done, "answer to change_state", timeout=60.0)
            return future.result().success

        yield request
        wire.node.destroy_client(client)

    @pytest.fixture
    def state(self, wire: Any) -> Iterator[Callable[[], int]]:
        client = wire.node.create_client(GetState, "/perception/get_state")
        assert client.wait_for_service(60.0)

        def ask() -> int:
            future = client.call_async(GetState.Request())
            wire.spin_until(future.done, "answer to get_state")
            return future.result().current_state.id

        yield ask
        wire.node.destroy_client(client)

    def test_it_goes_through_its_states_and_works_again_after_each(
        self,
        wire: Any,
        change: Callable[[int], bool],
        state: Callable[[], int],
        make_image: Callable[..., Image],
        make_info: Callable[..., CameraInfo],
    ) -> None:
        images = wire.publisher("image", Image)
        assert state() == State.PRIMARY_STATE_UNCONFIGURED
        for _ in range(2):
            assert change(Transition.TRANSITION_CONFIGURE)
            assert state() == State.PRIMARY_STATE_INACTIVE
            wire.subscribe("semantic/classes", SemanticClasses, latched=True)
            wire.spin_until(lambda: wire.messages["semantic/classes"], "classes, latched anew")
            for _ in range(2):
                assert change(Transition.TRANSITION_ACTIVATE)
                assert state() == State.PRIMARY_STATE_ACTIVE
                wire.subscribe("semantic/image_raw", Image)
                image = make_image(rgb_image())
                wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["semantic/image_raw"])
                assert change(Transition.TRANSITION_DEACTIVATE)
                wire.spin_until(lambda: not images.get_subscription_count(), "end of the subscription")
                wire.unsubscribe_all()
            assert change(Transition.TRANSITION_CLEANUP)
            wire.spin_until(lambda: wire.node.count_publishers("semantic/image_raw") == 0, "end of the outputs")


@pytest.mark.fault(
    area="parameters",
    injected="arguments that ROS cannot parse",
    expected="exit status 2 and a sentence that names them",
)
def test_arguments_that_ros_cannot_read_are_told_in_a_line(start: Callable[..., Any]) -> None:
    node = start("perception_node", {"weights": "random", "a b": 1}, installed=True)
    assert node.process.wait(60) == 2
    assert "a b" in node.output()
    assert "Traceback" not in node.output()


@pytest.mark.fault(
    area="parameters",
    injected="an empty name of weights",
    expected="exit status 2 and a sentence that says what to set",
)
def test_without_weights_the_node_refuses_to_start_and_says_what_to_do(start: Callable[..., Any]) -> None:
    node = start("perception_node", {"weights": ""})
    assert node.process.wait(60) == 2
    assert "weights:=" in node.output()
    assert "`default`" in node.output()
    assert "Traceback" not in node.output()


@pytest.mark.fault(
    area="parameters",
    injected="overlay_opacity:=7.0 on the command line",
    expected="exit status 2 and a sentence with the name and the range",
)
def test_a_bad_parameter_is_named_with_its_range(start: Callable[..., Any]) -> None:
    node = start("perception_node", {"weights": "random", "overlay_opacity": 7.0})
    assert node.process.wait(60) == 2
    assert "overlay_opacity" in node.output()
    assert "Traceback" not in node.output()


def test_weights_that_cannot_be_read_leave_the_node_up_and_unconfigured(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "absent.safetensors"
    node = start("perception_node", {"weights": str(path)}, until="still unconfigured")
    assert str(path) in node.output()
    assert "Traceback" not in node.output()
    with pytest.raises(subprocess.TimeoutExpired):
        node.process.wait(1.0)
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(15) == 0


def test_an_impatient_user_ends_the_node_cleanly_in_the_middle_of_its_work(
    wire: Any, start: Callable[..., Any], make_image: Callable[..., Image], make_info: Callable[..., CameraInfo]
) -> None:
    # the installed one: the end of the interpreter is part of it
    node = start("perception_node", {"weights": "random"}, until="configured", installed=True)
    wire.subscribe_stats()
    image = make_image(rgb_image())
    wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])
    images = wire.publisher("image", Image)
    for _ in range(5):
        images.publish(make_image(rgb_image()))
    for _ in range(3):
        node.process.send_signal(signal.SIGINT)
        wire.spin_for(0.05)
    assert node.process.wait(15) == 0
    assert "Traceback" not in node.output()
    assert "frame lost" not in node.output()
