"""From image messages to published outputs, on the worker's thread: decode, rectify, predict, publish, account."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rclpy.clock import Clock
from std_msgs.msg import Header

from cinet_core.data.label_sets import UNLABELLED
from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics
from cinet_core.inference.predictor import Prediction, Predictor
from cinet_ros.camera import Camera, Job
from cinet_ros.camera_input import stamp_of
from cinet_ros.conversions.camera import CameraModel
from cinet_ros.conversions.colors import LabelPainter
from cinet_ros.conversions.errors import ConversionError
from cinet_ros.diagnostics import ERROR, WARN
from cinet_ros.msg import PerceptionStats, StageTime
from cinet_ros.parameters import Settings
from cinet_ros.publishers import Result

# A stamp further from the node's clock than this is of another clock, not of a slow camera.
PLAUSIBLE_LATENCY = 10.0

# Why images are dropped that come before the first camera_info.
WAITING = "waiting_for_camera_info"

Array = npt.NDArray[Any]


@dataclass
class Frame:
    """One image on its way through the pipeline."""

    camera: Camera
    job: Job
    image: Array
    valid: Array | None
    intrinsics: Intrinsics | None
    seconds: dict[str, float]


class Pipeline:
    """What the worker runs.

    Args:
        predictor: shared by all cameras.
        cameras: by name.
        decode: image message -> (H, W, 3) uint8 RGB.
        settings: returns the current settings; read once per batch.
        clock: of the node, for latencies.
    """

    def __init__(
        self,
        predictor: Predictor,
        cameras: Mapping[str, Camera],
        decode: Callable[[Any], Array],
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self._predictor = predictor
        self._cameras = cameras
        self._decode = decode
        self._settings = settings
        self._clock = clock
        self._painter = LabelPainter(predictor.label_set.palette)
        self._abandoned = False

    def abandon(self) -> None:
        """Publish nothing more: the frame in work took too long, and its publishers may go. Safe from any thread."""
        self._abandoned = True

    def process(self, batch: dict[str, Job]) -> None:
        """Run the latest frame of every camera that has one; cameras with equal image sizes share a network call."""
        settings = self._settings()
        groups: dict[tuple[int, ...], list[Frame]] = {}
        for name, job in batch.items():
            camera = self._cameras[name]
            try:
                frame = self._prepare(camera, job, settings)
            except Exception as error:  # of one camera: the others go on
                self._lost(camera, error)
                continue
            if frame is not None:
                groups.setdefault(frame.image.shape, []).append(frame)
        for frames in groups.values():
            self._run(frames, settings)

    def failed(self, error: Exception, batch: dict[str, Job]) -> None:
        """Report an error that struck outside any frame; the frames of the batch are accounted for already."""
        for name in batch:
            self._cameras[name].conditions.report("error", ERROR, f"{type(error).__name__}: {error}")

    def _run(self, frames: list[Frame], settings: Settings) -> None:
        """Predict and publish frames of one size."""
        try:
            predictions = self._predictor.predict_batch(
                [frame.image for frame in frames], [frame.intrinsics for frame in frames]
            )
        except Exception as error:  # out of memory, a broken backend: the next frame may do
            for frame in frames:
                self._lost(frame.camera, error)
            return
        for frame, prediction in zip(frames, predictions, strict=True):
            if self._abandoned:
                frame.camera.counters.drop("deactivated")
                continue
            try:
                wanted = self._publish(frame, prediction, settings)
            except Exception as error:
                self._lost(frame.camera, error)
                continue
            frame.camera.counters.use()
            try:
                self._publish_stats(frame, wanted)
            except Exception as error:  # the frame itself is out, and counted
                frame.camera.conditions.report("error", ERROR, f"no stats, {type(error).__name__}: {error}")

    def _lost(self, camera: Camera, error: Exception) -> None:
        camera.counters.drop("deactivated" if self._abandoned else "error")
        if not self._abandoned:
            camera.conditions.report("error", ERROR, f"frame lost to {type(error).__name__}: {error}")

    def _prepare(self, camera: Camera, job: Job, settings: Settings) -> Frame | None:
        """Decode and rectify; None where the frame is dropped, which is then counted with its reason."""
        started = time.perf_counter()
        try:
            self._refuse_old(job, settings)
            image = self._decode(job.message)
            self._refuse_small(image)
            decoded = time.perf_counter()
            model = self._camera_model(camera, job, image.shape[1], image.shape[0], settings)
        except ConversionError as error:
            camera.counters.drop(error.reason)
            self._report_unusable(camera, error)
            return None
        valid = None
        if model is not None and model.distorted:
            image, valid = model.rectify(image)
        seconds = {"decode": decoded - started, "rectify": time.perf_counter() - decoded}
        intrinsics = model.intrinsics if model is not None else self._assumed(image, settings)
        return Frame(camera, job, image, valid, intrinsics, seconds)

    @staticmethod
    def _report_unusable(camera: Camera, error: ConversionError) -> None:
        if error.reason == WAITING:
            return  # as every start does for a moment; what follows is reported
        level = WARN if error.reason == "stale" else ERROR
        camera.conditions.report(error.reason, level, str(error))

    @staticmethod
    def _refuse_small(image: Array) -> None:
        if min(image.shape[:2]) < MIN_NETWORK_SIDE:
            needed = f"the network needs {MIN_NETWORK_SIDE} pixels a side; raise the camera's resolution"
            raise ConversionError("size", f"image is {image.shape[1]}x{image.shape[0]}: {needed}")

    def _refuse_old(self, job: Job, settings: Settings) -> None:
        if settings.max_stamp_age <= 0 or stamp_of(job.message) == 0:  # which is no time at all
            return
        age = self._clock.now().nanoseconds * 1e-9 - stamp_of(job.message) * 1e-9
        if age > settings.max_stamp_age:
            raise ConversionError(
                "stale",
                f"image stamp is {age:.3f} s old, above max_stamp_age = {settings.max_stamp_age:g} s; raise it, or set "
                "use_sim_time if the images come from a bag",
            )

    def _camera_model(
        self, camera: Camera, job: Job, width: int, height: int, settings: Settings
    ) -> CameraModel | None:
        """Model for this image; None where there is no valid calibration and the frame is used without."""
        info = camera.input.camera_info(stamp_of(job.message))
        if info is None:
            camera.waiting_since = camera.waiting_since or job.received
            if job.received - camera.waiting_since < settings.camera_info_timeout:
                raise ConversionError(
                    WAITING,
                    f"images wait up to camera_info_timeout = {settings.camera_info_timeout:g} s for a first "
                    f"message on {camera.input.info_topic}",
                )
            self._report_uncalibrated(camera, f"no camera_info on {camera.input.info_topic}", settings)
            return None
        camera.waiting_since = None
        try:
            model = camera.models.get(info, width, height, camera.rectified)
        except ConversionError as error:
            if error.reason != "no_intrinsics":
                raise
            self._report_uncalibrated(camera, str(error), settings)
            return None
        camera.conditions.clear("uncalibrated")
        self._watch_focal(camera, model.intrinsics)
        return model

    def _watch_focal(self, camera: Camera, intrinsics: Intrinsics) -> None:
        """Warn about a lens unlike those of the training set, whenever the calibration changes."""
        if camera.focal_checked == intrinsics:
            return
        camera.focal_checked = intrinsics
        warning = self._predictor.focal_warning(intrinsics)
        if warning is None:
            camera.conditions.clear("focal")
        else:
            camera.conditions.report("focal", WARN, warning, lasting=True)

    @staticmethod
    def _report_uncalibrated(camera: Camera, cause: str, settings: Settings) -> None:
        if settings.assumed_fov > 0:
            consequence = f"a field of view of {settings.assumed_fov:g} degrees is assumed; distances are only as good"
        else:
            consequence = (
                "the training camera's focal length is assumed: distances are off by the ratio, and neither points nor "
                "camera_info are published; calibrate the camera or set assumed_fov"
            )
        camera.conditions.report("uncalibrated", WARN, f"{cause}: {consequence}")

    @staticmethod
    def _assumed(image: Array, settings: Settings) -> Intrinsics | None:
        if settings.assumed_fov <= 0:
            return None
        return Intrinsics.from_fov(image.shape[1], image.shape[0], settings.assumed_fov)

    def _publish(self, frame: Frame, prediction: Prediction, settings: Settings) -> frozenset[str]:
        """Publish the outputs that are wanted and return their names."""
        started = time.perf_counter()
        result = self._result(frame, prediction, frame.job.message.header, settings)
        frame.seconds |= dict(prediction.seconds)
        frame.seconds["build"] = time.perf_counter() - started
        wanted = frame.camera.outputs.wanted()
        for stage, seconds in frame.camera.outputs.publish(result, wanted, settings).items():
            frame.seconds[stage] = frame.seconds.get(stage, 0.0) + seconds
        return wanted

    def _publish_stats(self, frame: Frame, wanted: frozenset[str]) -> None:
        latency = self._latency(frame.camera, frame.job.message.header)
        if "stats" in wanted:
            frame.camera.outputs.publish_stats(self._stats(frame, latency))

    def _result(self, frame: Frame, prediction: Prediction, header: Header, settings: Settings) -> Result:
        height, width = prediction.depth.shape
        depth, labels, confidence = prediction.depth, prediction.labels, prediction.confidence
        image, valid = frame.image, frame.valid
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            valid = None if valid is None else cv2.resize(
                valid.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            ).astype(bool)  # fmt: skip
        if settings.depth_min > 0 or settings.depth_max > 0:
            depth[(depth < settings.depth_min) | (depth > (settings.depth_max or math.inf))] = np.nan
        if settings.label_min_confidence > 0:
            labels[confidence < settings.label_min_confidence * 255.0] = UNLABELLED
        if valid is not None:
            depth[~valid], labels[~valid], confidence[~valid] = np.nan, UNLABELLED, 0
        return Result(header, image, depth, labels, confidence, prediction.intrinsics, self._painter)

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

    def _stats(self, frame: Frame, latency: float) -> PerceptionStats:
        counts, predictor = frame.camera.counters.now(), self._predictor
        rate_in, rate_out = frame.camera.counters.rates()
        return PerceptionStats(
            header=frame.job.message.header,
            latency=latency,
            receive_latency=time.monotonic() - frame.job.received,
            stages=[StageTime(stage=stage, seconds=seconds) for stage, seconds in frame.seconds.items()],
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
        )
