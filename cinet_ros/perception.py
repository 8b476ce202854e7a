"""The lifecycle of the perception node: what exists in which state, and who is told when something is wrong."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from cinet_core.checkpoint import Checkpoint, CheckpointError, load_checkpoint, random_checkpoint
from cinet_core.inference.predictor import Predictor
from cinet_ros.camera import Camera, Job
from cinet_ros.camera_input import CameraInput, stamp_of
from cinet_ros.conversions.bridge import choose_decoder
from cinet_ros.conversions.compressed import decode_compressed
from cinet_ros.diagnostics import ERROR, WARN, Conditions, status
from cinet_ros.parameter_fields import declare
from cinet_ros.parameters import Settings, changed
from cinet_ros.pipeline import Pipeline
from cinet_ros.publishers import CameraOutputs
from cinet_ros.worker import LatestWorker

NODE_NAME = "perception"
RANDOM_WEIGHTS = "random"
NO_WEIGHTS = (
    "no weights given. Set the parameter `weights` to a checkpoint (.safetensors), on the command line "
    "`ros2 launch cinet_ros perception.launch.py weights:=/path/to/model.safetensors`; to try the plumbing without a "
    "trained network set weights:=random"
)
RANDOM_WARNING = "random weights: depth, labels and points mean nothing; give a trained checkpoint in `weights`"

# How often subscribers and publishers are looked at: a new subscriber waits this long at most, seconds.
DEMAND_PERIOD = 0.2
DIAGNOSTICS_PERIOD = 1.0
# How long a transition waits for the frame in work, seconds.
STOP_TIMEOUT = 10.0


class PerceptionNode(LifecycleNode):
    """Managed node. configure: load the model, create outputs; activate: start work; cleanup: free it all.

    Raises:
        ValueError: a parameter's value is out of range, or no weights are given.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__(NODE_NAME, **node_arguments)
        self.settings = declare(self, Settings)
        if not self.settings.weights:
            raise ValueError(NO_WEIGHTS)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._predictor: Predictor | None = None
        self._cameras: dict[str, Camera] = {}
        self._pipeline: Pipeline | None = None
        self._worker: LatestWorker[Job] | None = None
        self._left_behind: LatestWorker[Job] | None = None
        self._demand_timer: Any = None
        # Timers of the node's own clock would stand still with a paused or missing simulation.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._model_conditions = Conditions(self.get_logger())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(DIAGNOSTICS_PERIOD, self._publish_diagnostics, clock=self._steady_clock)

    def autostart(self) -> bool:
        """Configure and activate; return whether the node is active then."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    # transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and create the outputs."""
        self._model_conditions.clear_all()
        try:
            self._configure()
        except Exception as error:  # rclpy would take it for an ERROR, and say nothing
            self._release()
            known = isinstance(error, (CheckpointError, ValueError))  # whose texts name the remedy
            cause = str(error) if known else f"{type(error).__name__}: {error}"
            self._model_conditions.report("configure", ERROR, f"not configured: {cause}", lasting=True)
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def _configure(self) -> None:
        settings = self.settings
        checkpoint = self._load(settings)
        sizes = [
            (height, width) if width else None
            for width, height in (
                (settings.network_width, settings.network_height),
                (settings.output_width, settings.output_height),
            )
        ]
        self._predictor = Predictor(checkpoint, device=settings.device, network_size=sizes[0], output_size=sizes[1])
        self._predictor.label_set.ids(name for name in settings.mask_classes if name)
        compressed = settings.image_transport == "compressed"
        self._decode = decode_compressed if compressed else self._raw_decoder(settings.image_bridge)
        for name in settings.cameras:
            self._cameras[name] = self._camera(name, settings, compressed)
        self.get_logger().info(
            f"configured: {self._predictor.metadata.config.name} ({self._predictor.model_hash}) on "
            f"{self._predictor.device}, {len(self._predictor.label_set.classes)} classes of "
            f"{self._predictor.label_set.name}"
        )

    def _load(self, settings: Settings) -> Checkpoint:
        if settings.weights != RANDOM_WEIGHTS:
            return load_checkpoint(settings.weights)
        self._model_conditions.report("random", WARN, RANDOM_WARNING, lasting=True)
        return random_checkpoint(settings.model_config)

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
        rectified = settings.input_rectified == "true" or (
            settings.input_rectified == "auto" and "rect" in camera_input.image_topic
        )
        outputs = CameraOutputs(self, prefix, self._predictor.label_set)
        return Camera(name, camera_input, outputs, Conditions(self.get_logger()), rectified)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker and take images as soon as somebody wants what becomes of them."""
        if self._left_behind is not None and self._left_behind.running:
            self.get_logger().error("not activated: a frame from before the deactivation is in work still; try again")
            return TransitionCallbackReturn.FAILURE
        assert self._predictor is not None
        self._left_behind = None
        for camera in self._cameras.values():
            camera.restart()
        self._pipeline = Pipeline(self._predictor, self._cameras, self._decode, lambda: self.settings, self.get_clock())
        self._worker = LatestWorker(self._pipeline.process, self._pipeline.failed, name="perception worker")
        self._demand_timer = self.create_timer(DEMAND_PERIOD, self._follow_demand, clock=self._steady_clock)
        self._follow_demand()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop taking images; the model and the outputs stay."""
        self._halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and the outputs."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state."""
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured anew."""
        self.get_logger().error(f"a transition from {state.label} failed: everything is freed; configure the node anew")
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Stop the worker and free the model, whatever the state; for the end of the process."""
        self._release()

    def _halt(self) -> None:
        if self._demand_timer is not None:
            self.destroy_timer(self._demand_timer)
            self._demand_timer = None
        for camera in self._cameras.values():
            camera.input.close()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        for name in worker.stop(STOP_TIMEOUT):
            self._cameras[name].counters.drop("deactivated")
        if worker.running:
            assert self._pipeline is not None
            self._pipeline.abandon()
            self._left_behind = worker
            self.get_logger().error(
                f"the frame in work did not end within {STOP_TIMEOUT:g} s: it goes on, and nothing of it is published"
            )

    def _release(self) -> None:
        self._halt()
        for camera in self._cameras.values():
            camera.outputs.close()
        predictor, worker = self._predictor, self._left_behind
        # New ones, where the frame left behind has the old ones still.
        self._cameras, self._predictor, self._pipeline, self._left_behind = {}, None, None, None
        self._model_conditions.clear_all()
        # In use by a frame left behind, the model is freed with that, being referred to by nothing else.
        if predictor is not None and not (worker is not None and worker.running):
            predictor.close()

    # while active

    def _on_image(self, name: str, message: Any) -> None:
        worker = self._worker
        if worker is None:  # taken from the wire just before the deactivation
            return
        camera = self._cameras[name]
        received = camera.counters.receive(stamp_of(message))
        if worker.submit(name, Job(message, received)) is not None:
            camera.counters.drop("overload")

    def _follow_demand(self) -> None:
        for camera in self._cameras.values():
            camera.input.update(wanted=bool(camera.outputs.wanted()))

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            settings = changed(self.settings, changes)
            if self._predictor is not None:
                self._predictor.label_set.ids(name for name in settings.mask_classes if name)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = settings
        return SetParametersResult(successful=True)

    def _publish_diagnostics(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        prefix = self.get_fully_qualified_name().lstrip("/")
        message.status = [self._model_status(f"{prefix}: model")]
        message.status += [
            camera.status(
                f"{prefix}: camera{' ' if name else ''}{name}",
                self.settings.stale_after,
                self._worker is not None,
            )
            for name, camera in self._cameras.items()
        ]
        self._diagnostics.publish(message)

    def _model_status(self, name: str) -> Any:
        predictor = self._predictor
        if predictor is None:
            return status(name, "", "not configured", self._model_conditions, {"weights": self.settings.weights})
        values = {
            "weights": self.settings.weights,
            "model": predictor.metadata.config.name,
            "model hash": predictor.model_hash,
            "label set": predictor.label_set.name,
            "backend": predictor.backend_name,
        }
        return status(name, str(predictor.device), "ready", self._model_conditions, values)
