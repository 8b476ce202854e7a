"""Depth that the mapping node corrects by its own images and poses before it fuses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from room_on_the_wire import CAMERA_IN_BASE, INTERVAL, LABEL_SET, SECOND, NoOutputs, RoomOnTheWire, View

from cinet_core.messages.encoding import ImageBuffer
from cinet_ros.camera import Job
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import Conditions
from cinet_ros.mapping.frame_queue import FrameQueue, SynchronizedFrame
from cinet_ros.mapping.fusion import FRAMES, Fusion, FusionContext
from cinet_ros.mapping.map_store import MapStore
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.mapping.pose_sources import open_pose_source
from cinet_ros.mapping.requests import RequestQueue

WRONG = 1.25
"""Factor of the depth that a network gets wrong."""

STEPS = 24


class DenseWalk(RoomOnTheWire):
    """Views so close to each other that points can be tracked from one to the next."""

    def __init__(self) -> None:
        super().__init__(width=320)
        self.views = [View(320, step / 10, self.start + step * INTERVAL // 10) for step in range(STEPS)]  # type: ignore[arg-type]


def fused(make_node: Any, **parameters: Any) -> tuple[Any, DenseWalk]:
    """The store of a worker that fused a walk whose depth is wrong."""
    settings = MappingSettings(camera_in_base=CAMERA_IN_BASE, voxel_size=0.05, max_depth=6.0, **parameters)
    counters, walk = FrameCounters(), DenseWalk()
    place = FusionContext(
        store=MapStore(settings, LABEL_SET),
        requests=RequestQueue(),
        queue=FrameQueue(8, counters),
        poses=open_pose_source(None, settings),
        outputs=NoOutputs(),  # type: ignore[arg-type]
        counters=counters,
        conditions=Conditions(make_node("mapping").get_logger()),
        settings=lambda: settings,
    )
    worker = Fusion(place)
    for view in walk.views:
        for stamp in (view.stamp - SECOND // 100, view.stamp + SECOND // 100):
            place.poses.receive(walk.odometry(stamp))
        messages = walk.messages(view)
        height, width = view.frame.depth.shape
        header = messages["depth_registered/image_rect"].header
        depth = ImageBuffer(ROS_TYPES, "32FC1", height, width).fill_depth(WRONG * view.frame.depth, header)
        place.queue.put(SynchronizedFrame(messages | {"depth_registered/image_rect": depth}, view.stamp, 1e12))
        worker.process({FRAMES: Job(None, 0.0)})
    assert place.counters.now().used == STEPS
    return place.store, walk


def from_the_room(store: Any, walk: DenseWalk) -> float:
    """Median distance of the map's points from what the room is, metres."""
    points = store.for_frame().surface(0.0).xyz
    points = points[:: max(1, len(points) // 400)]
    walk.views = [walk.views[0], walk.views[-1]]
    exact, _ = walk.surface(every=4)
    apart = np.linalg.norm(points[:, None] - exact[None], axis=2).min(axis=1)
    return float(np.median(apart))


def test_depth_is_corrected_by_tracked_points_and_the_poses(make_node: Any) -> None:
    plain, walk = fused(make_node)
    assert plain.correction == {}
    off = from_the_room(plain, walk)
    anchored, walk = fused(make_node, anchor="odometry", temporal="field")
    assert anchored.correction["correction"] == "field"
    assert anchored.correction["depth factor"] == pytest.approx(1 / WRONG, rel=0.1)
    assert from_the_room(anchored, walk) < 0.5 * off


def test_frames_are_fused_over_time_without_an_anchor(make_node: Any) -> None:
    store, _ = fused(make_node, temporal="fused", use_color=False)
    assert store.correction["correction"] == "none"


@pytest.mark.fault(
    area="anchors",
    injected="the mapping node is to track points of images that it does not subscribe to",
    expected="refused, with the remedy",
)
def test_an_anchor_needs_the_images(observed: Any) -> None:
    with pytest.raises(ValueError, match="set use_color to true") as refused:
        MappingSettings(anchor="odometry", use_color=False)
    observed(str(refused.value))
    with pytest.raises(ValueError, match="scan"):
        MappingSettings(anchor="scan")
