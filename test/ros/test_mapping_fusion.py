"""What a worker of the mapper does in a turn and when it is given up, and what it publishes of the map."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from output_arrays import colors, points
from room_on_the_wire import CAMERA_IN_BASE, LABEL_SET, SECOND, NoOutputs, RoomOnTheWire, pose_matrix, time_of
from std_srvs.srv import Trigger

from cinet_core.geometry import without_edges
from cinet_core.label_sets import UNLABELLED
from cinet_core.mapping import semantic_map
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_ros.camera import Job
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import Conditions
from cinet_ros.mapping.frame_queue import FrameQueue, SynchronizedFrame
from cinet_ros.mapping.fusion import CALLS, FRAMES, ORDER, PUBLISH, PUBLISHING_SHARE, RESET, SAVE, Fusion, FusionContext
from cinet_ros.mapping.map_outputs import MARKERS, OCCUPANCY, POINTS
from cinet_ros.mapping.map_store import MapStore
from cinet_ros.mapping.map_view import map_messages
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.mapping.pose_sources import open_pose_source
from cinet_ros.mapping.requests import Request, RequestQueue
from cinet_ros.supervisor import WorkerSupervisor
from cinet_ros.worker import LatestWorker

PATIENCE = 10.0


@pytest.fixture
def place(make_node: Any) -> FusionContext:
    return workplace(make_node)


def workplace(make_node: Any, **parameters: Any) -> FusionContext:
    """Of a node with these parameters."""
    settings = MappingSettings(camera_in_base=CAMERA_IN_BASE, **parameters)
    counters = FrameCounters()
    return FusionContext(
        store=MapStore(settings, LABEL_SET),
        requests=RequestQueue(),
        queue=FrameQueue(8, counters),
        poses=open_pose_source(None, settings),
        outputs=NoOutputs(),  # type: ignore[arg-type]
        counters=counters,
        conditions=Conditions(make_node("mapping").get_logger()),
        settings=lambda: settings,
    )


class Call:
    """A request and what was answered to it.

    Args:
        place: where it waits.
        key: of the service.
    """

    def __init__(self, place: FusionContext, key: str) -> None:
        self.request = Request(key)
        self.answers: list[Trigger.Response] = []
        self.request.send_by(self.answers.append)
        place.requests.put(self.request)

    @property
    def answer(self) -> Trigger.Response:
        """The only one."""
        (answer,) = self.answers
        return answer


def turn(fusion: Fusion, key: str) -> bool:
    """What a worker does once; whether there is more of the same."""
    return fusion.process({key: Job(None, 0.0)})


def queue_views(place: FusionContext, *numbers: int, age: float = 0.0) -> RoomOnTheWire:
    """Frames of the room, complete so many seconds ago, with their poses."""
    room = RoomOnTheWire()
    for number in numbers:
        view = room.views[number]
        for stamp in (view.stamp - SECOND // 100, view.stamp + SECOND // 100):
            place.poses.receive(room.odometry(stamp))
        place.queue.put(SynchronizedFrame(room.messages(view), view.stamp, time.monotonic() - age))
    return room


# --- turns ---


def test_one_frame_a_turn(place: FusionContext) -> None:
    queue_views(place, 0, 1, 2)
    fusion = Fusion(place)
    for fused, more in ((1, True), (2, True), (3, False)):
        assert turn(fusion, FRAMES) is more
        assert place.counters.now().used == fused
    assert turn(fusion, FRAMES) is False


def test_calls_and_the_map_come_before_the_frames_that_wait(make_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker as the node has it, whose frames take long: what else it is asked for waits for one of them only."""
    place = workplace(make_node)
    done: list[str] = []
    begun, let_go = threading.Event(), threading.Event()

    def integrate(self: Fusion, frame: SynchronizedFrame, pose: np.ndarray) -> None:
        begun.set()
        assert let_go.wait(PATIENCE)
        done.append("frame")

    monkeypatch.setattr(Fusion, "_integrate", integrate)
    monkeypatch.setattr(Fusion, "_publish", lambda self: done.append("map"))
    monkeypatch.setattr(MapStore, "save", lambda self, path, progressed: done.append("save") or "saved")
    monkeypatch.setattr(MapStore, "reset", lambda self: done.append("reset"))
    queue_views(place, 0, 1, 2, 3)
    fusion = Fusion(place)
    worker: LatestWorker[Job] = LatestWorker(fusion.process, fusion.failed, order=ORDER)
    worker.submit(FRAMES, Job(None, 0.0))
    assert begun.wait(PATIENCE)
    calls = [Call(place, key) for key in (SAVE, RESET, SAVE)]
    for key in (FRAMES, PUBLISH, CALLS):
        worker.submit(key, Job(None, 0.0))
    let_go.set()
    deadline = time.monotonic() + PATIENCE
    while len(done) < 8 and time.monotonic() < deadline:
        time.sleep(0.002)
    worker.stop()
    assert done == ["frame", "save", "reset", "save", "map", "frame", "frame", "frame"]
    assert [call.answer.message for call in calls] == ["saved", "the map is empty", "saved"]


