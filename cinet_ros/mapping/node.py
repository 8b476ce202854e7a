"""The mapping node: its lifecycle, its callbacks and its diagnostics."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

from cinet_core.label_sets import get_label_set
from cinet_core.threads import use_threads
from cinet_ros.camera import Job
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import ERROR, WARN, Conditions
from cinet_ros.managed_node import STOP_TIMEOUT, ManagedNode, NotActivatedError
from cinet_ros.mapping.frame_arrays import DEPTH
from cinet_ros.mapping.frame_queue import FrameQueue, Synchroniser
from cinet_ros.mapping.fusion import CALLS, FRAMES, ORDER, PUBLISH, RESET, SAVE, Fusion, FusionContext
from cinet_ros.mapping.inputs import MapInputs, label_set_of
from cinet_ros.mapping.map_outputs import MapOutputs
from cinet_ros.mapping.map_store import MapStore
from cinet_ros.mapping.parameters import DEFAULT_THREADS, MappingSettings
from cinet_ros.mapping.pose_sources import PoseSource, open_pose_source
from cinet_ros.mapping.requests import DeferredService, Request, RequestQueue
from cinet_ros.mapping.status import frames_status, map_status, poses_status
from cinet_ros.node_status import report_namesakes
from cinet_ros.parameter_fields import changed
from cinet_ros.rate_limit import RateLimit
from cinet_ros.ros_home import in_ros_home
from cinet_ros.supervisor import WorkerSupervisor

NODE_NAME = "mapping"

# How often the worker, and frames that wait for their pose, are looked at, seconds.
WATCH_PERIOD = 0.1
DIAGNOSTICS_PERIOD = 1.0


class MappingNode(ManagedNode):
    """The managed mapping node.

    `configure` loads or creates the map and the outputs, `activate` starts to fuse, `cleanup` frees everything.

    The map outlives a deactivation, and ends with a clean-up.

    Attributes:
        settings: current values of all parameters.

    Raises:
        ValueError: a parameter's value is out of range.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__(NODE_NAME, MappingSettings, **node_arguments)
        self._threads = use_threads(self.settings.threads, DEFAULT_THREADS)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._store: MapStore | None = None
        self._poses: PoseSource | None = None
        self._outputs: MapOutputs | None = None
        self._inputs: MapInputs | None = None
        self._counters = FrameCounters()
        self._synchroniser = Synchroniser((), self._counters)
        self._queue = FrameQueue(self.settings.max_waiting, self._counters)
        self._requests = RequestQueue()
        self._active_since: float | None = None
        self._asked_since = 0.0  # for poses, of TF; steady clock
        self._publish_limit = RateLimit()
        self._watch_timer: Any = None
        self._frame_conditions, self._pose_conditions = Conditions(self.get_logger()), Conditions(self.get_logger())
        self._supervisor = WorkerSupervisor(self.conditions, self._renew_map, ORDER)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(DIAGNOSTICS_PERIOD, self.publish_diagnostics, clock=self.steady_clock)
        for key in (SAVE, RESET):
            DeferredService(self, f"~/{key}", key, self._on_request)

    @property
    def longest_pause(self) -> float | None:
        """Seconds that any one callback may take while the node is active; None where there is no limit."""
        timeout = self.settings.watchdog_timeout
        return timeout + STOP_TIMEOUT if self._supervisor.working and timeout > 0 else None

    # transitions

    def configure(self) -> None:
        """Create everything but the subscriptions and the worker, see `ManagedNode`."""
        settings = self.settings
        self._poses = open_pose_source(self, settings)
        self._store = MapStore(settings, None if settings.label_set == "auto" else get_label_set(settings.label_set))
        if settings.load_path:
            self._store.load(in_ros_home(settings.load_path))
        self._inputs = MapInputs(self, settings, self._on_frame_part, self._on_pose, self._on_classes)
        self._outputs = MapOutputs(self)
        self.get_logger().info(
            f"configured: {settings.voxel_size:g} m voxels on {settings.device}, threads: {self._threads}; "
            f"~/save writes {in_ros_home(settings.save_path)} with .npz and .ply"
        )

    def activate(self) -> None:
        """Subscribe and start the worker, see `ManagedNode`."""
        assert self._inputs is not None
        self._frame_conditions.clear_all()
        self._pose_conditions.clear_all()
        self._counters = FrameCounters()
        self._synchroniser = Synchroniser(self._inputs.frame_topics, self._counters)
        self._queue = FrameQueue(self.settings.max_waiting, self._counters)
        try:
            self._supervisor.start(self._make_fusion)
        except RuntimeError as error:
            raise NotActivatedError(str(error)) from error
        self._active_since = time.monotonic()
        self._inputs.open()
        self._watch_timer = self.create_timer(WATCH_PERIOD, self._watch, clock=self.steady_clock)

    def activity(self) -> str:
        """See `ManagedNode`."""
        assert self._inputs is not None
        assert self._poses is not None
        images = ", ".join(self._inputs.resolved(topic) for topic in self._inputs.frame_topics)
        poses = self.resolve_topic_name(self._poses.topic) if self._poses.topic else "TF"
        return f"fuses {images} at poses from {poses}"

    def halt(self, timeout: float) -> None:
        """Unsubscribe and stop the worker; see `ManagedNode`."""
        if self._watch_timer is not None:
            self.destroy_timer(self._watch_timer)
            self._watch_timer = None
        self._active_since = None
        if self._inputs is not None:
            self._inputs.close()
        self._supervisor.stop(timeout, "deactivated")
        self._requests.clear("deactivated")
        self._synchroniser.clear()
        self._queue.clear("deactivated")
        if self._poses is not None:
            self._poses.clear()

    def free(self) -> None:
        """Free the map and the outputs, see `ManagedNode`."""
        self._store = self._poses = self._inputs = None
        outputs, self._outputs = self._outputs, None
        if outputs is not None:
            outputs.close()

    @property
    def threads_ended(self) -> bool:
        """Whether no thread of this node hangs."""
        return self._supervisor.left_behind == 0

    def _make_fusion(self) -> Fusion:
        assert self._store is not None
        assert self._poses is not None
        assert self._outputs is not None
        return Fusion(
            FusionContext(
                self._store,
                self._requests,
                self._queue,
                self._poses,
                self._outputs,
                self._counters,
                self._frame_conditions,
                lambda: self.settings,
            )
        )

    def _renew_map(self) -> None:
        """Leave the map to the thread that hangs in it, and with whose end it goes."""
        if self._store is not None:
            self._store = self._store.renewed()

    # while active

    def _on_frame_part(self, topic: str, message: Any) -> None:
        frame = self._synchroniser.add(topic, message)
        if frame is not None:
            self._queue.put(frame)
            self._submit(FRAMES)

    def _on_pose(self, message: Any) -> None:
        assert self._poses is not None
        trouble = self._poses.receive(message)
        if trouble is not None:
            self._pose_conditions.report("pose", WARN, trouble)
        elif len(self._queue):
            self._submit(FRAMES)

    def _on_classes(self, message: Any) -> None:
        try:
            label_set = label_set_of(message)
        except ValueError as error:
            self._frame_conditions.report("classes", ERROR, str(error))
            return
        if self._store is not None:
            self._store.announce(label_set)

    def _submit(self, key: str) -> None:
        if self._supervisor.working:
            self._supervisor.submit(key, Job(None, time.monotonic()))

    def _watch(self) -> None:
        assert self._store is not None
        if len(self._requests):  # those behind one that hung
            self._submit(CALLS)
        if len(self._queue):
            self._submit(FRAMES)
        changed_since = self._store.changes != self._store.published
        if changed_since and self._publish_limit.allows(self.settings.publish_rate, time.monotonic()):
            self._submit(PUBLISH)
        failure = self._supervisor.check(self.settings.watchdog_timeout)
        if failure is not None:
            self.give_up(failure)

    def _on_request(self, request: Request) -> None:
        """Let the worker answer."""
        if not self._supervisor.working:
            request.answer(False, "the node is not active: activate it")
            return
        self._requests.put(request)
        self._submit(CALLS)

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            settings = changed(self.settings, changes)
            settings.check_classes(None if self._store is None else self._store.label_set)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = settings
        return SetParametersResult(successful=True)

    def publish_diagnostics(self) -> None:
        """Publish every diagnostic status of this node, see `ManagedNode`."""
        self._supervisor.report()
        report_namesakes(self, self.conditions)
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        prefix = self.get_fully_qualified_name().lstrip("/")
        message.status = [
            map_status(f"{prefix}: map", self.settings.device, self._store, self.conditions, self._supervisor)
        ]
        if self._inputs is not None and self._poses is not None:
            self._watch_arrivals(self._inputs, self._poses)
            topic, waiting = self._inputs.resolved(DEPTH), len(self._queue)
            message.status += [
                frames_status(f"{prefix}: frames", topic, self._counters, self._frame_conditions, waiting),
                poses_status(f"{prefix}: poses", self._poses, self._pose_conditions),
            ]
        self._diagnostics.publish(message)

    def _watch_arrivals(self, inputs: MapInputs, poses: PoseSource) -> None:
        """Warn while no frames or no poses come, naming those of their topics that nobody publishes."""
        if self._active_since is None:
            return
        now, begun, limit = time.monotonic(), self._active_since, self.settings.stale_after
        frames, by_tf = self._counters.last_received, not poses.topic
        # TF is asked for the pose of each frame: without frames none is missed.
        asked = not by_tf or now - max(begun, frames or 0.0) <= limit
        self._asked_since = self._asked_since if asked else now
        for what, last, since, watched, conditions in (
            ("frame", frames, begun, True, self._frame_conditions),
            ("pose", poses.last_received, max(begun, self._asked_since), asked, self._pose_conditions),
        ):
            age = now - max(since, last or 0.0)
            if age <= limit or not watched:
                conditions.clear("stale")
                continue
            silent = inputs.unpublished(poses=what == "pose")
            if silent:
                remedy = f"nobody publishes {', '.join(silent)}: start who does, or remap it"
            elif what == "pose" and by_tf:
                remedy = f"TF knows none of the images' frame in {poses.map_frame!r} at their stamps"
            else:
                remedy = "they have stopped" if last is not None else "who publishes them sends none, or not complete"
            conditions.report("stale", WARN, f"no {what} for {age:.1f} s: {remedy}")
