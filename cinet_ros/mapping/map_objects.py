"""The objects of the map as messages: remembered from frame to frame, on the worker's thread."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from cinet_core.label_sets import LabelSet
from cinet_core.mapping.floor import fit_floor, upright_axes
from cinet_core.mapping.object_memory import ObjectMemory
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_ros.mapping.frame_arrays import FrameArrays
from cinet_ros.mapping.map_outputs import OBJECT_MARKERS, OBJECTS
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.navigation.objects import detections_message, markers_message

__all__ = ["MapObjects"]

Z_UP = np.eye(3)

FLOOR_EVERY = 10
"""Frames between two looks for the floor, where it tells what is up: each takes as long as publishing the map."""


class MapObjects:
    """What is remembered of the objects of one map. Use it from the worker's thread, but for `statistics`.

    Attributes:
        statistics: for diagnostics; empty where nobody asked for objects yet.
    """

    def __init__(self) -> None:
        self.statistics: Mapping[str, Any] = {}
        self._memory: ObjectMemory | None = None
        self._of: LabelSet | None = None
        self._axes: npt.NDArray[np.float64] | None = None
        self._wait = 0  # frames until the floor is looked for again

    def clear(self) -> None:
        """Forget all objects; no id comes again."""
        self.statistics, self._axes, self._wait = {}, None, 0
        if self._memory is not None:
            self._memory.clear()

    def messages(
        self,
        wanted: Collection[str],
        arrays: FrameArrays,
        stamp: int,
        pose: npt.NDArray[np.float64],
        of: SemanticMap,
        frame_id: str,
        settings: MappingSettings,
    ) -> dict[str, Any]:
        """Take a frame, and return the messages by topic; nothing is done where none is wanted.

        Args:
            wanted: some of `OBJECTS` and `OBJECT_MARKERS`.
            arrays: of the frame, with what is not to be an object's left out of the depth.
            stamp: of the frame, nanoseconds.
            pose: (4, 4), the optical frame's coordinates to those of the map.
            of: the map that it was fused into.
            frame_id: of the map.
            settings: current ones.

        Raises:
            ValueError: a class is unknown, or it is not known yet what is up; the text names the remedy.
        """
        if not wanted:
            return {}
        begun = time.perf_counter()
        memory = self._remembered(of.label_set, settings)
        axes = self._upright(of, settings)
        upright = np.eye(4)
        upright[:3, :3] = axes.T
        frame = DepthFrame(arrays.depth, arrays.labels, arrays.intrinsics, upright @ pose, arrays.confidence)
        found = [(thing.id, thing.instance) for thing in memory.update(frame, stamp)]
        header = Header(frame_id=frame_id)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        messages: dict[str, Any] = {}
        if OBJECTS in wanted:
            messages[OBJECTS] = detections_message(found, 0.0, header, axes)
        if OBJECT_MARKERS in wanted:
            messages[OBJECT_MARKERS] = markers_message(found, of.label_set.palette, 0.0, header, axes)
        self.statistics = {"objects": len(found), "objects took [ms]": f"{1e3 * (time.perf_counter() - begun):.1f}"}
        return messages

    def _remembered(self, label_set: LabelSet, settings: MappingSettings) -> ObjectMemory:
        if self._memory is None or self._of != label_set:
            first = 1 if self._memory is None else self._memory.next_id
            self._memory, self._of = ObjectMemory(label_set, settings.objects, settings.max_depth, first), label_set
        elif self._memory.settings != settings.objects:
            self._memory.settings = settings.objects
        return self._memory

    def _upright(self, of: SemanticMap, settings: MappingSettings) -> npt.NDArray[np.float64]:
        """(3, 3) whose columns are the axes, in the map's frame, of one whose z axis is up."""
        if settings.gravity == "z_up":
            return Z_UP
        if self._axes is None:
            self._wait -= 1
            if self._wait >= 0:
                raise ValueError("the floor is not found yet, which tells what is up: let the camera see it")
            self._wait = FLOOR_EVERY
            self._axes = upright_axes(fit_floor(of.surface(settings.min_weight), of.label_set).up)
        return self._axes
