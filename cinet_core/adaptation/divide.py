"""Divides labelled recordings, by whole rooms, into what is learnt from and what is judged on.

What is judged on becomes data sets of their own, each with one kind of truth:

- ``sensor``: depth that a sensor measured, and labels that the recording came with;
- ``anchors``: depth of scan and sparse points alone, at the pixels that they fall on; no network has a part in it;
- ``agreed``: depth and labels of the teacher, where other views of the recording agree with them; labels only where the
  teacher is another network.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.adaptation.steps import AdaptationError
from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.data.image_files import read_depth
from cinet_core.data.recording import ANCHORS_SUFFIX, Recording
from cinet_core.data.scene_dataset import held_out
from cinet_core.data.trust import SOURCES, TRUST_SUFFIX, read_trust
from cinet_core.depth_image import depth_millimetres
from cinet_core.geometry import Intrinsics

__all__ = ["FIGURES", "Division", "divide", "sparse_depth"]

FRAMES, CLASSES = "frames.jsonl", "classes.txt"
FIGURES = ("sensor", "anchors", "agreed")
NEAREST = 0.1
"""Metres: nearer points are on the robot."""

_DEPTH = {"sensor": ("sensor",), "agreed": ("agreed",)}
_LABELS = {"sensor": ("given",), "agreed": ("agreed",)}


@dataclass(frozen=True)
class Division:
    """The folders that were made.

    Attributes:
        train: of the frames to learn from.
        rooms: names of the held-out rooms.
        train_frames, held_out_frames: their numbers.
        figures: frames of each of `FIGURES` that has some.
    """

    train: Path
    rooms: tuple[str, ...]
    train_frames: int
    held_out_frames: int
    figures: dict[str, int]


def divide(parts: Sequence[Path], folder: Path, fraction: float, judge_labels: bool = True) -> Division:
    """Divide the frames of labelled parts. What an earlier attempt left in the folder is made anew.

    Args:
        parts: labelled sets, of which no two have a frame of one name.
        folder: gets the folder ``train`` and one for each of `FIGURES`.
        fraction: of the frames to hold out.
        judge_labels: ``agreed`` has labels. Where a network taught itself they are no truth: any change would be worse.

    Raises:
        AdaptationError: there are no frames, or only one room.
        SourceError: a frame is damaged.
        OSError: a file cannot be written.
    """
    lines = {part: list(_lines(part)) for part in parts}
    rooms = [_room(line) for part in parts for line in lines[part]]
    if not rooms:
        raise AdaptationError("no frame of the recordings could be labelled: see the manifests of both steps")
    try:
        chosen = held_out(rooms, fraction, "adaptation")
    except ValueError as error:
        raise AdaptationError(
            f"{len(rooms)} frames of one room cannot be divided into what is learnt from and what is judged on: give "
            "more recordings, or shorter rooms (--extract='--room-seconds 10')"
        ) from error
    shutil.rmtree(folder, ignore_errors=True)
    train = _Folder(folder / "train", parts)
    figures = {name: _Folder(folder / name, parts) for name in FIGURES}
    held = 0
    for part in parts:
        recording = Recording(part)
        places = {recording.name(index): index for index in range(len(recording))}
        for line in lines[part]:
            if _room(line) not in chosen:
                train.link(part, line)
                continue
            held += 1
            for name, (depth, labels) in _truths(recording, places[line["frame"]], part, line["frame"]).items():
                judged = labels if judge_labels or name != "agreed" else None
                if depth is not None or judged is not None:
                    figures[name].add(part, line, depth, judged)
    frames = {name: figure.finish() for name, figure in figures.items()}
    return Division(
        train.root, tuple(sorted(chosen)), train.finish(), held, {name: n for name, n in frames.items() if n}
    )


Planes = tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.uint8] | None]


def _truths(recording: Recording, index: int, part: Path, name: str) -> dict[str, Planes]:
    """Depth, and values of the label file, by figure; a frame without either of them is none of a figure."""
    found: dict[str, Planes] = {}
    sources = read_trust(part / f"{name}{TRUST_SUFFIX}").sources
    depth_file, label_file = part / f"{name}_depth.png", part / f"{name}_label.png"
    depth = np.nan_to_num(read_depth(depth_file)) if depth_file.is_file() else None
    labels = cv2.imread(str(label_file), cv2.IMREAD_UNCHANGED) if label_file.is_file() else None
    for figure, kinds in _DEPTH.items():
        chosen = None if depth is None else np.where(_of(sources[0], kinds), depth, 0).astype(np.float32)
        given = None if labels is None else np.where(_of(sources[1], _LABELS[figure]), labels, 0).astype(np.uint8)
        if (chosen is not None and chosen.any()) or (given is not None and given.any()):
            found[figure] = (_unless_empty(chosen), _unless_empty(given))
    measured, camera = recording.measured(index), recording[index].intrinsics
    if measured is not None and camera is not None:
        points = [points for points in (measured.scan, measured.points) if points is not None]
        sparse = sparse_depth(np.concatenate(points), camera) if points else None
        if sparse is not None and sparse.any():
            found["anchors"] = (sparse, None)
    return found


def _unless_empty(plane: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    return plane if plane is not None and plane.any() else None


def _of(sources: npt.NDArray[np.uint8], kinds: Collection[str]) -> npt.NDArray[np.bool_]:
    return np.isin(sources, [code for code, name in enumerate(SOURCES) if name in kinds])


def sparse_depth(points: npt.NDArray[np.floating], camera: Intrinsics) -> npt.NDArray[np.float32]:
    """The depth image of points: the nearest one at each pixel, 0 where there is none.

    Args:
        points: (N, 3) in the optical frame, metres.
        camera: of the image.

    Returns:
        (H, W) metres along z.
    """
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    x, y, z = points[points[:, 2] > NEAREST].T
    u = np.round(camera.fx * x / z + camera.cx).astype(int)
    v = np.round(camera.fy * y / z + camera.cy).astype(int)
    seen = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    np.minimum.at(depth, (v[seen], u[seen]), z[seen].astype(np.float32))
    return np.where(np.isfinite(depth), depth, 0).astype(np.float32)


class _Folder:
    """A folder of frames that grows; nothing of it is there before the first one."""

    def __init__(self, root: Path, parts: Sequence[Path]) -> None:
        self.root = root
        self._classes = next((part / CLASSES for part in parts if (part / CLASSES).is_file()), None)
        self._lines: list[str] = []

    def link(self, part: Path, line: dict[str, Any]) -> None:
        """Take over a frame with all of its files, which stay where they are too."""
        self._begin(line)
        for path in _files(part, line["frame"]):
            _link(path, self.root / path.name)

    def add(
        self,
        part: Path,
        line: dict[str, Any],
        depth: npt.NDArray[np.float32] | None,
        labels: npt.NDArray[np.uint8] | None,
    ) -> None:
        """Take over a frame's image, with another truth."""
        self._begin(line)
        name = line["frame"]
        _link(part / f"{name}.jpg", self.root / f"{name}.jpg")
        for plane, kind in ((None if depth is None else depth_millimetres(depth), "depth"), (labels, "label")):
            if plane is not None:
                well, content = cv2.imencode(".png", plane)
                if not well:
                    raise OSError(f"OpenCV could not encode an image of {plane.shape}")
                atomic_write_bytes(self.root / f"{name}_{kind}.png", content.tobytes())

    def finish(self) -> int:
        """Write the list of frames; returns their number."""
        if self._lines:
            atomic_write_bytes(self.root / FRAMES, ("\n".join(self._lines) + "\n").encode())
        return len(self._lines)

    def _begin(self, line: dict[str, Any]) -> None:
        if not self._lines:
            self.root.mkdir(parents=True, exist_ok=True)
            if self._classes is not None:
                _link(self._classes, self.root / CLASSES)
        self._lines.append(json.dumps(line))


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _files(part: Path, name: str) -> Iterator[Path]:
    for suffix in (".jpg", "_depth.png", "_label.png", TRUST_SUFFIX, ANCHORS_SUFFIX):
        path = part / f"{name}{suffix}"
        if path.is_file():
            yield path


def _lines(part: Path) -> Iterator[dict[str, Any]]:
    with suppress(FileNotFoundError):  # a recording without a frame that could be read
        for line in (part / FRAMES).read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _room(line: dict[str, Any]) -> str:
    return str(line["frame"]).rpartition("_")[0]
