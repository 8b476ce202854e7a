"""The files of rendered rooms: what is there, what is added, and whom it is owed to.

For each frame NAME: NAME.jpg, NAME_depth.png (uint16 millimetres along the camera's z, 0 = none), NAME_label.png (0 =
void, then NYU40 ids + 1) and a line of frames.jsonl: K and an OpenGL camera-to-world pose. A frame counts once its line
is there; a room's lines are written at once, after its images. rooms.jsonl has a line a room, also of those without a
frame and of those that failed, with their error.
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write
from cinet_core.rooms.pathtraced.catalogue import Model
from cinet_core.rooms.pathtraced.plan import PlannedView, RoomPlan

FRAMES, ROOMS, SETTINGS, ATTRIBUTION = "frames.jsonl", "rooms.jsonl", "settings.json", "ATTRIBUTION.md"
LOCK = "render.lock"
"""Held by the one process that adds to the folder."""

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
"""Turns camera axes x right, y down, z forward into x right, y up, z backward."""

JPEG_QUALITY = 93


class FolderError(Exception):
    """The folder holds other frames, is damaged or cannot be written; the message says which."""


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """One finished view.

    Attributes:
        view: its camera.
        image: (H, W, 3) uint8 sRGB.
        depth: (H, W) float32 metres along z, 0 = none.
        labels: (H, W) uint8, 0 = void.
    """

    view: PlannedView
    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]


class RenderedFolder:
    """A folder that rooms are added to, by one process at a time; a run that was killed can go on.

    Args:
        root: the folder; made if it is not there.
        settings: what its frames depend on.
        models: of the catalogue, by their keys: whom the frames are owed to.

    Attributes:
        frames: number of frames.
        done: rooms that are whole; not those that failed, and not those that a killed run left without all its frames.

    Raises:
        FolderError: another process adds to it, it holds frames of other settings or models, or it is damaged.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any], models: Mapping[str, Model]) -> None:
        """Read what is there; cut off lines that a killed run left unfinished; write whom it is owed to."""
        self.root, self._models = root, models
        root.mkdir(parents=True, exist_ok=True)
        self._lock = (root / LOCK).open("a")
        try:
            self._open(dict(settings))
        except BaseException:
            self.close()
            raise

    def _open(self, settings: dict[str, Any]) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderError(f"another process adds to {self.root}: wait for it, or give another folder") from error
        self._check(settings)
        root = self.root
        frames = _lines(root / FRAMES)
        rooms = _lines(root / ROOMS)
        self.frames = len(frames)
        self._room_lines = {int(line["room"]): line for line in rooms}
        self._frame_count = Counter(_room_of(line) for line in frames)
        self.done = {
            number
            for number, line in self._room_lines.items()
            if not line.get("error") and self._frame_count[number] == line["frames"]
        }
        self._attribute()

    def add(self, plan: RoomPlan, frames: Sequence[RenderedFrame]) -> None:
        """Write a room's frames and lines; without frames, only that it is done.

        Raises:
            FolderError: a file cannot be written, or a model is not of the catalogue.
        """
        self._drop(plan.room)
        lines = []
        for number, frame in enumerate(frames):
            name = f"{plan.room:05d}_{number:02d}"
            millimetres = np.rint(np.where(frame.depth < 65.5, frame.depth, 0.0) * 1000).astype(np.uint16)
            self._write(f"{name}_depth.png", millimetres)
            self._write(f"{name}_label.png", frame.labels)
            self._write(f"{name}.jpg", frame.image[..., ::-1])
            lines.append(_line(name, plan.kind, frame.view))
        models = sorted({placement.model for placement in plan.models}) if frames else []
        # first whom the frames are owed to, then the frames
        self._note(plan.room, {"room": plan.room, "kind": plan.kind, "frames": len(frames), "models": models})
        self._attribute()
        if lines:
            _append(self.root / FRAMES, lines)
        self.frames += len(lines)
        self._frame_count[plan.room] = len(lines)
        self.done.add(plan.room)

    def fail(self, room: int, error: str) -> None:
        """Note why a room has no frames; the next run tries it again."""
        self._drop(room)
        self._note(room, {"room": room, "frames": 0, "models": [], "error": error})

    def close(self) -> None:
        """Let another process add to the folder."""
        self._lock.close()

    def __enter__(self) -> RenderedFolder:
        """Nothing more to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _note(self, room: int, line: dict[str, Any]) -> None:
        self._room_lines[room] = line
        _append(self.root / ROOMS, [line])

    def _drop(self, room: int) -> None:
        """Remove the lines of an earlier attempt; frames first: they may not be there without whom they are owed to."""
        if self._frame_count.pop(room, 0):
            lines = [line for line in _lines(self.root / FRAMES) if _room_of(line) != room]
            _rewrite(self.root / FRAMES, lines)
            self.frames = len(lines)
        if self._room_lines.pop(room, None) is not None:
            _rewrite(self.root / ROOMS, list(self._room_lines.values()))

    def _attribute(self) -> None:
        """Write whom the frames are owed to: every model used so far, its creator and licence."""
        used = sorted({key for line in self._room_lines.values() for key in line["models"]})
        unknown = [key for key in used if key not in self._models]
        if unknown:
            raise FolderError(
                f"{self.root / ROOMS} names models that are not installed, so that their creators are not known: "
                f"{', '.join(unknown[:5])}: install the catalogues that it was made with, or give a new folder"
            )
        with atomic_write(self.root / ATTRIBUTION) as file:
            file.write(attribution(self._models[key] for key in used).encode())

    def _check(self, settings: dict[str, Any]) -> None:
        path = self.root / SETTINGS
        if not path.is_file():
            if (self.root / FRAMES).is_file():
                raise FolderError(f"{self.root} holds frames, but no {SETTINGS}: give a new folder")
            with atomic_write(path) as file:
                file.write((json.dumps(settings, indent=2) + "\n").encode())
            return
        try:
            there = dict(json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            raise FolderError(f"{path} is damaged ({error}): restore it, or give a new folder") from error
        other = [f"{key} {there.get(key)}, not {value}" for key, value in settings.items() if there.get(key) != value]
        if other:
            raise FolderError(
                f"the frames in {self.root} have {'; '.join(other)}: go on with those, or in a new folder"
            )

    def _write(self, name: str, image: npt.NDArray[Any]) -> None:
        parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if name.endswith(".jpg") else []
        if not cv2.imwrite(str(self.root / name), image, parameters):
            raise FolderError(f"cannot write {self.root / name}: is the disk full?")


def attribution(models: Iterable[Model]) -> str:
    """A table of models in Markdown."""
    lines = [
        "# What these frames are made of",
        "",
        "Furniture models of Sweet Home 3D (https://www.sweethome3d.com), through the Debian packages sweethome3d and",
        "sweethome3d-furniture, scaled and recoloured. As creators ask for CC-BY, the frames are CC-BY 3.0 too",
        "(https://creativecommons.org/licenses/by/3.0/). Some floors and walls have textures of the same catalogues",
        "(eTeks, GNU GPL / CC-BY 3.0). All else was built and drawn by `cinet data render`.",
        "",
        "| model | name | creator | licence |",
        "|---|---|---|---|",
    ]
    cells = ((model.key, model.name, model.creator, model.licence) for model in models)
    lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in cells]
    return "\n".join(lines) + "\n"


def _line(name: str, kind: str, view: PlannedView) -> dict[str, Any]:
    pose = (np.array(view.pose) @ OPENGL).round(6) + 0.0
    return {
        "frame": name,
        "room": kind,
        "fx": view.fx,
        "fy": view.fx,
        "cx": view.cx,
        "cy": view.cy,
        "camera_to_world": pose.tolist(),
    }


def _room_of(line: Mapping[str, Any]) -> int:
    return int(line["frame"].partition("_")[0])


def _rewrite(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    with atomic_write(path) as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines).encode())


def _append(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
        file.flush()


def _lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a JSONL file; what was not written to its end is cut off.

    Raises:
        FolderError: a line is damaged.
    """
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    keys = {"frame"} if path.name == FRAMES else {"room", "frames", "models"}
    lines = []
    for number, line in enumerate(whole.split(b"\n"), 1):
        if line.strip():
            try:
                entry = dict(json.loads(line))
            except (ValueError, TypeError) as error:
                raise FolderError(f"{path}, line {number} is damaged ({error}): remove the line") from error
            if not keys <= entry.keys():
                raise FolderError(f"{path}, line {number} lacks {', '.join(sorted(keys - entry.keys()))}: remove it")
            lines.append(entry)
    return lines
