"""Anchors in the node: messages in, corrected frames out."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from anchoring_rig import HERE, LIDAR_IN_CAMERA, WRONG, room
from room_on_the_wire import quaternion

from cinet_core.anchors import SOURCES
from cinet_core.correction.settings import ANCHORS, CorrectionSettings
from cinet_core.correction.statistics import correction_statistics
from cinet_ros.anchoring import frame_correction
from cinet_ros.anchoring.inputs import DEPTH, DEPTH_INFO, IMU, ODOMETRY, POINTS, SCAN, needed_topics
from cinet_ros.mapping.transforms import PoseUnavailable
from cinet_ros.msg import PerceptionStats


def test_names_of_anchors_are_those_of_the_library() -> None:
    assert ("none", "auto", *SOURCES) == ANCHORS


@pytest.mark.parametrize(
    ("anchor", "temporal", "topics"),
    [
        ("none", "off", set()),
        ("none", "field", set()),
        ("none", "fused", {ODOMETRY}),
        ("scan", "off", {SCAN}),
        ("scan", "field", {SCAN, ODOMETRY}),
        ("depth", "off", {DEPTH, DEPTH_INFO, POINTS}),
        ("odometry", "off", {ODOMETRY}),
        ("motion", "fused", set()),
        ("auto", "fused", {ODOMETRY, SCAN, DEPTH, DEPTH_INFO, POINTS}),
    ],
)
def test_only_what_is_needed_is_subscribed_to(make_rig: Any, anchor: str, temporal: str, topics: set[str]) -> None:
    correction = CorrectionSettings(anchor, temporal)
    assert needed_topics(correction, odometry=True) == topics
    assert needed_topics(correction, odometry=False) == topics - {ODOMETRY}
    inputs = make_rig(anchor=anchor, temporal=temporal).inputs
    assert set(inputs.values()) == topics
    assert set(inputs.silent()) == {f"/{topic}" for topic in topics}
    inputs.update(correction, wanted=False)
    assert not inputs.values()


def test_nothing_is_done_unless_it_is_asked_for(make_rig: Any) -> None:
    rig = make_rig()
    result = rig.frame()
    depth = result.outputs["depth"]
    assert rig.correction.apply(result, rig.settings) is None
    assert set(result.outputs) == {"depth", "labels", "confidence"}
    assert result.depth is depth
    assert rig.state.values() == {}
    assert correction_statistics(rig.state.latest())["correction"] == "none"


def test_sparse_depth_corrects_and_raw_depth_stays(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    for _ in range(5):
        image, info = rig.sparse_depth()
        rig.send(DEPTH, image)
        rig.send(DEPTH_INFO, info)
        rig.send(ODOMETRY, rig.odometry())
        result, error = rig.correct()
    assert error < 0.05
    assert result.outputs["raw_depth"] == pytest.approx(rig.view(rig.number - 1).depth * WRONG, rel=1e-6)
    relative = result.uncertainty / result.depth
    assert 0 < np.nanmedian(relative) < 0.1
    statistics = correction_statistics(rig.state.latest())
    assert statistics["correction"] == "field"
    assert statistics["anchors"] == ["depth"]
    assert statistics["depth_factor"] == pytest.approx(1 / WRONG, rel=0.03)
    assert statistics["anchor_age"] == 0.0
    assert statistics["anchored"] > 0.9
    PerceptionStats(**statistics)  # every field is there, and of its type
    rows = rig.state.values()
    assert rows["depth correction"] == "field"
    assert rows["anchors used"] == "depth"
    # The same sensor as a cloud.
    other = make_rig(anchor="depth", temporal="field")
    for _ in range(3):
        other.send(POINTS, other.cloud())
        _, error = other.correct()
    assert error < 0.05


def test_a_row_of_a_lidar_corrects(make_rig: Any) -> None:
    rig = make_rig(anchor="scan", temporal="field", scan_in_camera=LIDAR_IN_CAMERA)
    errors = []
    for _ in range(6):
        rig.send(SCAN, rig.scan())
        rig.send(ODOMETRY, rig.odometry())
        errors.append(rig.correct()[1])
    assert errors[-1] < 0.12
    assert correction_statistics(rig.state.latest())["anchors"] == ["scan"]


def test_known_motion_corrects(make_rig: Any) -> None:
    rig = make_rig(anchor="odometry", temporal="field")
    errors = []
    for _ in range(14):
        rig.send(ODOMETRY, rig.odometry())
        errors.append(rig.correct()[1])
    assert errors[0] == pytest.approx(WRONG - 1, abs=1e-3)
    assert min(errors) < 0.2
    assert set(rig.state.reasons) <= {
        "tracking_late",
        "odometry, starting",
        "odometry, no_motion",
        "odometry, few_tracks",
    }


@pytest.mark.parametrize(("overtaken", "late"), [(False, 0), (True, 1)])
def test_a_frame_waits_for_its_tracks_while_nothing_else_is_to_be_done(
    make_rig: Any, monkeypatch: pytest.MonkeyPatch, overtaken: bool, late: int
) -> None:
    """On a GPU the network is done long before tracking is."""
    monkeypatch.setattr(frame_correction, "TRACKING_WAIT", 0.0)
    monkeypatch.setattr(frame_correction, "LONGEST_WAIT", 10.0)
    rig = make_rig(anchor="odometry")
    tracked, asked = threading.Event(), []

    def busy(*arguments: Any) -> Any:
        tracked.wait(10.0)
        raise PoseUnavailable("pose_missing", False, "none came")

    def ask() -> bool:
        asked.append(tracked.is_set())
        if len(asked) == 3:
            tracked.set()
        return overtaken

    monkeypatch.setattr(rig.correction._tracker, "_pose", busy)
    monkeypatch.setattr(rig.correction, "_overtaken", ask)
    rig.correct()
    assert rig.state.reasons.get("tracking_late", 0) == late
    assert len(asked) == 1 if overtaken else len(asked) >= 3
    tracked.set()


def test_the_height_of_the_camera_corrects(make_rig: Any) -> None:
    pose = room().render(0, 200).camera_to_world
    level = (0.0, 0.0, 0.0, *quaternion(pose[:3, :3]))
    rig = make_rig(anchor="floor", temporal="off", camera_in_base=level, camera_height=float(pose[2, 3]))
    result, error = rig.correct()
    assert correction_statistics(rig.state.latest())["anchors"] == ["floor"], rig.state.reasons
    floor = result.labels == 1
    truth = rig.view(0).depth
    assert np.abs(result.depth / truth - 1)[floor].mean() < 0.1
    assert error < 0.25
    # A base that stands somewhere does not say how high that is.
    blind = make_rig(anchor="floor", camera_in_base=level)
    blind.correct()
    assert set(blind.state.reasons) <= {"floor, no_tf", "floor, extrinsic_missing"}
    assert sum(blind.state.reasons.values()) == 1


@pytest.mark.parametrize("filtered", [True, False])
def test_an_inertial_unit_says_where_up_is(make_rig: Any, filtered: bool) -> None:
    """The base is pitched by 12 degrees against what the parameters say of it."""
    view = room().render(0, 200)
    pitched = view.camera_to_world[:3, :3] @ cv2.Rodrigues(np.array([math.radians(12.0), 0.0, 0.0]))[0]
    parameters = {
        "anchor": "floor",
        "camera_in_base": (0.0, 0.0, 0.0, *quaternion(pitched)),
        "camera_height": float(view.camera_to_world[2, 3]),
        "imu_in_camera": HERE,
    }
    errors = {}
    for up in ("fixed", "imu"):
        rig = make_rig(anchor_up=up, **parameters)
        rig.send(IMU, rig.imu(filtered=filtered))
        result, _ = rig.correct()
        floor = result.labels == 1
        errors[up] = float(np.abs(result.depth / view.depth - 1)[floor].mean())
    assert errors["imu"] < 0.1
    assert errors["imu"] < 0.6 * errors["fixed"]


def test_an_inertial_unit_is_subscribed_to_where_it_is_asked_for(make_rig: Any) -> None:
    for anchor, wanted in (("floor", {IMU, ODOMETRY}), ("scan", {SCAN, ODOMETRY})):
        correction = CorrectionSettings(anchor, "field")
        assert needed_topics(correction, odometry=True, imu=True) == wanted
        inputs = make_rig(anchor=anchor, temporal="field", anchor_up="imu").inputs
        inputs.update(correction, wanted=True, imu=True)
        assert set(inputs.values()) == wanted


def test_the_image_alone_tells_the_motion(make_rig: Any) -> None:
    rig = make_rig(anchor="motion", temporal="fused")
    used, agreed = 0, 0
    for _ in range(16):
        _, error = rig.correct()
        statistics = correction_statistics(rig.state.latest())
        used += statistics["anchors"] == ["motion"]
        agreed += statistics["agreement"] > 0.8
    assert agreed >= 8, rig.state.reasons
    assert error < 1.5 * (WRONG - 1), "it does not know the metres"
    assert used or "motion, no_motion" in rig.state.reasons
    assert rig.state.reasons["error"] == 0


def test_fused_frames_flicker_less(make_rig: Any) -> None:
    random = np.random.default_rng(0)
    rig = make_rig(temporal="fused")
    raw, fused = [], []
    for _ in range(10):
        noise = cv2.resize(np.exp(0.03 * random.standard_normal((12, 16))), (160, 120)).astype(np.float32)
        rig.send(ODOMETRY, rig.odometry())
        result, _ = rig.correct(wrong=noise)
        truth = rig.view(rig.number - 1).depth
        raw.append(np.median(np.abs(result.outputs["raw_depth"] / truth - 1)))
        fused.append(np.median(np.abs(result.depth / truth - 1)))
    assert np.mean(fused[3:]) < 0.75 * np.mean(raw[3:])
    assert "uncertainty" not in result.outputs
    statistics = correction_statistics(rig.state.latest())
    assert statistics["correction"] == "none"
    assert statistics["agreement"] > 0.8
    assert math.isnan(statistics["depth_factor"])
    PerceptionStats(**statistics)
    assert not rig.state.reasons


def test_limits_hold_after_correction(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="off", depth_max=2.5, label_min_confidence=0.9)
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    result, _ = rig.correct()
    assert np.nanmax(result.depth) <= 2.5
    assert np.isfinite(result.depth).mean() > 0.1
    assert (result.labels == 255).all()


def test_switches_take_effect_at_once(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    assert rig.correct()[1] < 0.1
    rig.settings = replace(rig.settings, anchor="none", temporal="off")
    assert rig.correct()[1] == pytest.approx(WRONG - 1, abs=1e-3)
    assert rig.state.latest() is None
    rig.settings = replace(rig.settings, anchor="depth")
    result, error = rig.correct()
    assert error == pytest.approx(WRONG - 1, abs=1e-3), "nothing is left of the frames before"
    assert result.uncertainty is not None


def test_old_sensor_messages_need_the_motion_since(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    for number in range(5):
        rig.send(ODOMETRY, rig.odometry(number))
    rig.number = 4
    assert rig.correct()[1] < 0.1, "four frames later, carried along the motion"
    blind = make_rig(anchor="depth", temporal="field")
    blind.send(DEPTH, image)
    blind.send(DEPTH_INFO, info)
    blind.number = 4
    blind.correct()
    assert blind.state.reasons[f"{DEPTH}, too_old"] == 1


def test_a_message_is_used_once(make_rig: Any) -> None:
    rig = make_rig(anchor="depth", temporal="field")
    image, info = rig.sparse_depth()
    rig.send(DEPTH, image)
    rig.send(DEPTH_INFO, info)
    rig.send(ODOMETRY, rig.odometry())
    rig.correct()
    rig.send(ODOMETRY, rig.odometry())
    _, error = rig.correct()
    assert rig.state.reasons[f"no {DEPTH}"] == 1
    assert error < 0.1, "the field is carried"
    assert correction_statistics(rig.state.latest())["anchors"] == []
