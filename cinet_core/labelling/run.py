"""Labels a recording: teachers, anchors, agreement of views, and a folder for training out of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.data.folder_writer import FolderWriter, jpeg_of
from cinet_core.data.frame_files import SourceError
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.label_sets import UNLABELLED
from cinet_core.labelling.agreement import Agreement, View, agree, chosen_views
from cinet_core.labelling.anchoring import AnchoredFrame, Anchoring
from cinet_core.labelling.asking import answers_of, at_once, in_order
from cinet_core.labelling.frames import file_names, frame_facts, open_recording, worlds_of
from cinet_core.labelling.named import open_teachers
from cinet_core.labelling.photometric import appearance_errors, textured
from cinet_core.labelling.report import MANIFEST, LabelReport, read_report, report_of
from cinet_core.labelling.score import frame_score
from cinet_core.labelling.settings import LabelSettings
from cinet_core.labelling.store import AnswerStore, Arrays
from cinet_core.labelling.teacher import Teacher
from cinet_core.labelling.trusted import labelled_frame, unanchored_sigma
from cinet_core.progress import SILENT, Progress

__all__ = ["label_dataset"]

RAW, ANCHORED = "raw", "anchored"
Float = npt.NDArray[np.float32]

MARGIN = 0.03
"""Part by which images must agree better with a teacher's own depth, for the anchors' correction to be dropped."""


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
        dataset, found_kind = open_recording(source, kind, split, options or {}, label_set, settings)
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
        self._worlds = worlds_of(dataset, chosen)
        self._names = file_names(dataset, chosen)
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
        done_frames, workers = 0, at_once(self._teachers)
        for world in self._worlds:
            anchoring = Anchoring(self._label_set, self._settings.anchors, self._settings.floor_height)
            with contextlib.closing(in_order(self._loaded(world), self._asked, workers)) as frames:
                for (place, index, sample), arrays in frames:
                    self._correct(index, sample, arrays, anchoring)
                    self._progress.advance(done_frames + place + 1)
            done_frames += len(world)
            self._progress.advance(done_frames)
        if not self._known:
            reasons = next(iter(self._left_out.values()), "it holds no frame")
            raise SourceError(self._folder, f"not one frame could be labelled: {reasons}", "correct that first")
        for world in self._worlds:
            self._judge([index for index in world if index in self._known])
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

    def _loaded(self, world: Sequence[int]) -> Iterator[tuple[int, int, Sample]]:
        """Place, number and content of a world's frames; those that cannot be read are left out."""
        for place, index in enumerate(world):
            name = self._names[index]
            try:
                sample = self._dataset[index]
                facts = frame_facts(self._dataset, index, place)
                if sample.intrinsics is None:
                    raise SourceError(name, "its camera is unknown", "give its intrinsics")
            except SourceError as error:
                self._left_out[name] = str(error)
                self._progress.broken(str(error))
                continue
            self._known[index] = facts | {"camera": sample.intrinsics}
            yield place, index, sample

    def _asked(self, frame: tuple[int, int, Sample]) -> Arrays | None:
        """The teachers' answers; None where they are stored. Called on several threads."""
        _, index, sample = frame
        if self._store.has(self._names[index], RAW):
            return None
        assert sample.intrinsics is not None
        return answers_of(
            self._teachers, self._depth, self._reference, _rgb(sample), sample.intrinsics, self._settings
        )  # fmt: skip

    def _correct(self, index: int, sample: Sample, answers: Arrays | None, anchoring: Anchoring) -> None:
        """Store a frame's answers, unless they are, and its depth as anchors correct it."""
        name, facts = self._names[index], self._known[index]
        if answers is not None:
            self._store.write(name, RAW, answers)
        raw = self._store.read(name, RAW)
        if "depth" not in raw:
            return
        use_sensor = self._settings.sensor != "ignore" and sample.has_depth
        sensor = sample.depth.numpy() if use_sensor else None
        assert self._depth is not None
        assert sample.intrinsics is not None
        found = anchoring.add(
            AnchoredFrame(
                _rgb(sample), sample.intrinsics, facts["clock"], facts["pose"], raw["depth"],
                self._depth.gives_depth == "relative", raw.get("labels"), raw.get("reference"), sensor,
                facts["measured"],
            )
        )  # fmt: skip
        if found.scale is None and self._depth.gives_depth == "metric":  # no anchor has touched it
            sigma = unanchored_sigma(raw["depth"], raw.get("spread"), raw.get("sigma"))
        else:
            sigma = found.sigma if "spread" not in raw else np.hypot(found.sigma, raw["spread"])
        self._store.write(name, ANCHORED, {"depth": found.depth, "sigma": sigma.astype(np.float32)})
        facts["anchors"] = list(found.anchors)
        facts["scale"] = None if found.scale is None else round(found.scale, 4)
        facts["reason"] = found.reason if not np.isfinite(found.depth).any() else None

    def _judge(self, world: Sequence[int]) -> None:
        """Go back to a teacher's own depth in frames of a world where odometry made it worse, by what the images show.

        Few tracked points on one thing that a network gets wrong move the whole image. Range sensors are believed.
        """
        used = {name for index in world for name in self._known[index]["anchors"]}
        metric = self._depth is not None and self._depth.gives_depth == "metric"
        if used != {"odometry"} or not metric or not self._settings.agreement.views:
            return
        poses = [self._known[index]["pose"] for index in world]
        for place, index in enumerate(world):
            facts, chosen = self._known[index], chosen_views(place, poses, self._settings.agreement)
            if facts["scale"] is None or not chosen:
                continue
            raw = self._store.read(self._names[index], RAW)
            others = [
                (
                    textured(self._store.read(self._names[world[number]], RAW)["grey"]),
                    np.linalg.inv(facts["pose"]) @ poses[number],
                )
                for number in chosen
            ]
            depths = [raw["depth"], self._store.read(self._names[index], ANCHORED)["depth"]]
            own, anchored = appearance_errors(depths, textured(raw["grey"]), facts["camera"], others)
            if own < (1 - MARGIN) * anchored:
                facts |= {"anchors": [], "scale": None, "own": True}

    def _depth_of(self, index: int) -> tuple[Float, Float]:
        """Depth of a frame, and the standard deviation of its ln."""
        name = self._names[index]
        if not self._known[index].get("own"):
            anchored = self._store.read(name, ANCHORED)
            return anchored["depth"], anchored["sigma"]
        raw = self._store.read(name, RAW)
        return raw["depth"], unanchored_sigma(raw["depth"], raw.get("spread"), raw.get("sigma"))

    def _view(self, index: int) -> View | None:
        """A frame to compare with others; None where its pose or depth is not known."""
        pose = self._known[index]["pose"]
        raw = self._store.read(self._names[index], RAW)
        if pose is None or "depth" not in raw:
            return None
        depth = self._depth_of(index)[0]
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
        depth, sigma = self._depth_of(index) if "depth" in raw else _nothing(shape)
        labels = raw.get("labels")
        confidence = None if labels is None else _share(raw["confidence"])
        agreement = self._agreement(world, place)
        sensor = sample.depth.numpy() if settings.sensor == "use" and sample.has_depth else None
        given = sample.labels.numpy() if settings.keep_labels and sample.has_labels else None
        truth = labelled_frame(depth, sigma, labels, confidence, agreement, settings, sensor, given)
        said: dict[str, Any] = {**truth.summary(), "anchors": facts["anchors"], "scale": facts["scale"]}
        said |= _agreement_figures(agreement, settings)
        if facts.get("reason"):
            said["reason"] = facts["reason"]
        if settings.score:
            relative = self._depth is not None and self._depth.gives_depth == "relative"
            depths = {"teacher": None if relative else raw.get("depth"), "anchored": depth}
            said["score"] = frame_score(depths, labels, truth, sample.depth.numpy(), sample.labels.numpy())
        writer.add(
            name, jpeg_of(self._dataset, index, sample), sample.intrinsics, depth=truth.depth, labels=truth.labels,
            trusted=truth.trusted, measured=facts["measured"], keys={**facts["keys"], "truth": said},
        )  # fmt: skip


def _rgb(sample: Sample) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())


def _share(codes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """0 to 255 as 0 to 1."""
    return (codes / np.float32(255)).astype(np.float32)


def _nothing(shape: Sequence[int]) -> tuple[Float, Float]:
    return np.full(shape, np.nan, np.float32), np.full(shape, np.inf, np.float32)


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
