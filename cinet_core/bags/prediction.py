"""From the name of a bag to the same bag with predictions in it, and an account of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cinet_core.bags.correction import OdometryPoses, RecordedCorrection
from cinet_core.bags.reader import BagReader
from cinet_core.bags.run import BagRun, BagRunCounts
from cinet_core.correction.sequence import POSED_ANCHORS, check_anchor
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.inference.choices import AUTO, TORCH
from cinet_core.inference.networks import named_network
from cinet_core.inference.predictor import Predictor
from cinet_core.messages.settings import OutputSettings
from cinet_core.model_metadata import DEFAULT_WEIGHTS
from cinet_core.parameters import read_file
from cinet_core.progress import SILENT, Progress

__all__ = ["PredictedBag", "predict_bag"]


@dataclass(frozen=True)
class PredictedBag:
    """The result of an extraction.

    Attributes:
        folder: of the new bag.
        messages: of the input that were copied.
        frames: that have outputs in the new bag.
        existing: of these, those of earlier attempts.
        was_complete: an earlier attempt had finished the bag, and nothing was left to do.
        image_topic: of the images.
        camera_info_topic: of their calibration; None where there is none.
        random_weights: the network was not trained: its outputs mean nothing.
        notes: what to know of the choice of topics; warnings begin with "WARNING".
        warnings: about the camera and its stamps.
        faults: what is wrong with the bag.
        refused: frames that could not be decoded, by reason.
        examples: of each reason the first error's text.
    """

    folder: Path
    messages: int
    frames: int
    existing: int
    was_complete: bool
    image_topic: str
    camera_info_topic: str | None
    random_weights: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    faults: tuple[str, ...]
    refused: Mapping[str, int]
    examples: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """The bag is sound, and every frame has its outputs."""
        return not (self.faults or self.refused)


def predict_bag(
    bag: str | Path,
    folder: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    parameters: OutputSettings | str | Path | None = None,
    outputs: Sequence[str] = (),
    prefix: str = "/",
    image_topic: str = "",
    camera_info_topic: str = "",
    storage: str = "",
    device: str = AUTO,
    backend: str = TORCH,
    batch: int = 1,
    anchor: str = "none",
    temporal: str = "off",
    odometry_topic: str = "",
    camera_in_base: Sequence[float] = (),
    progress: Progress = SILENT,
) -> PredictedBag:
    """Copy a bag, and add what the perception node would publish, with the images' stamps; needs no ROS.

    Called again after it was interrupted, it goes on where it was.

    Args:
        bag: its folder, a .db3 or a .mcap.
        folder: of the new bag.
        weights: a checkpoint, "default", or "random".
        parameters: of the node, as an object or as a file like config/perception.yaml; None = the defaults.
        outputs: topics to add, such as "points"; empty: all uncompressed ones.
        prefix: of the added topics, such as "/front".
        image_topic: empty: the best colour camera.
        camera_info_topic: empty: beside the images.
        storage: of the new bag, "mcap" or "sqlite3"; empty: the input's.
        device: "auto", "cpu", "cuda" or "cuda:N".
        backend: what runs the network.
        batch: images of one call of the network.
        anchor: what corrects depth: "none"; "odometry" or "auto", by the bag's odometry; or "motion", by its images.
        temporal: what is kept from frame to frame, see `CorrectionSettings`.
        odometry_topic: of nav_msgs/Odometry; empty: the only one, where it is needed.
        camera_in_base: x y z qx qy qz qw of the optical frame in the frame that the odometry is of; empty: the two are
            one.
        progress: is told of the messages, and where the work goes on.

    Raises:
        BagError: the bag cannot be read, a topic is not there or would be doubled, or the folder holds something else.
        CheckpointError: the weights cannot be read.
        ValueError: an unknown device, backend, output or class, a batch below 1, or a file of parameters that is none.
        OutOfDeviceMemoryError, DeviceLostError: the device cannot go on; what is written stays.
        OSError: a file cannot be written; likewise.
    """
    if batch < 1:
        raise ValueError(f"batch is {batch}: it must be at least 1")
    settings = _settings(parameters, progress)
    checkpoint = named_network(weights)
    random = checkpoint.metadata.random_weights
    if random:
        progress.warn("random weights: depth, labels and points mean nothing")
    predictor = Predictor(checkpoint, device, settings.network_size, settings.output_size, backend=backend)
    how = CorrectionSettings(anchor, temporal)
    check_anchor(anchor, POSED_ANCHORS)
    with closing(predictor), BagReader(Path(bag)) as reader:
        correction = None
        if how.active:
            poses = OdometryPoses(reader, odometry_topic, camera_in_base) if how.needs_poses else None
            correction = RecordedCorrection(predictor.label_set, how, poses)
        run = BagRun(
            reader,
            Path(folder),
            predictor,
            settings,
            prefix="/" + "".join(f"{part}/" for part in prefix.split("/") if part),
            wanted=tuple(outputs),
            image_topic=image_topic,
            camera_info_topic=camera_info_topic,
            storage=storage,
            batch=batch,
            backend=backend,
            correction=correction,
        )
        existing, was_complete = run.counts.used, run.complete
        if not was_complete:
            _run(run, progress)
        return PredictedBag(
            folder=Path(folder),
            messages=run.counts.read,
            frames=run.counts.used,
            existing=existing,
            was_complete=was_complete,
            image_topic=run.image_topic,
            camera_info_topic=run.camera_info_topic or None,
            random_weights=random,
            notes=(*reader.notes, *run.notes),
            warnings=tuple(run.warnings),
            faults=tuple(reader.faults),
            refused=dict(run.counts.refused),
            examples=dict(run.examples),
        )


def _settings(parameters: OutputSettings | str | Path | None, progress: Progress) -> OutputSettings:
    if isinstance(parameters, OutputSettings):
        return parameters
    if parameters is None:
        return OutputSettings()
    settings, unused = read_file(Path(parameters), OutputSettings)
    if unused:
        progress.note(f"{parameters}: of no meaning for a bag: {', '.join(unused)}")
    return settings


def _run(run: BagRun, progress: Progress) -> None:
    if run.counts.used:
        progress.note(f"going on after {run.counts.used} frames")
    progress.begin("messages", len(run))

    def show(counts: BagRunCounts) -> None:
        progress.advance(counts.read)

    run.run(show)