def test_the_watchdog_times_one_frame_not_all_that_wait(make_node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = workplace(make_node)
    seconds, timeout = 0.05, 0.25

    def integrate(self: Fusion, frame: SynchronizedFrame, pose: np.ndarray) -> None:
        time.sleep(seconds)

    monkeypatch.setattr(Fusion, "_integrate", integrate)
    renewed: list[None] = []
    supervisor = WorkerSupervisor(place.conditions, lambda: renewed.append(None), ORDER)
    supervisor.start(lambda: Fusion(place))
    queue_views(place, *range(8))  # together longer than the watchdog waits
    supervisor.submit(FRAMES, Job(None, 0.0))
    deadline = time.monotonic() + PATIENCE
    while place.counters.now().used < 8 and time.monotonic() < deadline:
        assert supervisor.check(timeout) is None
        time.sleep(0.01)
    supervisor.stop(PATIENCE, "over")
    assert place.counters.now().used == 8
    assert (supervisor.restarts, renewed) == (0, [])


def test_frames_that_waited_too_long_are_dropped_by_age_and_counted(make_node: Any) -> None:
    place = workplace(make_node, max_frame_age=2.0, pose_timeout=1.0)
    queue_views(place, 0, 1, age=3.5)
    queue_views(place, 2, age=2.5)  # it may have waited for its pose
    assert turn(Fusion(place), FRAMES) is False
    counts = place.counters.now()
    assert (counts.used, dict(counts.drops)) == (1, {"too_old": 2})
    (condition,) = place.conditions.current()
    assert "max_frame_age = 2 s" in condition.text


def test_without_a_limit_no_frame_is_too_old(make_node: Any) -> None:
    place = workplace(make_node, max_frame_age=0.0)
    queue_views(place, 0, age=1000.0)
    turn(Fusion(place), FRAMES)
    assert place.counters.now().used == 1


def test_a_frame_whose_pose_will_not_come_does_not_keep_the_next_one_waiting(place: FusionContext) -> None:
    room = queue_views(place, 1)
    late = room.views[0]  # older than every pose
    fresh = place.queue.first()
    assert fresh is not None
    assert place.queue.remove(fresh)
    place.queue.put(SynchronizedFrame(room.messages(late), late.stamp, time.monotonic()))
    place.queue.put(fresh)
    turn(Fusion(place), FRAMES)
    counts = place.counters.now()
    assert (counts.used, dict(counts.drops)) == (1, {"pose_too_old": 1})


class SlowOutputs:
    """In place of the publishers: somebody subscribes, and publishing takes long."""

    SECONDS = 0.1

    def __init__(self) -> None:
        self.published = 0

    def wanted(self) -> bool:
        return True

    def wanted_objects(self) -> frozenset[str]:
        return frozenset()

    def publish(self, messages: Any, gate: Any) -> None:
        if not messages:
            return
        self.published += 1
        time.sleep(self.SECONDS)


def test_a_map_that_is_slow_to_publish_leaves_time_for_frames(make_node: Any) -> None:
    outputs: Any = SlowOutputs()
    place = dataclasses.replace(workplace(make_node, voxel_size=0.05), outputs=outputs)
    fusion = Fusion(place)
    queue_views(place, 0)
    turn(fusion, FRAMES)
    begun = time.monotonic()
    turn(fusion, PUBLISH)
    assert fusion._publish_again >= begun + SlowOutputs.SECONDS / PUBLISHING_SHARE
    place.store.fused(1)  # it has changed again
    fusion._publish_again = begun + 1000.0
    turn(fusion, PUBLISH)
    assert outputs.published == 1
    fusion._publish_again = begun
    turn(fusion, PUBLISH)
    assert outputs.published == 2


# --- calls ---


def test_a_call_that_hangs_is_answered_when_its_worker_is_given_up(
    place: FusionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def hang(self: MapStore, path: Path, progressed: Callable[[], None]) -> str:
        begun.set()
        let_go.wait(PATIENCE)
        return "saved"

    monkeypatch.setattr(MapStore, "save", hang)
    fusion, call, next_call = Fusion(place), Call(place, SAVE), Call(place, RESET)
    worker = threading.Thread(target=turn, args=(fusion, CALLS))
    worker.start()
    assert begun.wait(PATIENCE)
    fusion.abandon("hung")
    assert not call.answer.success
    assert "hung" in call.answer.message
    assert next_call.answers == [], "the next worker's"
    let_go.set()
    worker.join(PATIENCE)
    assert not worker.is_alive()
    assert "hung" in call.answer.message, "who answers first is heard"


def test_a_worker_that_was_given_up_changes_nothing_any_more(place: FusionContext) -> None:
    fusion, call = Fusion(place), Call(place, RESET)
    fusion.abandon("hung")
    changes = place.store.changes
    turn(fusion, CALLS)
    assert place.store.changes == changes
    assert not call.answer.success


def test_a_large_map_on_a_slow_disk_is_saved_piece_by_piece(
    make_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semantic_map, "_PIECE", 16)
    place = workplace(make_node, voxel_size=0.05, save_path=str(tmp_path / "map"))
    queue_views(place, 0)
    fusion, call = Fusion(place), Call(place, SAVE)
    turn(fusion, FRAMES)
    moments: list[float] = []
    monkeypatch.setattr(Fusion, "_progress", lambda self: moments.append(time.monotonic()))
    turn(fusion, CALLS)
    assert call.answer.success, call.answer.message
    assert len(moments) > place.store.for_frame().blocks / 16, "each is a sign of life to the watchdog"


def test_calls_that_nobody_will_answer_are_told_so(place: FusionContext) -> None:
    calls = [Call(place, SAVE), Call(place, RESET)]
    place.requests.clear("deactivated")
    assert [call.answer.message for call in calls] == ["given up: deactivated"] * 2
    assert len(place.requests) == 0


@pytest.mark.parametrize("home", ["ROS_HOME", "HOME"])
def test_a_relative_path_is_never_in_the_folder_of_the_start(
    make_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    launched_in, kept_in = tmp_path / "launched_in", tmp_path / "home"
    launched_in.mkdir()
    monkeypatch.chdir(launched_in)
    monkeypatch.delenv("ROS_HOME", raising=False)
    monkeypatch.setenv(home, str(kept_in))
    place = workplace(make_node, voxel_size=0.05)
    queue_views(place, 0)
    fusion, call = Fusion(place), Call(place, SAVE)
    turn(fusion, FRAMES)
    turn(fusion, CALLS)
    assert call.answer.success, call.answer.message
    written = (kept_in if home == "ROS_HOME" else kept_in / ".ros") / "semantic_map.npz"
    assert written.is_file()
    assert str(written) in call.answer.message
    assert list(launched_in.iterdir()) == []


# --- what of the map is published ---


def surface_of(make_node: Any, **parameters: Any) -> MapPoints:
    """Of one view of the room, fused by a worker."""
    here = workplace(make_node, voxel_size=0.05, max_depth=6.0, **parameters)
    queue_views(here, 0)
    turn(Fusion(here), FRAMES)
    assert here.counters.now().used == 1
    return here.store.for_frame().surface(0.0)


def test_depth_beside_a_jump_is_not_fused(make_node: Any) -> None:
    everything, filtered = surface_of(make_node, edge_filter=0.0), surface_of(make_node, edge_filter=0.05)
    view = RoomOnTheWire().views[0].frame
    kept = SemanticMap(LABEL_SET, 0.05, 6.0)
    sure = np.full(view.labels.shape, 255, dtype=np.uint8)
    depth = without_edges(view.depth, 0.05)
    kept.integrate(depth, view.labels, sure, view.image, RoomOnTheWire().intrinsics, view.camera_to_world)
    count = len(kept.surface(0.0).xyz)
    assert len(everything.xyz) > 1.02 * count
    assert len(filtered.xyz) == pytest.approx(count, rel=2e-3), "poses are interpolated, and off by rounding"


def view_of(labels: Callable[[np.ndarray], np.ndarray], **parameters: Any) -> tuple[RoomOnTheWire, Any, list[str]]:
    """The room as a map in the frame of its first camera: the room, messages by topic, and what they lack."""
    room = RoomOnTheWire()
    settings = MappingSettings(voxel_size=0.05, max_depth=6.0, min_weight=0.0, **parameters)
    store = MapStore(settings, LABEL_SET)
    to_first = np.linalg.inv(room.views[0].frame.camera_to_world)
    for view in room.views[::4]:
        frame = view.frame
        sure = np.full(frame.labels.shape, 255, dtype=np.uint8)
        pose = to_first @ frame.camera_to_world
        store.for_frame().integrate(frame.depth, labels(frame.labels), sure, frame.image, room.intrinsics, pose)
        store.fused(view.stamp)
    return room, *map_messages(store, "first_camera", settings)


def test_the_grid_lies_on_the_floor_that_is_found() -> None:
    room, messages, trouble = view_of(np.copy, gravity="fit_floor")
    assert trouble == []
    grid, turn = messages[OCCUPANCY], messages[OCCUPANCY].info.origin.orientation
    rotation = pose_matrix((0.0, 0.0, 0.0, turn.x, turn.y, turn.z, turn.w))[:3, :3]
    first = room.views[0].frame.camera_to_world
    up = first[:3, :3].T @ [0.0, 0.0, 1.0]
    assert rotation[:, 2] @ up > np.cos(np.radians(2.0))
    origin = grid.info.origin.position
    # the floor is as far below the camera as the camera is above it
    assert up @ [origin.x, origin.y, origin.z] == pytest.approx(-first[2, 3], abs=0.05)
    cells = np.array(grid.data)
    assert (cells == 0).sum() > 100
    assert (cells == 100).sum() > 100
    assert grid.header.stamp == time_of(room.views[20].stamp)


def test_without_a_floor_there_is_no_grid_and_the_reason_is_told() -> None:
    _, messages, trouble = view_of(lambda labels: np.full_like(labels, UNLABELLED), cloud_color="camera")
    assert messages.keys() == {POINTS, MARKERS}
    assert len(trouble) == 1
    assert "floor" in trouble[0]
    assert len(messages[MARKERS].markers) == 1, "only what deletes those before"
    cloud = points(messages[POINTS])
    assert np.unique(cloud["label"]).tolist() == [UNLABELLED]
    assert colors(cloud).std() > 10, "the camera's colours, since there is no class"
