"""The mapper's benchmark: its arithmetic, the commands of its processes, and the robot beside them on the real wire."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from room_on_the_wire import pose_matrix, time_of
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_srvs.srv import Trigger

pytest.importorskip("torch", reason="about PyTorch itself: the benchmarks time it beside the runtimes")

from cinet_core.rooms.demo.room import camera_pose
from cinet_ros.publishers import LATCHED_QOS
from scripts.benchmarks.nodes.mapping import _command
from scripts.benchmarks.nodes.mapping_metrics import MappingRecord, SaveCall, fused, gaps_between_maps, mapping_rows
from scripts.benchmarks.nodes.robot import FRAMES_ROW, Robot, watch


@pytest.fixture
def record() -> MappingRecord:
    """Ten seconds of a camera at 5 Hz, of which the mapper fuses four frames a second; before them, all is quiet."""
    reports = [
        (when, {"received": int(5 * when), "used": int(4 * when), "dropped: too_old": int(when), "waiting": 2})
        for when in (98.0, 101.0, 105.0, 109.0, 112.0)
    ]
    return MappingRecord(
        camera=[100.0 + 0.1 + index / 5 for index in range(60)],
        maps=[99.0, 101.0, 102.0, 106.0, 111.0],
        counts=reports,
        saves=[SaveCall(103.0, 0.5, True, "saved"), SaveCall(107.0, 30.0, False, "no answer")],
        span=(100.0, 110.0),
        backend="openvino",
    )


def test_frames_are_counted_between_two_reports_within_the_measurement(record: MappingRecord) -> None:
    counted = fused(record)
    assert (counted.sent, counted.received, counted.used) == (40, 40, 32)
    assert counted.drops == {"too_old": 8}
    record.counts[:] = record.counts[:2]
    with pytest.raises(ValueError, match="measure longer"):
        fused(record)


def test_the_time_without_a_map_counts_from_the_begin_and_to_the_end(record: MappingRecord) -> None:
    assert gaps_between_maps(record) == pytest.approx([1.0, 1.0, 4.0, 4.0])
    record.maps.clear()
    assert gaps_between_maps(record) == pytest.approx([10.0])


def test_rows_say_what_was_fused_why_not_and_who_had_no_answer(record: MappingRecord) -> None:
    again = MappingRecord.of(json.loads(json.dumps(record.as_json())))
    assert again == record
    share, maps, saves = mapping_rows("ours", [record, again])
    assert (share.median, share.runs, share.unit) == (pytest.approx(80.0), 2, "%")
    assert share.beside["dropped"] == "8 too_old; 8 too_old"
    assert maps.beside == {"maps": 6, "longest [s]": pytest.approx(4.0)}
    assert saves.beside == {"saved": "2 of 4", "longest [s]": pytest.approx(30.0), "else": "no answer"}


def test_nodes_are_started_without_a_number_of_threads(tmp_path: Path) -> None:
    command = _command("mapping_node", {"save_path": "map"}, None, tmp_path)
    assert command[:3] == ["env", "--unset=OMP_NUM_THREADS", f"XDG_CACHE_HOME={tmp_path}"]
    assert command[3].endswith("lib/cinet_ros/mapping_node")
    assert command[4:] == ["--ros-args", "-p", "save_path:=map"]


def test_nodes_of_another_checkout_get_its_environment_and_their_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "scripts").mkdir()
    prefix = tmp_path / "prefix"
    packages = prefix / "share" / "ament_index" / "resource_index" / "packages"
    packages.mkdir(parents=True)
    (packages / "cinet_ros").touch()
    (prefix / "lib" / "cinet_ros").mkdir(parents=True)
    node = prefix / "lib" / "cinet_ros" / "mapping_node"
    node.write_text('#!/bin/sh\necho "$PWD $OMP_NUM_THREADS $XDG_CACHE_HOME $FROM_ENV $@"\n', encoding="utf-8")
    node.chmod(0o755)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    settings = f"AMENT_PREFIX_PATH={prefix} PYTHONPATH={site} PATH={Path(sys.executable).parent}:$PATH"
    (tmp_path / "scripts" / "env.sh").write_text(f'export FROM_ENV="$PWD" {settings}\n', encoding="utf-8")
    work = tmp_path / "work"
    work.mkdir()
    command = _command("mapping_node", {"save_path": "a map"}, tmp_path, tmp_path / "cache")
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == f"{work}  {tmp_path / 'cache'} {tmp_path} --ros-args -p save_path:=a map"


class Mapper:
    """What of the mapper the robot knows, and a camera."""

    def __init__(self, node: Any) -> None:
        self.infos = node.create_publisher(CameraInfo, "camera_info", 10)
        self.diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.maps = node.create_publisher(PointCloud2, "map/points", LATCHED_QOS)
        self.poses: list[Odometry] = []
        self.answers = [True, False]
        node.create_subscription(Odometry, "odom", self.poses.append, 100)
        node.create_service(Trigger, "/mapping/save", self.save)
        self.sent: list[int] = []
        node.create_timer(0.05, self.send)
        self.count = 0

    def save(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self.answers.pop(0), "said"
        return response

    def send(self) -> None:
        self.count += 1
        self.sent.append(time.time_ns())
        info = CameraInfo()
        info.header.stamp = time_of(self.sent[-1])
        self.infos.publish(info)
        values = [KeyValue(key="received", value=str(self.count)), KeyValue(key="used", value=str(self.count))]
        row = DiagnosticStatus(name=FRAMES_ROW, values=values)
        self.diagnostics.publish(DiagnosticArray(status=[row]))
        self.maps.publish(PointCloud2())


def test_the_robot_walks_with_the_camera_saves_and_notes_what_comes(
    make_node: Callable[..., Any], context: Any
) -> None:
    mapper_node = make_node("mapper")
    mapper = Mapper(mapper_node)
    robot = Robot(8, 20.0, context=context)
    executor = SingleThreadedExecutor(context=context)
    for node in (mapper_node, robot):
        executor.add_node(node)
    watch(robot, lambda: executor.spin_once(timeout_sec=0.01), 1.5, 2, "")
    assert [(call.success, call.message) for call in robot.record.saves] == [(True, "said"), (False, "said")]
    begin, end = robot.record.span
    assert end - begin == pytest.approx(1.5)
    counted = fused(robot.record)
    assert counted.used == counted.received > 10
    assert counted.sent == pytest.approx(counted.used, abs=2)
    assert len(robot.record.maps) > 10
    pose = mapper.poses[-1]
    stamp = pose.header.stamp.sec * 1_000_000_000 + pose.header.stamp.nanosec
    turn, place = pose.pose.pose.orientation, pose.pose.pose.position
    matrix = pose_matrix((place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w))
    # as the frame that was sent last before it, and a little further on
    views = [
        (index - first + (stamp - sent) / 1e9 * 20.0)
        for first in range(3)  # the first ones may have been sent before the robot was heard of
        for index, sent in enumerate(mapper.sent)
        if sent <= stamp
    ]
    nearest = min(float(np.abs(camera_pose(2 * math.pi * view / 8) - matrix).max()) for view in views)
    assert nearest < 1e-6
    robot.destroy_node()
