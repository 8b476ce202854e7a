"""Adds predictions to a bag: copies every message of the input and adds the outputs of each image."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinet_core.bags.camera_warnings import CameraWarnings
from cinet_core.bags.correction import RecordedCorrection
from cinet_core.bags.definitions import definition_of
from cinet_core.bags.errors import BagError
from cinet_core.bags.frames import RecordedImages, first_messages
from cinet_core.bags.outputs import Outputs
from cinet_core.bags.parts import PartedWriter, TopicToWrite
from cinet_core.bags.reader import BagReader
from cinet_core.bags.steps import Step, read_steps
from cinet_core.bags.topics import CameraTopics
from cinet_core.inference.predictor import Predictor
from cinet_core.messages.colors import LabelPainter
from cinet_core.messages.result import Result
from cinet_core.messages.settings import OutputSettings
from cinet_core.read_ahead import ReadAhead

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

__all__ = ["BagRun", "BagRunCounts"]

PART_BYTES = 2 << 30
PART_SECONDS = 60.0
"""A part is finished when it is this large, or took this long: what a kill costs at most."""


@dataclass
class BagRunCounts:
    """The number of frames by result, over all attempts at a bag.

    Attributes:
        read: messages of the input.
        used: frames with outputs.
        refused: frames that could not be decoded, by reason.
    """

    read: int = 0
    used: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, state: dict[str, Any]) -> BagRunCounts:
        """Create the counts from the state in a journal."""
        return cls(state.get("read", 0), state.get("used", 0), Counter(state.get("refused", {})))

    def state(self) -> dict[str, Any]:
        """Return the state for a journal."""
        return {"read": self.read, "used": self.used, "refused": dict(self.refused)}


class BagRun:
    """One attempt at adding predictions to a bag.

    Args:
        reader: of the input.
        output: folder of the bag to be written; what an earlier attempt left there is gone on with.
        predictor: predicts.
        settings: as the node has them.
        prefix: of the topics that are added, with slashes: "/".
        wanted: outputs; empty for `outputs.BY_DEFAULT`.
        image_topic, camera_info_topic: of the input; empty: found.
        storage: "sqlite3" or "mcap"; empty: the input's.
        batch: images of one call of the network.
        backend: that the predictor was asked for.
        part_seconds: see `PART_SECONDS`.
        correction: of depth and labels; None = none.

    Attributes:
        counts: what became of the frames so far.
        image_topic, camera_info_topic: of the input.
        complete: whether an earlier attempt finished the bag.
        examples: of each reason for refusing a frame, the first error's text.
        notes: what the user should know of the choice of the topic.

    Raises:
        BagError: the topics are not there or would be doubled, or the output is of something else.
        ValueError: a class of mask_classes is unknown.
    """

    def __init__(
        self,
        reader: BagReader,
        output: Path,
        predictor: Predictor,
        settings: OutputSettings,
        *,
        prefix: str = "/",
        wanted: tuple[str, ...] = (),
        image_topic: str = "",
        camera_info_topic: str = "",
        storage: str = "",
        batch: int = 1,
        backend: str = "torch",
        part_seconds: float = PART_SECONDS,
        correction: RecordedCorrection | None = None,
    ) -> None:
        settings.check_classes(predictor.label_set)
        self._correction = correction
        self._reader, self._predictor, self._settings = reader, predictor, settings
        self._outputs = Outputs(predictor, prefix, wanted)
        self._batch, self._part_seconds = batch, part_seconds
        topics = CameraTopics(str(reader.path), reader.connections, lambda item: first_messages(reader, item))
        image = topics.image(image_topic)
        self.image_topic, self._image = image.topic, image
        self.camera_info_topic = topics.camera_info(image.topic, camera_info_topic)
        self._refuse_doubles()
        self.notes = topics.notes
        self._prepare = RecordedImages(image, self.camera_info_topic, settings)
        self._painter = LabelPainter(predictor.label_set.palette)
        identity = _identity(
            reader.path,
            [
                *[asdict(settings), prefix, sorted(self._outputs.topics), image.topic, self.camera_info_topic, backend],
                *([] if correction is None else [correction.identity]),
            ],
            predictor.model_hash,
        )
        self._copied = {item.id: _copied(item) for item in reader.connections}
        self._writer = PartedWriter(output, storage or reader.storage, identity)
        self.complete = self._writer.complete
        self.counts = BagRunCounts.of(self._writer.state)
        self.examples: dict[str, str] = {}
        self._warnings = CameraWarnings(self.image_topic, predictor.focal_warning)

    def __len__(self) -> int:
        """Messages of the input."""
        return len(self._reader)

    @property
    def warnings(self) -> list[str]:
        """About the camera, so far."""
        return self._warnings.texts

    def run(self, progress: Callable[[BagRunCounts], None]) -> None:
        """Read, predict and write to the end of the input.

        Args:
            progress: called now and then.

        Raises:
            OSError: the output cannot be written.
            OutOfDeviceMemoryError, DeviceLostError: as `Predictor.predict_batch`. What is written stays, in each case.
        """
        if self.complete:
            return
        self._writer.begin([*self._copied.values(), *self._outputs.topics.values()])
        stopped = False
        source = read_steps(self._reader, self._image, self.camera_info_topic, self._prepare, self.counts.read)
        steps = ReadAhead(source, lambda: stopped)
        try:
            self._run(steps, progress)
            self._writer.finish_part(self.counts.state())
            self._writer.finish()
        finally:
            stopped = True
            steps.close()
            self._writer.close()

    def _run(self, steps: ReadAhead[Step], progress: Callable[[BagRunCounts], None]) -> None:
        waiting: list[Step] = []
        latched = bool(self._writer.state)
        begun = time.monotonic()
        for step in steps:
            if not latched and step.copies:
                latched = True
                for topic, content in self._outputs.latched():
                    self._writer.write(topic, step.copies[0][1], content)
            for connection, time_ns, data in step.copies:
                self._writer.write(self._copied[connection.id], time_ns, data)
            self.counts.read = step.read
            self._refuse(step)
            due = self._writer.pending > PART_BYTES or time.monotonic() - begun > self._part_seconds
            due = due and not step.more
            if step.image is not None:
                self._warnings.add(step.image)
                if waiting and step.size != waiting[0].size:
                    self._predict(waiting)
                waiting.append(step)
            if len(waiting) >= self._batch or due:
                self._predict(waiting)
            if due:
                self._writer.finish_part(self.counts.state())
                begun = time.monotonic()
            progress(self.counts)
        self._predict(waiting)
        progress(self.counts)

    def _predict(self, steps: list[Step]) -> None:
        """Predict images of one size, write what is published of them, and forget them."""
        images = [step.image for step in steps if step.image is not None]
        if not images:
            return
        predictions = self._predictor.predict_batch(
            [image.image for image in images], [image.intrinsics for image in images]
        )
        for step, image, prediction in zip(steps, images, predictions, strict=True):
            started = time.perf_counter()
            result = Result.of(prediction, image, self._painter, self._settings)
            done = None if self._correction is None else self._correction.apply(result, image, self._settings)
            for topic, data in self._outputs.of_frame(result, self._settings):
                self._writer.write(topic, step.time_ns, data)
            self.counts.used += 1
            seconds = {"decode": step.seconds, **prediction.seconds, "build": time.perf_counter() - started}
            dropped = sum(self.counts.refused.values())
            for topic, data in self._outputs.stats(result.header, seconds, self.counts.used, dropped, done):
                self._writer.write(topic, step.time_ns, data)
        steps.clear()

    def _refuse(self, step: Step) -> None:
        if step.refused is not None:
            self.counts.refused[step.refused.reason] += 1
            self.examples.setdefault(step.refused.reason, str(step.refused))

    def _refuse_doubles(self) -> None:
        there = {item.topic for item in self._reader.connections}
        doubles = [topic.topic for topic in self._outputs.topics.values() if topic.topic in there]
        if doubles:
            raise BagError(
                f"{self._reader.path} has {', '.join(doubles)} already: give the new topics another --prefix, or "
                "choose others with --outputs"
            )


def _copied(connection: Connection) -> TopicToWrite:
    definition, digest = definition_of(connection)
    extension: Any = connection.ext
    return TopicToWrite(
        connection.topic,
        connection.msgtype,
        definition,
        digest,
        extension.serialization_format,
        tuple(extension.offered_qos_profiles),
    )


def _identity(path: Path, settings: list[Any], model_hash: str) -> str:
    """Of what goes into a bag: another input, setting or network makes another bag."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    text = json.dumps([str(path.resolve()), facts, settings, model_hash])
    return hashlib.sha256(text.encode()).hexdigest()
