"""From hours of recordings to hundreds of frames."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.checkpoint import DEFAULT_WEIGHTS, named_checkpoint
from cinet_core.data.check import spread
from cinet_core.data.contact_sheet import ContactSheet
from cinet_core.data.folder import FolderDataset
from cinet_core.data.folder_writer import FolderWriter, encoded_png, file_name, frame_name, jpeg_of
from cinet_core.data.frame_files import SourceError
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.recording import has_poses
from cinet_core.data.registry import open_dataset, resolved_kind
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.label_sets import UNLABELLED
from cinet_core.progress import SILENT, Progress
from cinet_core.selection.choice import choose, relative_sharpness
from cinet_core.selection.features import Encoded, FrameEncoder, FrameFeatures, exposure, sharpness
from cinet_core.selection.report import FrameVerdict, SelectionReport
from cinet_core.selection.settings import SelectionSettings

__all__ = ["MANIFEST", "select_frames"]

MANIFEST = "selection.json"
BATCH = 8
ON_SHEET = 60
"""Frames of the contact sheet, evenly spread over the chosen ones."""


def select_frames(
    sources: str | Path | Sequence[str | Path],
    folder: str | Path | None,
    count: int = 300,
    *,
    weights: str | Path = DEFAULT_WEIGHTS,
    settings: SelectionSettings | None = None,
    kind: str = "auto",
    split: Split = "all",
    options: Mapping[str, Any] | None = None,
    every: int = 1,
    limit: int | None = None,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> SelectionReport:
    """Choose frames worth learning from, and write them to a folder with a report and a contact sheet.

    Blurred, dark, bright and clipped frames and near-duplicates are left out; of the rest those are taken that cover
    appearance, places and distances, the ones first that the network is uncertain of. The choice depends on the frames
    and settings alone. Called again after it was interrupted, it goes on writing where it was.

    Args:
        sources: folders of frames, or other data sets, labelled or not; one or several.
        folder: for the chosen frames; None chooses only.
        count: how many to take at most.
        weights: of the network that looks at the frames.
        settings: see there.
        kind, split, options: of the data sets, see `open_dataset`; "auto" goes by what lies there.
        every: look at every so-manieth frame.
        limit: look at the first so many of these only, of each source.
        device: "cpu", "cuda" or "cuda:N".
        progress: receives the progress over the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError: there is nothing that can be read, or the folder holds something else.
        ValueError: an option or number does not exist or is out of range.
        OSError: a file cannot be written.
    """
    if every < 1 or count < 1 or (limit is not None and limit < 1):
        raise ValueError(f"count is {count}, every {every}, limit {limit}: all must be at least 1")
    settings = settings or SelectionSettings()
    given = [sources] if isinstance(sources, str | Path) else list(sources)
    if not given:
        raise ValueError("there is no source: give one or more folders of frames")
    checkpoint = named_checkpoint(weights)
    opened = [_open(source, kind, split, options or {}) for source in given]
    classes = {dataset.label_set.classes for dataset in opened}
    if len(classes) > 1:
        raise SourceError(str(given[-1]), "its labels are of other classes than the others'", "choose them apart")
    seen = [(place, number) for place, one in enumerate(opened) for number in list(range(0, len(one), every))[:limit]]
    identity = {
        "sources": [Path(source).name or str(source) for source in given],
        "frames": len(seen),
        "count": count,
        "every": every,
        "weights": checkpoint.sha256,
        "settings": json.loads(json.dumps(asdict(settings))),
    }
    writer = _writer(folder, identity)
    looked = _Looked(opened, [str(source) for source in given], seen, progress)
    report = looked.report(FrameEncoder(checkpoint, device), count, settings, identity)
    if writer is not None:
        looked.write(report, writer)
    return report


class _Looked:
    """The frames of some data sets, as they were looked at."""

    def __init__(
        self, opened: Sequence[SceneDataset], names: Sequence[str], seen: Sequence[tuple[int, int]], progress: Progress
    ) -> None:
        self._opened, self._progress, self._seen = opened, progress, seen
        self._sources = names
        self._names = self._unique(names)
        self._read: list[tuple[int, int]] = []
        self._labels: list[dict[int, int]] = []
        self._unreadable: dict[str, str] = {}

    def report(
        self, encoder: FrameEncoder, count: int, settings: SelectionSettings, identity: Mapping[str, Any]
    ) -> SelectionReport:
        """Look at all frames, and choose."""
        features: list[FrameFeatures] = []
        self._progress.begin("frames", len(self._seen))
        for batch in self._batches():
            for (key, sample), encoded in zip(batch, encoder.encode([sample for _, sample in batch]), strict=True):
                features.append(self._features(key, sample, encoded))
            self._progress.advance(len(features) + len(self._unreadable))
        if not features:
            reason = next(iter(self._unreadable.values()), "it holds no frame")
            raise SourceError(self._sources[0], f"not one frame can be read: {reason}", "correct that first")
        verdicts = choose(features, count, settings)
        relative = relative_sharpness(features, settings.around)
        frames = [
            FrameVerdict(self._names[key], self._sources[key[0]], verdict, found, float(sharp), labels)
            for key, verdict, found, sharp, labels in zip(
                self._read, verdicts, features, relative, self._labels, strict=True
            )
        ]
        return SelectionReport(frames, self._unreadable, identity, self._opened[0].label_set.classes)

    def write(self, report: SelectionReport, writer: FolderWriter) -> None:
        """Write the chosen frames, the reports and the sheet."""
        chosen = [key for key, frame in zip(self._read, report.frames, strict=True) if frame.verdict == "chosen"]
        writer.set_classes(self._opened[0].label_set)
        on_sheet = set(spread(len(chosen), ON_SHEET))
        sheet = ContactSheet(f"{len(chosen)} of {len(report.frames)} frames", self._opened[0].label_set)
        self._progress.begin("chosen", len(chosen))
        for place, key in enumerate(chosen):
            dataset, name = self._opened[key[0]], self._names[key]
            if name not in writer.names or place in on_sheet:
                sample = dataset[key[1]]
                if place in on_sheet:
                    sheet.add(sample)
                if name not in writer.names:
                    _copy(dataset, key[1], sample, name, writer)
            self._progress.advance(place + 1)
        if len(sheet):
            atomic_write_bytes(writer.root / "contact_sheet.png", encoded_png(sheet.draw()[..., ::-1]))
        atomic_write_bytes(writer.root / "selection.txt", report.text().encode())
        text = json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n"
        atomic_write_bytes(writer.root / MANIFEST, text.encode())

    def _batches(self) -> Iterator[list[tuple[tuple[int, int], Sample]]]:
        """Samples of one size, several at a time; those that cannot be read are noted."""
        batch: list[tuple[tuple[int, int], Sample]] = []
        for key in self._seen:
            place, number = key
            try:
                sample = self._opened[place][number]
                _pose(self._opened[place], number)
            except SourceError as error:
                self._unreadable[self._names[key]] = str(error)
                self._progress.broken(str(error))
                continue
            if batch and (len(batch) == BATCH or batch[0][1].size != sample.size):
                yield batch
                batch = []
            batch.append((key, sample))
        if batch:
            yield batch

    def _features(self, key: tuple[int, int], sample: Sample, encoded: Encoded) -> FrameFeatures:
        place, number = key
        image = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
        luminance, clipped = exposure(image)
        dataset = self._opened[place]
        self._read.append(key)
        counts = Counter(sample.labels.numpy().ravel().tolist()) if sample.has_labels else Counter()
        counts.pop(UNLABELLED, None)
        self._labels.append(dict(counts))
        world = dataset.world(number) if isinstance(dataset, PosedDataset) else _room(dataset, number)
        return FrameFeatures(
            sharpness(image),
            luminance,
            clipped,
            encoded.embedding,
            encoded.uncertainty,
            encoded.median_depth,
            _pose(dataset, number),
            f"{place}:{world}",
        )

    def _unique(self, sources: Sequence[str]) -> dict[tuple[int, int], str]:
        """Names of the frames: their own, with their source's before it where two have the same."""
        own = {key: frame_name(self._opened[key[0]], key[1]) for key in self._seen}
        twice = {name for name, times in Counter(own.values()).items() if times > 1}
        return {
            (place, number): f"{file_name(Path(sources[place]).name)}-{place}-{name}" if name in twice else name
            for (place, number), name in own.items()
        }


