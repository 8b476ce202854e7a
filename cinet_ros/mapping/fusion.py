"""The work of the mapping node: in each turn it answers a call, publishes the map, or fuses one frame."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import without_edges
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.messages.errors import ConversionError
from cinet_ros.camera import Job
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import ERROR, WARN, Conditions
from cinet_ros.mapping.correction import MapCorrection
from cinet_ros.mapping.frame_arrays import DEPTH, FrameArrays, FrameReader
from cinet_ros.mapping.frame_queue import TOO_OLD, FrameQueue, SynchronizedFrame
from cinet_ros.mapping.map_outputs import MapOutputs
from cinet_ros.mapping.map_store import FrameNotFusedError, MapStore
from cinet_ros.mapping.map_view import map_messages
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.mapping.pose_sources import PoseSource
from cinet_ros.mapping.requests import Request, RequestQueue
from cinet_ros.mapping.transforms import PoseUnavailable
from cinet_ros.publishers import PublishGate
from cinet_ros.ros_home import in_ros_home, ros_home

# What the worker is asked for, in the order of its turns: whoever calls, or looks at the map, does not wait for frames.
CALLS, PUBLISH, FRAMES = "calls", "publish", "frames"
ORDER = (CALLS, PUBLISH, FRAMES)
# The services, keys of the requests.
SAVE, RESET = "save", "reset"

# Publishing may take this share of the time at most, or a slow machine with a large map would fuse nothing any more.
PUBLISHING_SHARE = 0.5
# Without subscribers the map is published once no frame has come for so long, seconds: whoever subscribes then gets it.
REST = 2.0

ERROR_REMEDY = "The next one is tried; if this goes on, call ~/reset or restart the node, and report this text"


@dataclass(frozen=True)
class FusionContext:
    """The parts of the active node that a worker needs.

    Attributes:
        store: the map.
        requests: calls to be answered.
        queue: frames to be fused.
        poses: of the camera.
        outputs: where the map is published.
        counters: of the frames.
        conditions: of the frames and the map.
        settings: returns the current ones.
    """

    store: MapStore
    requests: RequestQueue
    queue: FrameQueue
    poses: PoseSource
    outputs: MapOutputs
    counters: FrameCounters
    conditions: Conditions
    settings: Callable[[], MappingSettings]


class Fusion:
    """Processes calls, publications and frames for the supervisor, as the pipeline does in the perception node.

    Args:
        context: where it works.

    Attributes:
        published: whether a frame has been published.
        fallback: always None: the map stays on its device.
        lost_device: always None: an error of the device is reported like any other.
        progressed: when saving last came forward, steady clock, seconds.
    """

    def __init__(self, context: FusionContext) -> None:
        self.published = False
        self.fallback: str | None = None
        self.lost_device: str | None = None
        self.progressed = 0.0
        self._context = context
        self._gate = PublishGate()
        self._read = FrameReader()
        self._correction = MapCorrection()
        self._request: Request | None = None
        self._frame_in_work = False
        self._publish_again = 0.0  # not before, steady clock
        self._lock = threading.Lock()

    def abandon(self, reason: str) -> None:
        """Publish nothing more, and abandon the current work. Thread-safe."""
        self._gate.shut()
        self._end_frame(lambda: self._context.counters.drop(reason))
        request = self._request
        if request is not None:
            request.answer(False, f"given up: {reason}")

    def process(self, batch: dict[str, Job]) -> bool:
        """Take one turn of one of `ORDER`, and return whether there is more of the same to do."""
        if CALLS in batch:
            return self._answer_next()
        if PUBLISH in batch:
            self._publish()
            return False
        return self._fuse_next()

    def failed(self, error: Exception, batch: dict[str, Job]) -> None:
        """Report an error that occurred while the map was published."""
        text = f"the map is not published, {type(error).__name__}: {error}. {ERROR_REMEDY}"
        self._context.conditions.report("publish", ERROR, text)

    # frames

    def _fuse_next(self) -> bool:
        """Fuse the oldest frame whose pose is there; whether another one waits for its turn."""
        context = self._context
        while not self._gate.is_shut:
            self._drop_old()
            frame = context.queue.first()
            if frame is None:
                return False
            try:
                pose = context.poses.camera_pose(frame.stamp, frame.messages[DEPTH].header.frame_id)
            except PoseUnavailable as error:
                timeout = context.settings().pose_timeout
                if error.may_come and time.monotonic() - frame.received < timeout:
                    return False
                if context.queue.remove(frame):
                    waited = f" (waited for pose_timeout = {timeout:g} s)" if error.may_come else ""
                    self._refuse(error.reason, f"a frame is skipped: {error}{waited}", WARN)
                continue
            if context.queue.remove(frame):
                self._fuse(frame, pose)
                return len(context.queue) > 0
        return False

    def _drop_old(self) -> None:
        """Drop the frames that wait for the worker for too long: it is to be near to what the camera sees now."""
        settings = self._context.settings()
        if settings.max_frame_age == 0:
            return
        age = settings.pose_timeout + settings.max_frame_age
        dropped = self._context.queue.drop_older(age)
        if dropped:
            text = (
                f"{dropped} frames are dropped that waited for more than max_frame_age = {settings.max_frame_age:g} s: "
                "the machine is too slow for this rate. Lower max_rate of the perception node, or raise voxel_size"
            )
            self._context.conditions.report(TOO_OLD, WARN, text)

    def _fuse(self, frame: SynchronizedFrame, pose: npt.NDArray[np.float64]) -> None:
        with self._lock:
            self._frame_in_work = True
        try:
            self._integrate(frame, pose)
        except (ConversionError, FrameNotFusedError) as error:
            reason, text = error.reason, str(error)
            self._end_frame(lambda: self._refuse(reason, text, ERROR))
        except ValueError as error:  # of the map, whose texts name the remedy
            text = str(error)
            self._end_frame(lambda: self._refuse("refused", text, ERROR))
        except Exception as error:  # the next frame may do
            text = f"frame lost to {type(error).__name__}: {error}. {ERROR_REMEDY}"
            self._end_frame(lambda: self._refuse("error", text, ERROR))
        else:
            self._end_frame(self._context.counters.use)
            self.published = True

    def _end_frame(self, count: Callable[[], None]) -> None:
        """Count the frame in work, once: here, or by whoever gives it up."""
        with self._lock:
            ended, self._frame_in_work = self._frame_in_work, False
            if ended:
                count()

    def _integrate(self, frame: SynchronizedFrame, pose: npt.NDArray[np.float64]) -> None:
        store = self._context.store
        semantic_map = store.for_frame()
        arrays = self._read(frame.messages)
        if self._gate.is_shut:
            return
        settings = self._context.settings()
        arrays = self._correction.corrected(arrays, frame.stamp, pose, settings.correction, semantic_map.label_set)
        store.correction = self._correction.statistics
        colors = arrays.color if arrays.color is not None else semantic_map.label_set.palette[arrays.labels]
        depth = without_edges(arrays.depth, settings.edge_filter)
        frame_is_empty = not semantic_map.integrate(
            depth, arrays.labels, arrays.confidence, colors, arrays.intrinsics, pose
        )
        if frame_is_empty:
            far = f"no pixel has a depth up to max_depth = {semantic_map.max_depth:g} m"
            raise FrameNotFusedError("no_depth", f"{far}: raise it if the scene is that far, or look at {DEPTH}")
        store.fused(frame.stamp)
        self._publish_objects(dataclasses.replace(arrays, depth=depth), frame.stamp, pose, semantic_map)

    def _publish_objects(
        self, arrays: FrameArrays, stamp: int, pose: npt.NDArray[np.float64], semantic_map: SemanticMap
    ) -> None:
        """Publish the objects where somebody wants them. The map does without them if they fail."""
        context = self._context
        wanted = context.outputs.wanted_objects()
        try:
            messages = context.store.objects.messages(
                wanted, arrays, stamp, pose, semantic_map, context.poses.map_frame, context.settings()
            )
        except ValueError as error:  # whose text names the remedy
            context.conditions.report("objects", WARN, f"no objects: {error}")
        except Exception as error:
            text = f"no objects, {type(error).__name__}: {error}. {ERROR_REMEDY}"
            context.conditions.report("objects", ERROR, text)
        else:
            context.conditions.clear("objects")
            context.outputs.publish(messages, self._gate)

    def _refuse(self, reason: str, text: str, level: bytes) -> None:
        self._context.counters.drop(reason)
        self._context.conditions.report(reason, level, text)

    # the map

    def _publish(self) -> None:
        """Publish the map where it has changed and somebody wants it, or it has come to rest."""
        context, changes, begun = self._context, self._context.store.changes, time.monotonic()
        if changes == context.store.published or not context.poses.map_frame or self._gate.is_shut:
            return
        at_rest = begun - (context.counters.last_received or 0.0) > REST
        if begun < self._publish_again or not (context.outputs.wanted() or at_rest):
            return
        messages, trouble = map_messages(context.store, context.poses.map_frame, context.settings())
        for text in trouble:
            context.conditions.report("publish", WARN, text)
        context.outputs.publish(messages, self._gate)
        context.store.published = changes
        self._publish_again = begun + (time.monotonic() - begun) / PUBLISHING_SHARE

    def _answer_next(self) -> bool:
        """Answer the call that waits for longest; whether there are more."""
        requests = self._context.requests
        self._request = request = requests.take()
        if request is not None:
            self._answer(request)
            self._request = None
        return len(requests) > 0

    def _answer(self, request: Request) -> None:
        """Answer a call with what was done, or with what went wrong."""
        if self._gate.is_shut:
            request.answer(False, "given up: the worker was replaced")
            return
        try:
            success, text = True, self._save() if request.key == SAVE else self._reset()
        except Exception as error:  # a full disk, a folder that is not there
            known = isinstance(error, (OSError, ValueError))
            success, text = False, str(error) if known else f"{type(error).__name__}: {error}"
        request.answer(success, text)

    def _save(self) -> str:
        path = in_ros_home(self._context.settings().save_path)
        if path.parent == ros_home():  # which need not be there before the first log
            path.parent.mkdir(parents=True, exist_ok=True)
        return self._context.store.save(path, self._progress)

    def _progress(self) -> None:
        self.progressed = time.monotonic()

    def _reset(self) -> str:
        self._context.store.reset()
        return "the map is empty"
