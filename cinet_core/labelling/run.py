"""Labels a recording: teachers, anchors, agreement of views, and a folder for training out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.data.folder_writer import FolderWriter, file_name, jpeg_of
from cinet_core.data.frame_files import SourceError
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.recording import FRAME_SECONDS, RecordedAnchors, Recording, has_poses
from cinet_core.data.registry import open_dataset, resolved_kind
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.labelling.agreement import Agreement, View, agree, chosen_views
from cinet_core.labelling.anchoring import AnchoredFrame, Anchoring
from cinet_core.labelling.named import open_teachers
from cinet_core.labelling.report import MANIFEST, LabelReport, read_report, report_of
from cinet_core.labelling.score import frame_score
from cinet_core.labelling.settings import LabelSettings
from cinet_core.labelling.store import AnswerStore, Arrays
from cinet_core.labelling.teacher import Teacher, averaged, vote
from cinet_core.labelling.trusted import labelled_frame
from cinet_core.progress import SILENT, Progress

__all__ = ["label_dataset"]

RAW, ANCHORED = "raw", "anchored"


def label_dataset(
    source: str | Path,
    folder: str | Path,
    teachers: Sequence[str | Path],
    *,
    settings: LabelSettings | None = None,
    kind: str = "auto",
    split: Split = "all",
    options: Mapping[str, Any] | None = None,
    every: int = 1,
    limit: int | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> LabelReport:
    """Label the frames of a recording by teachers, for `cinet train`. Needs no ROS.

    Called again after it was interrupted, it goes on where it was, and gives what it would have given; called again on
    a complete set it returns that set's report.

    Args:
        source: a folder of frames, as `cinet bag extract` writes it or any other; or another data set.
        folder: of the labelled set.
        teachers: each "default" or a checkpoint of our own; FILE.yaml, a description that names its ONNX file; or
            NAME=FILE.onnx, a shipped description (`SHIPPED`) with the file. The first that gives depth does so; all
            that give labels vote.
        settings: see there.
        kind: of data set; "auto" goes by what lies there.
        split: of the data set.
        options: of the data set's class.
        every: take every so-manieth frame.
        limit: take only the first so many of these.
        device: "auto", "cpu", "cuda" or "cuda:N".
        progress: receives the progress over the frames.

    Raises:
        TeacherError: a teacher cannot be used, or answers what its description does not say.
        SourceError: there is nothing that can be read; or the folder holds something else, or a set of other teachers
            or settings.
        ValueError: an option or number does not exist or is out of range.
        OSError: a file cannot be written.
    """
    settings = settings or LabelSettings()
    if every < 1 or (limit is not None and limit < 1):
        raise ValueError(f"every is {every} and limit {limit}: both must be at least 1")
    opened = open_teachers(teachers, device)
    try:
        label_set = opened[0].label_set
        dataset, found_kind = _open(source, kind, split, options or {}, label_set, settings)
        chosen = list(range(0, len(dataset), every))[:limit]
        identity = {
            "source": Path(source).name or str(source),
            "kind": found_kind,
            "split": split,
            "options": {name: repr(value) for name, value in (options or {}).items()},
            "every": every,
            "frames": len(chosen),
            "teachers": [teacher.identity for teacher in opened],
            "settings": json.loads(json.dumps(asdict(settings))),
            "label_set": label_set.name,
        }
        return _Labelling(dataset, chosen, Path(folder), opened, settings, identity, progress).run()
    finally:
        for teacher in opened:
            teacher.close()


class _Labelling:
    """One run."""

    def __init__(
        self,
        dataset: SceneDataset,
        chosen: Sequence[int],
        folder: Path,
        teachers: Sequence[Teacher],
        settings: LabelSettings,
        identity: Mapping[str, Any],
        progress: Progress,
    ) -> None:
        self._dataset, self._folder, self._teachers = dataset, folder, teachers
        self._settings, self._identity, self._progress = settings, identity, progress
        self._label_set = teachers[0].label_set
        self._worlds = _worlds(dataset, chosen)
        self._names = _file_names(dataset, chosen)
        self._left_out: dict[str, str] = {}
        self._known: dict[int, dict[str, Any]] = {}
        self._depth = next((teacher for teacher in teachers if teacher.gives_depth), None)
        metric = (one for one in teachers if one.gives_depth == "metric" and one is not self._depth)
        is_relative = self._depth is not None and self._depth.gives_depth == "relative"
        self._reference = next(metric, None) if is_relative else None

    def run(self) -> LabelReport:
        """All of it; at once where it is done."""
        done = read_report(self._folder)
        if done is not None:
            if dict(done.identity) != dict(self._identity):
                reason = "it holds a set of other teachers, settings or frames"
                raise SourceError(self._folder / MANIFEST, reason, "give a new folder, or remove this one")
            return done
        writer = FolderWriter(self._folder)
        writer.set_classes(self._label_set)
        reach = self._settings.agreement.reach
        self._store = AnswerStore(self._folder, self._identity, 2 * (2 * reach + 2))
        self._progress.begin("teachers", sum(map(len, self._worlds)))
        done_frames = 0
        for world in self._worlds:
            anchoring = Anchoring(self._label_set, self._settings.anchors, self._settings.floor_height)
            for place, index in enumerate(world):
                self._answer(index, place, anchoring)
                done_frames += 1
                self._progress.advance(done_frames)
        if not self._known:
            reasons = next(iter(self._left_out.values()), "it holds no frame")
            raise SourceError(self._folder, f"not one frame could be labelled: {reasons}", "correct that first")
        self._progress.begin("agreement", len(self._known))
        done_frames = 0
        for world in self._worlds:
            kept = [index for index in world if index in self._known]
            for place in range(len(kept)):
                self._finish(kept, place, writer)
                done_frames += 1
                self._progress.advance(done_frames)
        lines = [json.loads(line) for line in (self._folder / "frames.jsonl").read_text(encoding="utf-8").splitlines()]
        report = report_of(self._folder, lines, self._identity, self._left_out)
        text = json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"
        atomic_write_bytes(self._folder / MANIFEST, text.encode())
        self._store.remove()
        return report

    def _answer(self, index: int, place: int, anchoring: Anchoring) -> None:
        """Ask the teachers about a frame, and correct its depth; both are stored."""
        name = self._names[index]
        try:
            sample = self._dataset[index]
            facts = self._facts(index, place)
            if sample.intrinsics is None:
                raise SourceError(name, "its camera is unknown", "give its intrinsics")
        except SourceError as error:
            self._left_out[name] = str(error)
            self._progress.broken(str(error))
            return
        self._known[index] = facts | {"camera": sample.intrinsics}
        facts = self._known[index]
        if not self._store.has(name, RAW):
            self._store.write(name, RAW, self._asked(sample))
        raw = self._store.read(name, RAW)
        if "depth" not in raw:
            return
        use_sensor = self._settings.sensor != "ignore" and sample.has_depth
        sensor = sample.depth.numpy() if use_sensor else None
        assert self._depth is not None
        found = anchoring.add(
            AnchoredFrame(
                _rgb(sample), sample.intrinsics, facts["clock"], facts["pose"], raw["depth"],
                self._depth.gives_depth == "relative", raw.get("labels"), raw.get("reference"), sensor,
                facts["measured"],
            )
        )  # fmt: skip
        sigma = found.sigma if "spread" not in raw else np.hypot(found.sigma, raw["spread"])
        self._store.write(name, ANCHORED, {"depth": found.depth, "sigma": sigma.astype(np.float32)})
        facts["anchors"] = list(found.anchors)
        facts["scale"] = None if found.scale is None else round(found.scale, 4)
        facts["reason"] = found.reason if not np.isfinite(found.depth).any() else None

    def _asked(self, sample: Sample) -> Arrays:
        """All teachers' answers, as they are stored."""
        assert sample.intrinsics is not None
        image, settings = _rgb(sample), self._settings
        arrays: Arrays = {}
        labels, confidences = [], []
        for teacher in self._teachers:
            answer = averaged(teacher, image, sample.intrinsics, settings.flip, settings.scales)
            if teacher is self._depth and answer.depth is not None:
                arrays["depth"] = answer.depth
                if answer.spread is not None:
                    arrays["spread"] = answer.spread
            if teacher is self._reference and answer.depth is not None:
                arrays["reference"] = answer.depth
            if answer.labels is not None and answer.confidence is not None:
                labels.append(answer.labels)
                confidences.append(answer.confidence)
        if labels:
            together, sure = (labels[0], confidences[0]) if len(labels) == 1 else vote(labels, confidences)
            arrays["labels"], arrays["confidence"] = together, np.rint(sure * 255).astype(np.uint8)
        return arrays

    def _facts(self, index: int, place: int) -> dict[str, Any]:
        """What is known of a frame beside its image: pose, clock, anchors, and the keys of its line."""
        dataset = self._dataset
        pose = dataset.pose(index) if isinstance(dataset, PosedDataset) else None
        clock = getattr(dataset, "seconds", None)
        seconds = float(clock(index)) if clock else place * FRAME_SECONDS
        measured: RecordedAnchors | None = dataset.measured(index) if isinstance(dataset, Recording) else None
        keys: dict[str, Any] = {}
        if pose is not None and isinstance(dataset, PosedDataset):
            keys = {"pose": np.round(pose, 7).tolist(), "world": dataset.world(index)}
        if clock:
            keys["seconds"] = seconds
        return {"pose": pose, "clock": seconds, "measured": measured, "keys": keys, "anchors": [], "scale": None}

    def _view(self, index: int) -> View | None:
        """A frame to compare with others; None where its pose or depth is not known."""
        pose = self._known[index]["pose"]
        name = self._names[index]
        raw = self._store.read(name, RAW)
        if pose is None or "depth" not in raw:
            return None
        depth = self._store.read(name, ANCHORED)["depth"]
        labels = raw.get("labels", np.full(depth.shape, UNLABELLED, np.uint8))
        confidence = _share(raw.get("confidence", np.zeros(depth.shape, np.uint8)))
        return View(depth, labels, confidence, self._known[index]["camera"], pose)

    def _agreement(self, world: Sequence[int], place: int) -> Agreement | None:
        settings = self._settings.agreement
        own = self._view(world[place]) if settings.views else None
        if own is None:
            return None
        poses = [self._known[index]["pose"] for index in world]
        others = [self._view(world[number]) for number in chosen_views(place, poses, settings)]
        found = agree(own, [other for other in others if other is not None], settings)
        return found if found.views else None

    def _finish(self, world: Sequence[int], place: int, writer: FolderWriter) -> None:
        """Write a frame, unless it is there."""
        index = world[place]
        name, facts, settings = self._names[index], self._known[index], self._settings
        if name in writer.names:
            return
        sample = self._dataset[index]
        raw = self._store.read(name, RAW)
        shape = sample.depth.shape
        anchored = self._store.read(name, ANCHORED) if "depth" in raw else _nothing(shape)
        labels = raw.get("labels")
        confidence = None if labels is None else _share(raw["confidence"])
        agreement = self._agreement(world, place)
        sensor = sample.depth.numpy() if settings.sensor == "use" and sample.has_depth else None
        given = sample.labels.numpy() if settings.keep_labels and sample.has_labels else None
        truth = labelled_frame(
            anchored["depth"], anchored["sigma"], labels, confidence, agreement, settings, sensor, given
        )
        said: dict[str, Any] = {**truth.summary(), "anchors": facts["anchors"], "scale": facts["scale"]}
        said |= _agreement_figures(agreement, settings)
        if facts.get("reason"):
            said["reason"] = facts["reason"]
        if settings.score:
            relative = self._depth is not None and self._depth.gives_depth == "relative"
            depths = {"teacher": None if relative else raw.get("depth"), "anchored": anchored["depth"]}
            said["score"] = frame_score(depths, labels, truth, sample.depth.numpy(), sample.labels.numpy())
        writer.add(
            name, jpeg_of(self._dataset, index, sample), sample.intrinsics, depth=truth.depth, labels=truth.labels,
            trusted=truth.trusted, measured=facts["measured"], keys={**facts["keys"], "truth": said},
        )  # fmt: skip