def _writer(folder: str | Path | None, identity: Mapping[str, Any]) -> FolderWriter | None:
    """Of the chosen frames; a folder that was begun with other frames or settings is refused."""
    if folder is None:
        return None
    writer = FolderWriter(Path(folder))
    path = writer.root / ".selection"
    text = json.dumps(identity, sort_keys=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise SourceError(writer.root, "it holds a selection of other frames or settings", "give a new folder")
    if writer.names and not path.is_file():
        raise SourceError(writer.root, "it holds frames that were not selected", "give a new folder")
    atomic_write_bytes(path, text.encode())
    return writer


def _copy(dataset: SceneDataset, number: int, sample: Sample, name: str, writer: FolderWriter) -> None:
    """A chosen frame: its very files where the source is of the same layout."""
    if isinstance(dataset, FolderDataset) and dataset.frame(number).line is not None:
        writer.link(name, dataset.frame(number))
        return
    pose = _pose(dataset, number)
    keys: dict[str, Any] = {}
    if pose is not None and isinstance(dataset, PosedDataset):
        keys = {"pose": np.round(pose, 7).tolist(), "world": dataset.world(number)}
    writer.add(
        name,
        jpeg_of(dataset, number, sample),
        sample.intrinsics,
        depth=sample.depth.numpy() if sample.has_depth else None,
        labels=sample.labels.numpy() if sample.has_labels else None,
        keys=keys,
    )


def _open(source: str | Path, kind: str, split: Split, options: Mapping[str, Any]) -> SceneDataset:
    found = resolved_kind(source, kind)
    root = Path(source).expanduser()
    if kind == "auto" and found == "folder" and has_poses(root):
        found = "recording"
    elif kind == "auto" and found == "folder" and next(root.glob("*.pose.txt"), None) is not None:
        found = "rgbd_sequence"
    return open_dataset(source, split, found, **options)


def _pose(dataset: SceneDataset, number: int) -> Any:
    return dataset.pose(number) if isinstance(dataset, PosedDataset) else None


def _room(dataset: SceneDataset, number: int) -> str:
    return dataset.room(number) if isinstance(dataset, FolderDataset) else ""
