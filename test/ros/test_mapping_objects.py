"""What the mapper publishes of objects: on demand, in the map's frame, upright, and never at a frame's cost."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from room_on_the_wire import CAMERA_IN_BASE, LABEL_SET, MAP_FRAME, SECOND, RoomOnTheWire, pose_matrix, time_of
from visualization_msgs.msg import Marker, MarkerArray

from cinet_core.label_sets import NYU13
from cinet_core.mapping import semantic_map
from cinet_ros.camera import Job
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import Conditions
from cinet_ros.mapping.frame_queue import FrameQueue, SynchronizedFrame
from cinet_ros.mapping.fusion import CALLS, FRAMES, RESET, Fusion, FusionContext
from cinet_ros.mapping.map_objects import FLOOR_EVERY
from cinet_ros.mapping.map_outputs import OBJECT_MARKERS
from cinet_ros.mapping.map_store import MapStore
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.mapping.pose_sources import open_pose_source
from cinet_ros.mapping.requests import Request, RequestQueue


class Listener:
    """In place of the publishers: somebody subscribes to the markers, or nobody.

    Attributes:
        listens: who does.
        heard: what was published.
    """

    def __init__(self) -> None:
        self.listens = True
        self.heard: list[MarkerArray] = []

    def wanted(self) -> bool:
        return False

    def wanted_objects(self) -> frozenset[str]:
        return frozenset({OBJECT_MARKERS} if self.listens else ())

    def publish(self, messages: dict[str, Any], gate: Any) -> None:
        self.heard += messages.values()


class Mapper:
    """A worker and its frames.

    Args:
        node: whose logger takes conditions.
        parameters: of the node.
    """

    def __init__(self, node: Any, **parameters: Any) -> None:
        self.settings = MappingSettings(
            camera_in_base=CAMERA_IN_BASE, voxel_size=0.05, max_depth=6.0, min_weight=1.0, **parameters
        )
        counters, self.outputs, self.room = FrameCounters(), Listener(), RoomOnTheWire()
        outputs: Any = self.outputs
        self.place = FusionContext(
            store=MapStore(self.settings, LABEL_SET),
            requests=RequestQueue(),
            queue=FrameQueue(8, counters),
            poses=open_pose_source(None, self.settings),
            outputs=outputs,
            counters=counters,
            conditions=Conditions(node.get_logger()),
            settings=lambda: self.settings,
        )
        self.worker = Fusion(self.place)

    def change(self, **values: Any) -> None:
        self.settings = dataclasses.replace(self.settings, **values)

    def fuse(self, *numbers: int, tilt: npt.NDArray[np.float64] | None = None) -> MarkerArray | None:
        """Views of the room; what was published with the last. Odometry may be in a frame that is askew."""
        before = len(self.outputs.heard)
        for number in numbers:
            view = self.room.views[number]
            for stamp in (view.stamp - SECOND // 100, view.stamp + SECOND // 100):
                self.place.poses.receive(self.room.odometry(stamp) if tilt is None else self._askew(stamp, tilt))
            self.place.queue.put(SynchronizedFrame(self.room.messages(view), view.stamp, time.monotonic()))
            self.worker.process({FRAMES: Job(None, 0.0)})
        return self.outputs.heard[-1] if len(self.outputs.heard) > before else None

    def _askew(self, stamp: int, tilt: npt.NDArray[np.float64]) -> Any:
        from room_on_the_wire import quaternion

        message = self.room.odometry(stamp)
        at, turn = message.pose.pose.position, message.pose.pose.orientation
        pose = pose_matrix((at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w))
        at.x, at.y, at.z = (float(value) for value in tilt @ pose[:3, 3])
        turn.x, turn.y, turn.z, turn.w = quaternion(tilt @ pose[:3, :3])
        return message

    def conditions(self) -> list[str]:
        return [condition.text for condition in self.place.conditions.current()]


@pytest.fixture
def make_mapper(make_node: Any) -> Any:
    return lambda **parameters: Mapper(make_node("mapping"), **parameters)


def boxes(message: MarkerArray) -> dict[str, Marker]:
    """The cubes by the names that stand above them."""
    names = {marker.id: marker.text for marker in message.markers if marker.type == Marker.TEXT_VIEW_FACING}
    return {names[marker.id]: marker for marker in message.markers if marker.type == Marker.CUBE}


def test_objects_of_the_room_are_in_the_maps_frame_with_the_frames_stamp(make_mapper: Any) -> None:
    mapper = make_mapper()
    message = mapper.fuse(*range(24))
    first, *rest = message.markers
    assert first.action == Marker.DELETEALL
    assert {marker.header.frame_id for marker in rest} == {MAP_FRAME}
    assert first.header.stamp == time_of(mapper.room.views[23].stamp)
    (table,) = (marker for name, marker in boxes(message).items() if name.startswith("table "))
    assert (table.pose.position.x, table.pose.position.y) == pytest.approx((3.0, 2.5), abs=0.1)
    assert sorted((table.scale.x, table.scale.y)) == pytest.approx([0.84, 1.5], abs=0.15)
    assert table.pose.position.z + table.scale.z / 2 == pytest.approx(0.74, abs=0.06)
    assert {"chair", "sofa", "bookshelf"} <= {name.rsplit(" ", 1)[0] for name in boxes(message)}
    assert int(mapper.place.store.objects.statistics["objects"]) == len(boxes(message))


def test_ids_are_the_same_from_frame_to_frame(make_mapper: Any) -> None:
    mapper = make_mapper()
    places: dict[str, list[npt.NDArray[np.float64]]] = {}
    for number in range(24):
        for name, marker in boxes(mapper.fuse(number)).items():
            at = marker.pose.position
            places.setdefault(name, []).append(np.array([at.x, at.y]))
    assert places["table 1"][-1] == pytest.approx([3.0, 2.5], abs=0.1), "what was its far end at first is a part of it"
    assert len(places["table 1"]) > 20
    assert all(np.linalg.norm(np.ptp(seen, axis=0)) < 1.0 for seen in places.values()), "an id stays where its thing is"


def test_nothing_is_made_while_nobody_listens(make_mapper: Any) -> None:
    mapper = make_mapper()
    mapper.outputs.listens = False
    assert mapper.fuse(0, 1, 2, 3) is None
    assert mapper.place.store.objects.statistics == {}
    mapper.outputs.listens = True
    assert boxes(mapper.fuse(4)) == {}, "nobody has looked at what came before"
    assert boxes(mapper.fuse(5, 6))


def test_boxes_stand_on_a_floor_that_is_found_where_the_maps_frame_is_askew(make_mapper: Any) -> None:
    turn = math.radians(25.0)
    tilt = np.array([[1, 0, 0], [0, math.cos(turn), -math.sin(turn)], [0, math.sin(turn), math.cos(turn)]])
    mapper = make_mapper(gravity="fit_floor")
    message = mapper.fuse(*range(24), tilt=tilt)
    (table,) = (marker for name, marker in boxes(message).items() if name.startswith("table "))
    at, turned = table.pose.position, table.pose.orientation
    x, y, z = tilt.T @ (at.x, at.y, at.z)
    assert (x, y, z + table.scale.z / 2) == pytest.approx((3.0, 2.5, 0.74), abs=0.1)
    axes = pose_matrix((0.0, 0.0, 0.0, turned.x, turned.y, turned.z, turned.w))[:3, :3]
    assert axes[:, 2] == pytest.approx(tilt[:, 2], abs=0.03), "it stands upright on the floor"
    assert table.scale.z < 0.85


def test_without_a_floor_objects_are_missing_and_the_map_is_not(
    make_mapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper, looks = make_mapper(gravity="fit_floor"), []

    def no_points(self: semantic_map.SemanticMap, least: float) -> Any:
        looks.append(least)
        return semantic_map._no_points()

    monkeypatch.setattr(semantic_map.SemanticMap, "surface", no_points)
    assert mapper.fuse(*range(FLOOR_EVERY + 2)) is None
    assert len(looks) == 2, "it is not looked for with every frame"
    assert mapper.place.counters.now().used == FLOOR_EVERY + 2
    (text,) = mapper.conditions()
    assert "floor" in text
    monkeypatch.undo()
    assert mapper.fuse(*range(FLOOR_EVERY + 2, 24)) is not None
    assert mapper.conditions() == [], "over as soon as it works"


def test_an_unknown_class_costs_the_objects_and_no_frame(make_mapper: Any) -> None:
    mapper = make_mapper(object_classes=("tables",))
    assert mapper.fuse(0, 1, 2) is None
    assert mapper.place.counters.now().used == 3
    (text,) = mapper.conditions()
    assert "'tables'" in text
    mapper.change(object_classes=("table",))
    assert {name.rsplit(" ", 1)[0] for name in boxes(mapper.fuse(3, 4, 5, 6))} <= {"table"}
    assert mapper.conditions() == []


def test_an_error_costs_the_objects_and_no_frame(make_mapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mapper = make_mapper()
    monkeypatch.setattr("cinet_ros.mapping.map_objects.DepthFrame", lambda *args: 1 / 0)
    assert mapper.fuse(0, 1) is None
    assert mapper.place.counters.now().used == 2
    (text,) = mapper.conditions()
    assert "ZeroDivisionError" in text
    monkeypatch.undo()
    assert mapper.fuse(2, 3, 4) is not None
    assert mapper.conditions() == []


def test_after_a_reset_things_have_new_ids_even_with_other_classes(make_mapper: Any) -> None:
    mapper = make_mapper()
    last = max(marker.id for marker in mapper.fuse(*range(6)).markers)
    for classes in (LABEL_SET, NYU13):
        mapper.place.requests.put(Request(RESET))
        mapper.worker.process({CALLS: Job(None, 0.0)})
        assert mapper.place.store.objects.statistics == {}
        mapper.place.store.announce(classes)
        if classes is NYU13:
            mapper.room.messages = lambda view, plain=mapper.room.messages: in_nyu13(plain(view))
        first = min(marker.id for marker in mapper.fuse(*range(6)).markers if marker.type == Marker.CUBE and marker.ns)
        assert first > last
        last = max(marker.id for marker in mapper.outputs.heard[-1].markers)


def in_nyu13(messages: dict[str, Any]) -> dict[str, Any]:
    """A frame with the classes of another label set."""
    labels, lookup = messages["semantic/image_raw"], LABEL_SET.groupings["nyu13"].lookup
    labels.data = lookup[np.frombuffer(labels.data, np.uint8)].tobytes()
    return messages


def test_who_takes_the_place_of_a_worker_begins_anew(make_mapper: Any) -> None:
    mapper = make_mapper()
    mapper.fuse(*range(6))
    assert mapper.place.store.renewed().objects.statistics == {}
