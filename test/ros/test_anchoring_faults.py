"""What comes on the topics of anchors, and does not, costs no frame: it is counted, and the frame goes out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from anchoring_rig import HERE, LIDAR_IN_CAMERA, WRONG, Rig

from cinet_core.correction.statistics import correction_statistics
from cinet_ros.anchoring.inputs import DEPTH, DEPTH_INFO, IMU, ODOMETRY, POINTS, SCAN


@pytest.mark.fault(
    area="anchors",
    injected="anchor_up = imu: no message, one of a second ago, one that is pushed and not filtered, one of NaN",
    expected="each is counted under its reason, and the frame goes out as predicted",
)
def test_an_inertial_unit_that_does_not_say_costs_no_frame(make_rig: Any, observed: Callable[[str], None]) -> None:
    rig = make_rig(anchor="floor", anchor_up="imu", imu_in_camera=HERE, camera_height=1.5)
    broken = rig.imu(4, filtered=False)
    broken.linear_acceleration.x = math.nan
    for message in (None, rig.imu(-10), rig.imu(2, accelerated=6.0, filtered=False), None, broken):
        if message is not None:
            rig.send(IMU, message)
        _, error = rig.correct()
        assert error == pytest.approx(WRONG - 1, abs=1e-3)
    assert rig.state.reasons["floor, no_imu"] >= 2
    assert rig.state.reasons["anchor/imu, data"] >= 2
    assert "imu_filter_madgwick" in str(rig.conditions.current())
    observed(", ".join(sorted(rig.state.reasons)))


FAULTS: dict[str, tuple[str, Callable[[Rig], Any], str, str]] = {
    "no pose": ("none", lambda rig: None, ODOMETRY, "pose_missing"),
    "pose too late": ("none", lambda rig: rig.odometry(rig.number - 1), ODOMETRY, "pose_late"),
    "pose of another frame": (
        "none", lambda rig: rig.odometry(header=rig.header(frame="map")), ODOMETRY, "pose_late",
    ),
    "no scan": ("scan", lambda rig: None, SCAN, f"no {SCAN}"),
    "scan of another time": ("scan", lambda rig: rig.scan(header=rig.header(90)), SCAN, f"no {SCAN}"),
    "scan without angles": ("scan", lambda rig: rig.scan(angle_increment=math.nan), SCAN, f"{SCAN}, data"),
    "scan without values": (
        "scan", lambda rig: rig.scan(ranges=[math.nan, math.inf, -1.0, 0.0] * 40), SCAN, "scan, no_values",
    ),
    "scan beside the image": (
        "scan", lambda rig: rig.scan(angle_min=math.pi, angle_increment=1e-4), SCAN, "scan, not_in_view",
    ),
    "depth without camera_info": ("depth", lambda rig: rig.sparse_depth()[0], DEPTH, f"{DEPTH}, no_intrinsics"),
    "cloud without z": ("depth", lambda rig: rig.cloud("xyw"), POINTS, f"{POINTS}, encoding"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_counted_and_costs_no_frame(make_rig: Any, fault: str) -> None:
    anchor, make, topic, reason = FAULTS[fault]
    rig = make_rig(anchor=anchor, temporal="fused", scan_in_camera=LIDAR_IN_CAMERA)
    if topic == ODOMETRY and fault != "no pose":
        rig.send(ODOMETRY, rig.odometry())
        rig.correct()
    message = make(rig)
    if topic != ODOMETRY:
        rig.send(ODOMETRY, rig.odometry())
    if message is not None:
        rig.send(topic, message)
    result, error = rig.correct()
    assert rig.state.reasons[reason] == 1, rig.state.reasons
    assert error == pytest.approx(WRONG - 1, abs=1e-3)
    assert np.isfinite(result.depth).all()
    assert f"anchor: {reason}" in rig.state.values()


def test_a_frame_that_cannot_be_corrected_goes_out_as_it_was(make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(anchor="depth", temporal="fused")

    def broken(*arguments: Any, **options: Any) -> Any:
        raise ArithmeticError("no numbers today")

    monkeypatch.setattr(rig.correction._corrector, "correct", broken)
    _, error = rig.correct()
    assert error == pytest.approx(WRONG - 1, abs=1e-3)
    assert rig.state.reasons["error"] == 1
    (condition,) = rig.conditions.current()
    assert "no numbers today" in condition.text
    assert rig.state.latest() is None


def test_without_intrinsics_nothing_is_corrected(make_rig: Any) -> None:
    rig = make_rig(anchor="auto", temporal="fused")
    result = replace(rig.frame(), intrinsics=None)
    rig.correction.begin(result.image, result.header, None, rig.settings)
    rig.correction.apply(result, rig.settings)
    assert rig.state.reasons == {"no_intrinsics": 1}
    assert result.depth is result.outputs["raw_depth"]


@pytest.mark.parametrize("step", [0, -5, 400])
def test_stamps_that_do_not_go_on_start_anew(make_rig: Any, step: int) -> None:
    rig = make_rig(temporal="fused")
    for _ in range(3):
        rig.send(ODOMETRY, rig.odometry())
        rig.correct()
    rig.number = rig.number - 1 + step
    rig.send(ODOMETRY, rig.odometry())
    rig.correct()
    assert rig.state.reasons["time_gap"] == 1
    assert correction_statistics(rig.state.latest())["agreement"] != 0.0


def test_a_jump_of_the_poses_is_no_motion(make_rig: Any) -> None:
    rig = make_rig(temporal="fused")
    for number in range(4):
        message = rig.odometry()
        if number >= 2:
            message.pose.pose.position.x += 5.0  # a relocalisation
        rig.send(ODOMETRY, message)
        rig.correct()
    assert rig.state.reasons == {"pose_jump": 1}


def test_tf_without_tf2_is_a_reason_like_any_other(make_rig: Any) -> None:
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        expected = "no_tf"
    else:
        expected = "pose_late"
    rig = make_rig(temporal="fused", anchor_poses="tf")
    _, error = rig.correct()
    assert rig.state.reasons[expected] == 1
    assert error == pytest.approx(WRONG - 1, abs=1e-3)


@pytest.mark.parametrize("seed", range(2))
def test_hostile_messages_do_no_harm(make_rig: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    rig = make_rig(anchor="auto", temporal="fused", scan_in_camera=LIDAR_IN_CAMERA)
    wild = [0.0, -1.0, math.nan, math.inf, -math.inf, 1e-30, 1e30, 3.0]
    for _ in range(12):
        odometry = rig.odometry()
        setattr(odometry.pose.pose.position, random.choice(["x", "y", "z"]), float(random.choice(wild)))
        setattr(odometry.pose.pose.orientation, random.choice(["x", "w"]), float(random.choice(wild)))
        scan = rig.scan(ranges=[float(value) for value in random.choice(wild, random.integers(0, 300))])
        setattr(scan, random.choice(["angle_min", "angle_increment", "range_max"]), float(random.choice(wild)))
        image, info = rig.sparse_depth()
        image.data = random.integers(0, 256, random.choice([0, len(image.data)]), np.uint8).tobytes()
        info.k[random.integers(9)] = float(random.choice(wild))
        cloud = rig.cloud()
        cloud.point_step = int(random.choice([0, 4, 12, 2**31]))
        cloud.data = random.integers(0, 256, len(cloud.data), np.uint8).tobytes()
        for topic, message in ((ODOMETRY, odometry), (SCAN, scan), (DEPTH, image), (DEPTH_INFO, info), (POINTS, cloud)):
            if random.random() < 0.8:
                rig.send(topic, message)
        result, _ = rig.correct()
        assert result.depth.shape == (120, 160)
        assert (result.depth > 0).mean() > 0.95
    assert rig.state.reasons["error"] == 0, [item.text for item in rig.conditions.current()]
