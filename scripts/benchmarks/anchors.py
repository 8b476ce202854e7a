"""What anchors cost: whole frames with each of them by turns with none, and the parts of a frame.

A frame is predicted by the weights that ship while its image is tracked on another thread, as in the node; the anchor's
measurement is taken and depth corrected before the next frame begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.anchors import (
    AnchorMeasurement,
    MotionAnchor,
    OdometryAnchor,
    measure_cloud,
    measure_floor,
)
from cinet_core.checkpoint import DEFAULT_WEIGHTS, named_checkpoint
from cinet_core.correction.corrector import DepthCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.geometry import unproject
from cinet_core.inference.choices import AUTO
from cinet_core.inference.prediction import Prediction
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.room import SyntheticFrame, SyntheticRoom
from scripts.benchmarks.rows import Row, milliseconds, ratios
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.timing import Work, take_turns

NONE = "none"
SOURCES = ("odometry", "motion", "scan", "depth", "floor")
STEPS, TURN = 24, 480
"""Views that are walked to and fro, of so many around the room's table: a step is 1.6 cm."""

SECONDS = 1 / 15
LATTICE = (24, 32)
Outputs = dict[str, npt.NDArray[Any]]


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Rows of whole frames, and of what is corrected in them."""
    if run.device.type != "cpu":
        run.notes.append("anchors: they are worked out on the CPU; measure them there")
        return
    height, width = run.budget.image_size
    room = SyntheticRoom(seed=2, width=width, height=height)
    walk = [room.render(step, TURN) for step in range(STEPS)]
    network = Predictor(named_checkpoint(DEFAULT_WEIGHTS), "cpu", backend=AUTO)
    with network as predictor, ThreadPoolExecutor(1, "tracker") as tracker:
        frames = {name: _Frames(name, room, walk, predictor, tracker) for name in (NONE, *SOURCES)}
        run.say(f"anchors on {width}x{height}")
        works: dict[str, Work] = {name: one.whole for name, one in frames.items()}
        seconds = take_turns(works, run.budget)
        size = (height, width)
        for name, taken in seconds.items():
            yield Row.of("whole frames", name, "1/s", [1.0 / one for one in taken], size)
        for name in SOURCES:
            share = [100.0 * one for one in ratios(seconds[NONE], seconds[name])]
            yield Row.of("whole frames, of those without anchor", name, "%", share, size)
        parts = {f"{kind} {name}": work for name in SOURCES for kind, work in frames[name].parts().items()}
        for name, taken in take_turns(parts, run.budget).items():
            part, _, source = name.partition(" ")
            yield Row.of(part, source, "ms", milliseconds(taken), size)


def _outputs(prediction: Prediction) -> Outputs:
    return {"depth": prediction.depth, "labels": prediction.labels, "confidence": prediction.confidence}


@dataclass
class _Frames:
    """The frames of a walk with one anchor, one after the other."""

    source: str
    room: SyntheticRoom
    walk: list[SyntheticFrame]
    predictor: Predictor
    tracker: ThreadPoolExecutor

    def __post_init__(self) -> None:
        self._place = 0
        self._before: npt.NDArray[np.float64] | None = None
        self._settings = CorrectionSettings(self.source, "off" if self.source == NONE else "field")
        self._corrector = DepthCorrector(NYU40)
        self._odometry, self._motion = OdometryAnchor(), MotionAnchor()
        self._random = np.random.default_rng(0)

    def whole(self) -> None:
        """One frame from its image to its corrected depth."""
        frame = self._next()
        tracked = self._track(frame)
        prediction = self.predictor.predict(frame.image, self.room.intrinsics)
        outputs = _outputs(prediction)
        if self.source != NONE:
            self._correct(frame, outputs, tracked)

    def parts(self) -> dict[str, Work]:
        """Tracking, where there is any, and correction with the measurement, each alone."""
        frame = self._next()
        prediction = self.predictor.predict(frame.image, self.room.intrinsics)
        outputs = _outputs(prediction)

        def correction() -> None:
            self._correct(frame, outputs, None, measurement)

        tracked = self._track(frame)
        measurement = self._measurement(frame, outputs, tracked)
        works: dict[str, Work] = {"correction": correction}
        if tracked is not None:
            works["tracking"] = lambda: self._tracked(self._next())
        return works

    def _next(self) -> SyntheticFrame:
        place = self._place % (2 * STEPS - 2)
        self._place += 1
        return self.walk[min(place, 2 * STEPS - 2 - place)]

    def _track(self, frame: SyntheticFrame) -> Future[AnchorMeasurement | None] | None:
        if self.source not in ("odometry", "motion"):
            return None
        return self.tracker.submit(self._tracked, frame)

    def _tracked(self, frame: SyntheticFrame) -> AnchorMeasurement | None:
        seconds = self._place * SECONDS
        if self.source == "motion":
            self._motion.track(frame.image, seconds)
            return None
        self._odometry.track(frame.image, frame.camera_to_world, seconds)
        return self._odometry.measure(self.room.intrinsics)

    def _measurement(
        self,
        frame: SyntheticFrame,
        outputs: Outputs,
        tracked: Future[AnchorMeasurement | None] | None,
    ) -> AnchorMeasurement:
        camera = self.room.intrinsics
        if tracked is not None:
            found = tracked.result()
            return found if found is not None else self._motion.measure(outputs["depth"], camera)
        if self.source == "floor":
            up, height = frame.camera_to_world[2, :3], float(frame.camera_to_world[2, 3])
            floor = frame.labels == NYU40.classes.index("floor")
            return measure_floor(floor, outputs["depth"], camera, height, up)
        points = unproject(frame.depth, camera)
        height, width = frame.depth.shape
        if self.source == "scan":
            points = points[height // 2]
            return measure_cloud(points, camera, None, 0.01, 0.02, "scan")
        rows, columns = (np.arange(count) * size // count for count, size in zip(LATTICE, (height, width), strict=True))
        points = points[rows[:, None], columns].reshape(-1, 3)
        noise = 1 + 0.03 * self._random.standard_normal((len(points), 1))
        return measure_cloud(points * noise, camera, None, 0.03, 0.001)

    def _correct(
        self,
        frame: SyntheticFrame,
        outputs: Outputs,
        tracked: Future[AnchorMeasurement | None] | None,
        measurement: AnchorMeasurement | None = None,
    ) -> None:
        motion = None if self._before is None else np.linalg.inv(frame.camera_to_world) @ self._before
        self._before = frame.camera_to_world
        if measurement is None:
            measurement = self._measurement(frame, outputs, tracked)
        seconds = math.inf if motion is None else SECONDS
        self._corrector.correct(outputs, self.room.intrinsics, [measurement], motion, seconds, self._settings)
