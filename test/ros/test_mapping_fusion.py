"""What a worker of the mapper does when it is given up, and what it publishes of the map."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from output_arrays import colors, points
from room_on_the_wire import CAMERA_IN_BASE, LABEL_SET, SECOND, RoomOnTheWire, pose_matrix, time_of
from std_srvs.srv import Trigger

from cinet_core.data.label_sets import UNLABELLED
from cinet_core.geometry import without_edges
from cinet_core.mapping.map_points import MapPoints
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_ros.camera import Job
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import Conditions
from cinet_ros.mapping.frame_queue import Frame, FrameQueue
from cinet_ros.mapping.fusion import FRAMES, RESET, SAVE, Fusion, Workplace
from cinet_ros.mapping.map_outputs import MARKERS, OCCUPANCY, POINTS
from cinet_ros.mapping.map_store import MapStore
from cinet_ros.mapping.map_view import map_messages
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.mapping.pose_sources import open_pose_source
from cinet_ros.mapping.requests import Request

PATIENCE = 10.0


@pytest.fixture
def place(make_node: Any) -> Workplace:
    return workplace(make_node)


def workplace(make_node: Any, **parameters: Any) -> Workplace:
    """Of a node with these parameters."""
    settings = MappingSettings(camera_in_base=CAMERA_IN_BASE, **parameters)
    counters = FrameCounters()
    return Workplace(
        store=MapStore(settings, LABEL_SET),
        queue=FrameQueue(4, counters),
        poses=open_pose_source(None, settings),
        outputs=None,  # type: ignore[arg-type]  # nothing is published here
        counters=counters,
        conditions=Conditions(make_node("mapping").get_logger()),
        settings=lambda: settings,
    )


def answer_of(call: Request) -> Trigger.Response:
    """What was answered; fails where nothing was."""
    with pytest.raises(StopIteration) as finished:
        call.answered().send(None)
    return finished.value.value


def test_a_call_that_hangs_is_answered_when_its_worker_is_given_up(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def hang(self: MapStore, path: Path) -> str:
        begun.set()
        let_go.wait(PATIENCE)
        return "saved"

    monkeypatch.setattr(MapStore, "save", hang)
    fusion, call = Fusion(place), Request()
    worker = threading.Thread(target=fusion.process, args=({SAVE: Job(call, 0.0)},))
    worker.start()
    assert begun.wait(PATIENCE)
    fusion.abandon("hung")
    answer = answer_of(call)
    assert not answer.success
    assert "hung" in answer.message
    let_go.set()
    worker.join(PATIENCE)
    assert not worker.is_alive()
    assert answer_of(call) is answer, "who answers first is heard"


def test_a_worker_that_was_given_up_changes_nothing_any_more(place: Workplace) -> None:
    fusion, call = Fusion(place), Request()
    fusion.abandon("hung")
    changes = place.store.changes
    fusion.process({RESET: Job(call, 0.0)})
    assert place.store.changes == changes
    assert not answer_of(call).success


# --- what of the map is published ---


def surface_of(make_node: Any, **parameters: Any) -> MapPoints:
    """Of one view of the room, fused by a worker."""
    room = RoomOnTheWire()
    view = room.views[0]
    here = workplace(make_node, voxel_size=0.05, max_depth=6.0, **parameters)
    for stamp in (view.stamp - SECOND // 100, view.stamp + SECOND // 100):
        here.poses.receive(room.odometry(stamp))
    here.queue.put(Frame(room.messages(view), view.stamp, time.monotonic()))
    Fusion(here).process({FRAMES: Job(None, 0.0)})
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
