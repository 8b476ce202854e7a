"""The perception node: its lifecycle, its callbacks and its diagnostics."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from cinet_core.inference.background import is_preparing
from cinet_core.inference.predictor import Predictor
from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.fields import stamp_of
from cinet_core.model_metadata import CheckpointError
from cinet_core.threads import use_threads
from cinet_ros import managed_node
from cinet_ros.anchoring.inputs import AnchorInputs
from cinet_ros.camera import HOW_TO_ENABLE, Camera, Job
from cinet_ros.camera_input import CameraInput
from cinet_ros.conversions.bridge import choose_decoder
from cinet_ros.diagnostics import WARN, Conditions
from cinet_ros.managed_node import ManagedNode, NotActivatedError
from cinet_ros.mapping.transforms import LazyTransforms
from cinet_ros.model import NO_WEIGHTS, label_set_of, load_predictor
from cinet_ros.navigation.place import CameraPlace
from cinet_ros.navigation.topics import NAVIGATION
from cinet_ros.node_status import model_status, report_namesakes
from cinet_ros.parameter_fields import changed
from cinet_ros.parameters import Settings
from cinet_ros.pipeline import DISABLED, Pipeline
from cinet_ros.publishers import CameraOutputs
from cinet_ros.supervisor import WorkerSupervisor

NODE_NAME = "perception"

# How often subscribers, publishers and the worker are looked at: a new subscriber waits this long at most, seconds.
WATCH_PERIOD = 0.2
DIAGNOSTICS_PERIOD = 1.0


class PerceptionNode(ManagedNode):
    """The managed perception node.

    `configure` loads the model and creates the outputs, `activate` starts the worker, `cleanup` frees everything.

    Attributes:
        settings: current values of all parameters.

    Raises:
        ValueError: a parameter's value is out of range, no weights are given, or they lack a class of `mask_classes`.
    """

    EXPECTED_ERRORS = (CheckpointError, ValueError)

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__(NODE_NAME, Settings, **node_arguments)
        use_threads(self.settings.threads)
        if not self.settings.weights:
            raise ValueError(NO_WEIGHTS)
        self.settings.check_classes(label_set_of(self.settings))
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._predictor: Predictor | None = None
        self._cameras: dict[str, Camera] = {}
        self._anchors: AnchorInputs | None = None
        self._transforms = LazyTransforms(self)
        self._place = CameraPlace(self._transforms)
        self._watch_timer: Any = None
        self._supervisor = WorkerSupervisor(self.conditions, self._renew_predictor)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.create_timer(DIAGNOSTICS_PERIOD, self.publish_diagnostics, clock=self.steady_clock)

    @property
    def longest_pause(self) -> float | None:
        """Seconds that any one callback may take while the node is active; None where there is no limit."""
        timeout = self.settings.watchdog_timeout
        return timeout + managed_node.STOP_TIMEOUT if self._supervisor.working and timeout > 0 else None

    # transitions

    def configure(self) -> None:
        """Load the model and create the outputs."""
        settings = self.settings
        self._predictor = load_predictor(settings, self.conditions)
        compressed = settings.image_transport == "compressed"
        self._decode = decode_compressed if compressed else self._raw_decoder(settings.image_bridge)
        self._anchors = AnchorInputs(self, settings, self._transforms)
        for name in settings.cameras:
            self._cameras[name] = self._camera(name, settings, compressed)
        self.get_logger().info(
            f"configured: {self._predictor.metadata.config.name} ({self._predictor.model_hash}) on "
            f"{self._predictor.device}, {len(self._predictor.label_set.classes)} classes of "
            f"{self._predictor.label_set.name}"
        )

    def _raw_decoder(self, preference: str) -> Any:
        decoder = choose_decoder(preference)
        self.get_logger().info(f"images are decoded by {decoder.name}: {decoder.reason}")
        return decoder.decode

    def _camera(self, name: str, settings: Settings, compressed: bool) -> Camera:
        assert self._predictor is not None
        prefix = f"{name}/" if name else ""

        def on_image(message: Any) -> None:
            self._on_image(name, message)

        camera_input = CameraInput(self, prefix, compressed, settings.input_reliability, on_image)
        outputs = CameraOutputs(self, prefix, self._predictor.label_set, self._predictor.metadata.config.tasks)
        conditions = Conditions(self.get_logger())
        return Camera(name, camera_input, outputs, conditions, anchors=self._anchors, place=self._place)

    def activate(self) -> None:
        """Start the worker, and subscribe to images as soon as an output has a subscriber."""
        for camera in self._cameras.values():
            camera.restart()
        try:
            self._supervisor.start(self._make_pipeline)
        except RuntimeError as error:
            raise NotActivatedError(str(error)) from error
        self._watch_timer = self.create_timer(WATCH_PERIOD, self._watch, clock=self.steady_clock)
        self._follow_demand()

    def activity(self) -> str:
        """See `ManagedNode`."""
        topics = ", ".join(camera.input.image_topic for camera in self._cameras.values())
        return f"takes images from {topics} while somebody subscribes to what becomes of them"

    @property
    def threads_ended(self) -> bool:
        """Whether all threads have ended: none hangs, and none still prepares a backend."""
        return self._supervisor.left_behind == 0 and not is_preparing()

    def halt(self, timeout: float) -> None:
        """Unsubscribe from the images and stop the worker. The model and the outputs are kept."""
        if self._watch_timer is not None:
            self.destroy_timer(self._watch_timer)
            self._watch_timer = None
        for camera in self._cameras.values():
            camera.input.close()
        if self._anchors is not None:
            self._anchors.close()
        for name in self._supervisor.stop(timeout, "deactivated"):
            self._cameras[name].counters.drop("deactivated")

    def free(self) -> None:
        """Free the model and the outputs. A failure to free one of them does not keep the others."""
        with ExitStack() as stack:  # the last one first
            if self._predictor is not None:
                stack.callback(self._close_predictor)
            for camera in self._cameras.values():
                stack.callback(camera.outputs.close)
            stack.callback(self._cameras.clear)
            self._anchors = None

    def _make_pipeline(self) -> Pipeline:
        assert self._predictor is not None
        cameras = dict(self._cameras)  # a worker left behind goes on with these after a clean-up
        return Pipeline(self._predictor, cameras, self._decode, lambda: self.settings, self.get_clock())

    def _renew_predictor(self) -> None:
        """Leave the predictor to the thread that hangs in it, and with whose end it goes."""
        if self._predictor is not None:
            self._predictor = self._predictor.renewed()

    def _close_predictor(self) -> None:
        predictor, self._predictor = self._predictor, None
        if predictor is not None:
            predictor.close()

    # while active

    def _on_image(self, name: str, message: Any) -> None:
        if not self._supervisor.working:  # taken from the wire just before the deactivation
            return
        camera = self._cameras[name]
        received = camera.counters.receive(stamp_of(message))
        if not self.settings.enabled:  # taken from the wire just before that
            camera.counters.drop(DISABLED)
        elif not camera.rate_limit.allows(self.settings.max_rate, received):
            camera.counters.drop("max_rate")
        elif self._supervisor.submit(name, Job(message, received)) is not None:
            camera.counters.drop("overload")

    def _watch(self) -> None:
        self._follow_demand()
        failure = self._supervisor.check(self.settings.watchdog_timeout)
        if failure is not None:
            self.give_up(failure)

    def _follow_demand(self) -> None:
        for camera in self._cameras.values():
            camera.outputs.hold_back()
            camera.outputs.look()
            wanted = camera.outputs.wanted(self.settings)
            if not wanted.isdisjoint(NAVIGATION):
                self._place.prepare(self.settings)
            camera.input.update(wanted=bool(wanted))
        if self._anchors is not None:
            self._anchors.update(
                self.settings.correction,
                any(camera.input.wanted for camera in self._cameras.values()),
                self.settings.anchor_up == "imu",
            )

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Predict, or do not, from now on: a short way to set the parameter `enabled`."""
        (result,) = self.set_parameters([Parameter("enabled", value=request.data)])
        response.success, response.message = result.successful, result.reason
        if result.successful:
            response.message = "enabled" if request.data else "disabled"
            if self._supervisor.working:  # not in the parameter's callback: a new subscription declares parameters
                self._follow_demand()
            else:
                response.message += "; the node is not active, which is another matter: it works once it is activated"
        return response

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            settings = changed(self.settings, changes)
            if settings.mask_classes != self.settings.mask_classes or settings.obstacles != self.settings.obstacles:
                loaded = self._predictor
                settings.check_classes(label_set_of(settings) if loaded is None else loaded.label_set)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        switched = settings.enabled != self.settings.enabled
        self.settings = settings
        if switched:
            self.get_logger().info("enabled" if settings.enabled else f"disabled: {HOW_TO_ENABLE}")
        return SetParametersResult(successful=True)

    def _report_anchors(self) -> None:
        """Warn where the one anchor that is demanded cannot come. For `auto` what is not there is not missed."""
        settings, silent = self.settings, [] if self._anchors is None else self._anchors.silent()
        if settings.anchor in ("none", "auto") or not silent:
            self.conditions.clear("anchor_topics")
            return
        text = (
            f"anchor = {settings.anchor}, but nobody publishes {', '.join(silent)}: start the sensor's driver or remap "
            "the topic to its name; until then depth is as it was predicted"
        )
        self.conditions.report("anchor_topics", WARN, text, lasting=True)

    def publish_diagnostics(self) -> None:
        """Publish every diagnostic status of this node, see `ManagedNode`."""
        self._supervisor.report()
        self._report_anchors()
        report_namesakes(self, self.conditions)
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        prefix = self.get_fully_qualified_name().lstrip("/")
        message.status = [
            model_status(f"{prefix}: model", self._predictor, self.settings.weights, self.conditions, self._supervisor)
        ]
        message.status += [
            camera.status(f"{prefix}: camera{' ' if name else ''}{name}", self.settings, self._supervisor.working)
            for name, camera in self._cameras.items()
        ]
        self._diagnostics.publish(message)