def _open(
    source: str | Path,
    kind: str,
    split: Split,
    options: Mapping[str, Any],
    label_set: LabelSet,
    settings: LabelSettings,
) -> tuple[SceneDataset, str]:
    """The recording and its kind; its labels are mapped where they are of use."""
    found = resolved_kind(source, kind)
    root = Path(source).expanduser()
    if kind == "auto" and found == "folder":
        if has_poses(root):
            found = "recording"
        elif next(root.glob("*.pose.txt"), None) is not None:
            found = "rgbd_sequence"
    needed = {"label_set": label_set} if settings.keep_labels or settings.score else {}
    return open_dataset(source, split, found, **options, **needed), found


def _worlds(dataset: SceneDataset, chosen: Sequence[int]) -> list[list[int]]:
    """The frames by world, in their order; those of a set without poses are of one."""
    worlds: dict[str, list[int]] = {}
    for index in chosen:
        worlds.setdefault(dataset.world(index) if isinstance(dataset, PosedDataset) else "", []).append(index)
    return list(worlds.values())


def _file_names(dataset: SceneDataset, chosen: Sequence[int]) -> dict[int, str]:
    """A unique file name for each frame."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for index in chosen:
        name = file_name(dataset.name(index))
        if name in taken:
            name = f"{name}-{index}"
        taken.add(name)
        names[index] = name
    return names


def _rgb(sample: Sample) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())


def _share(codes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """0 to 255 as 0 to 1."""
    return (codes / np.float32(255)).astype(np.float32)


def _nothing(shape: Sequence[int]) -> Arrays:
    return {"depth": np.full(shape, np.nan, np.float32), "sigma": np.full(shape, np.inf, np.float32)}


def _agreement_figures(agreement: Agreement | None, settings: LabelSettings) -> dict[str, Any]:
    """Views compared, and parts of what they could check that held; None where they could check nothing."""
    if agreement is None:
        return {"views": 0, "depth_agreement": None, "label_agreement": None}
    found: dict[str, Any] = {"views": agreement.views}
    for key, checked, share, least in (
        ("depth_agreement", agreement.depth_checked, agreement.depth_share, settings.agreement.least_depth),
        ("label_agreement", agreement.labels_checked, agreement.labels_share, settings.agreement.least_labels),
    ):
        there = checked > 0
        found[key] = round(float((share[there] >= least).mean()), 4) if there.any() else None
    return found
