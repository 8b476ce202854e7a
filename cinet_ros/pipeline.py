"""The work on a frame, on the worker's thread: prepare images, predict, publish, count."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt
from rclpy.clock import Clock
from std_msgs.msg import Header

from cinet_core.correction.statistics import correction_statistics
from cinet_core.inference.backend import DeviceLostError, OutOfDeviceMemoryError
from cinet_core.inference.predictor import Prediction, Predictor
from cinet_core.messages.colors import LabelPainter
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.result import Result
from cinet_core.messages.topics import DOWNSAMPLED_POINTS, POINTS, STATS
from cinet_ros.anchoring.frame_correction import FrameCorrection
from cinet_ros.camera import Camera, Job
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.diagnostics import ERROR, WARN
from cinet_ros.frame_messages import RosMessageBuilder
from cinet_ros.frames_in_work import FramesInWork
from cinet_ros.msg import PerceptionStats, StageTime
from cinet_ros.navigation.frame import FrameNavigation
from cinet_ros.parameters import Settings
from cinet_ros.preparation import WAITING, Preparation, PreparedFrame
from cinet_ros.publishers import PublishGate
from cinet_ros.serialized import SERIALIZED_TYPES, can_send

# A stamp further from the node's clock than this is of another clock, not of a slow camera.
PLAUSIBLE_LATENCY = 10.0

NO_MEMORY_REMEDY = (
    "The next one is tried; free memory, lower network_width and network_height, or set oom_fallback to cpu"
)
ERROR_REMEDY = (
    "The next one is tried; if this goes on, deactivate, clean up and configure the node, and report this text"
)

# Why frames are dropped that came while something was subscribed to, and are begun after.
UNWANTED, DISABLED = "unwanted", "disabled"

CLOUDS = frozenset({POINTS, DOWNSAMPLED_POINTS})

Array = npt.NDArray[Any]


class Pipeline:
    """Processes the frames of one worker.

    Args:
        predictor: shared by all cameras.
        cameras: by name.
        decode: image message -> (H, W, 3) uint8 RGB.
        settings: returns the current settings; read once per batch.
        clock: of the node, for latencies.

    Attributes:
        published: whether a frame has been published.
        fallback: why it predicts on the CPU although another device was requested, or None.
        lost_device: why only a new process can use the device, or None.
        progressed: always 0: the whole of a frame is timed.
    """

    def __init__(
        self,
        predictor: Predictor,
        cameras: Mapping[str, Camera],
        decode: Callable[[Any], Array],
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self.published = False
        self.fallback: str | None = None
        self.lost_device: str | None = None
        self.progressed = 0.0
        self._predictor = predictor
        self._cameras = cameras
        self._prepare = Preparation(cameras, decode, predictor.focal_warning, clock)
        self._settings = settings
        self._clock = clock
        self._painter = LabelPainter(predictor.label_set.palette)
        self._messages = {name: self._builder(camera) for name, camera in cameras.items()}
        self._corrections = {
            name: FrameCorrection(
                camera.anchors, predictor.label_set, camera.conditions, camera.correction, self._overtaken
            )
            for name, camera in cameras.items()
            if camera.anchors is not None
        }
        # Asked for once a frame, a topic at a time: who subscribes while the network works has the next frame.
        self._wanted: dict[str, frozenset[str]] = {}
        self._gate = PublishGate()
        self._frames_in_work = FramesInWork(cameras)
        self._newest = 0.0  # arrival of the newest image in work, steady clock

    def _overtaken(self) -> bool:
        """Whether a newer image than those in work waits, of whichever camera; or nothing is published any more."""
        latest = (camera.counters.last_received for camera in self._cameras.values())
        return self._gate.is_shut or any(received is not None and received > self._newest for received in latest)

    def _builder(self, camera: Camera) -> RosMessageBuilder:
        label_set = self._predictor.label_set
        navigation = None
        if camera.place is not None:
            navigation = FrameNavigation(camera.place, label_set, camera.conditions, camera.navigation)
        return RosMessageBuilder(label_set, navigation, SERIALIZED_TYPES if can_send() else ROS_TYPES)

    def abandon(self, reason: str) -> None:
        """Publish nothing more, and count the current frames as dropped. Thread-safe."""
        self._gate.shut()
        self._frames_in_work.give_up(reason)
        for correction in self._corrections.values():
            correction.close()

    def process(self, batch: dict[str, Job]) -> None:
        """Process the latest frame of every camera. Cameras with equal image sizes share a call of the network."""
        settings = self._settings()
        self._frames_in_work.begin(batch)
        self._newest = max(job.received for job in batch.values())
        groups: dict[tuple[int, ...], list[PreparedFrame]] = {}
        for name, job in batch.items():
            if self._gate.is_shut:
                return
            camera = self._cameras[name]
            self._wanted[name] = camera.outputs.wanted(settings)
            if not self._wanted[name]:  # any more: it was, or there would be no image
                self._frames_in_work.drop(camera, UNWANTED if settings.enabled else DISABLED)
                continue
            try:
                frame = self._prepare(camera, job, settings)
            except ConversionError as error:
                self._refuse(camera, error)
            except Exception as error:  # of one camera: the others go on
                self._lose(camera, error)
            else:
                groups.setdefault(frame.prepared.image.shape, []).append(frame)
                self._begin_correction(frame, settings)
        for frames in groups.values():
            self._run(frames, settings)

    def failed(self, error: Exception, batch: dict[str, Job]) -> None:
        """Count the frames of a batch as dropped after an error that belongs to none of them."""
        for name in batch:
            self._lose(self._cameras[name], error)

    def _refuse(self, camera: Camera, error: ConversionError) -> None:
        self._frames_in_work.drop(camera, error.reason)
        if error.reason != WAITING:  # as every start does for a moment; what follows is reported
            camera.conditions.report(error.reason, WARN if error.reason == "stale" else ERROR, str(error))

    def _lose(self, camera: Camera, error: Exception) -> None:
        exhausted = isinstance(error, (OutOfDeviceMemoryError, MemoryError))
        reason, remedy = ("out_of_memory", NO_MEMORY_REMEDY) if exhausted else ("error", ERROR_REMEDY)
        if self._frames_in_work.drop(camera, reason):
            camera.conditions.report(reason, ERROR, f"frame lost to {type(error).__name__}: {error}. {remedy}")

    def _run(self, frames: list[PreparedFrame], settings: Settings) -> None:
        """Predict and publish frames of one size."""
        try:
            predictions = self._predict(frames, settings)
        except Exception as error:  # the next frame may do
            if isinstance(error, DeviceLostError):
                self.lost_device = str(error)
            for frame in frames:
                self._lose(frame.camera, error)
            return
        for frame, prediction in zip(frames, predictions, strict=True):
            if self._gate.is_shut:
                return
            try:
                wanted, seconds = self._publish(frame, prediction, settings)
            except Exception as error:
                self._lose(frame.camera, error)
                continue
            if not self._frames_in_work.use(frame.camera):
                return
            self.published = True
            try:
                self._publish_stats(frame, wanted, seconds)
            except Exception as error:  # the frame itself is out, and counted
                text = f"no stats, {type(error).__name__}: {error}. {ERROR_REMEDY}"
                frame.camera.conditions.report("stats", ERROR, text)

    def _begin_correction(self, frame: PreparedFrame, settings: Settings) -> None:
        """Start what a correction takes long for, while the network works."""
        correction, prepared = self._corrections.get(frame.camera.name), frame.prepared
        if correction is not None:
            correction.begin(prepared.image, prepared.message.header, prepared.intrinsics, settings)

    def _predict(self, frames: list[PreparedFrame], settings: Settings) -> list[Prediction]:
        images = [frame.prepared.image for frame in frames]
        intrinsics = [frame.prepared.intrinsics for frame in frames]
        try:
            return self._predictor.predict_batch(images, intrinsics)
        except OutOfDeviceMemoryError as error:
            # The weights move for good: not under a worker that has replaced this one.
            if settings.oom_fallback != "cpu" or self._predictor.device == "cpu" or self._gate.is_shut:
                raise
            cause = str(error)
        self._predictor.fall_back_to_cpu()
        self.fallback = cause
        return self._predictor.predict_batch(images, intrinsics)

    def _publish(
        self, frame: PreparedFrame, prediction: Prediction, settings: Settings
    ) -> tuple[frozenset[str], dict[str, float]]:
        """Publish the outputs that are wanted; return their names, and the seconds of each stage of the frame."""
        started = time.perf_counter()
        result = Result.of(prediction, frame.prepared, self._painter, settings)
        seconds = {**frame.prepared.seconds, **prediction.seconds, "build": time.perf_counter() - started}
        correction = self._corrections.get(frame.camera.name)
        taken = None if correction is None else correction.apply(result, settings)
        if taken is not None:
            seconds["correct"] = taken
        outputs = frame.camera.outputs
        wanted = self._wanted[frame.camera.name]
        if wanted & CLOUDS and not frame.camera.cloud_limit.allows(settings.cloud_max_rate, frame.job.received):
            wanted -= CLOUDS
        stages = outputs.publish(result, wanted, settings, self._messages[frame.camera.name], self._gate)
        for stage, more in stages.items():
            seconds[stage] = seconds.get(stage, 0.0) + more
        return wanted, seconds

    def _publish_stats(self, frame: PreparedFrame, wanted: frozenset[str], seconds: Mapping[str, float]) -> None:
        latency = self._latency(frame.camera, frame.job.message.header)
        receive_latency = time.monotonic() - frame.job.received
        frame.camera.latencies.add(latency, receive_latency)
        if STATS in wanted:
            stats = self._stats(frame, seconds, latency, receive_latency)
            frame.camera.outputs.publish_stats(stats, self._gate)

    def _latency(self, camera: Camera, header: Header) -> float:
        """Seconds from the image's stamp to now by the node's clock; NaN where the two clocks cannot be the same."""
        stamp = header.stamp.sec + header.stamp.nanosec * 1e-9
        latency = self._clock.now().nanoseconds * 1e-9 - stamp
        if 0.0 <= latency <= PLAUSIBLE_LATENCY:
            camera.conditions.clear("clock")
            return latency
        camera.conditions.report(
            "clock",
            WARN,
            f"image stamps are {latency:.3f} s behind the node's clock: latency is not reported. Set use_sim_time "
            "for a bag, or synchronise the camera's clock",
        )
        return math.nan

    def _stats(
        self, frame: PreparedFrame, seconds: Mapping[str, float], latency: float, receive_latency: float
    ) -> PerceptionStats:
        counts, predictor = frame.camera.counters.now(), self._predictor
        rate_in, rate_out = frame.camera.counters.rates()
        return PerceptionStats(
            header=frame.job.message.header,
            latency=latency,
            receive_latency=receive_latency,
            stages=[StageTime(stage=stage, seconds=value) for stage, value in seconds.items()],
            frames_received=counts.received,
            frames_used=counts.used,
            frames_dropped=counts.dropped,
            rate_in=rate_in,
            rate_out=rate_out,
            backend=predictor.backend_name,
            device=str(predictor.device),
            model=predictor.metadata.config.name,
            model_hash=predictor.model_hash,
            label_set=predictor.label_set.name,
            random_weights=predictor.metadata.random_weights,
            **correction_statistics(frame.camera.correction.latest()),
            **frame.camera.navigation.statistics(stamp_of(frame.job.message)),
        )
