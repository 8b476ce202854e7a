"""The files of rendered rooms: what is there, what is added, and whom it is owed to.

For each frame NAME: NAME.jpg, NAME_depth.png (uint16 millimetres along the camera's z, 0 = none), NAME_label.png (0 =
void, then NYU40 ids + 1) and a line of frames.jsonl: K and an OpenGL camera-to-world pose. A frame counts once its line
is there; a room's lines are written at once, after its images. rooms.jsonl has a line a room, also of those
without a frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.data.rendered_rooms.catalogue import Model
from cinet_core.data.rendered_rooms.plan import RoomPlan, View

FRAMES, ROOMS, SETTINGS, ATTRIBUTION = "frames.jsonl", "rooms.jsonl", "settings.json", "ATTRIBUTION.md"
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
"""Turns camera axes x right, y down, z forward into x right, y up, z backward."""

JPEG_QUALITY = 93


class FolderError(Exception):
    """The folder holds other frames or cannot be written; the message says which."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One finished view.

    Attributes:
        view: its camera.
        image: (H, W, 3) uint8 sRGB.
        depth: (H, W) float32 metres along z, 0 = none.
        labels: (H, W) uint8, 0 = void.
    """

    view: View
    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]


class FrameFolder:
    """A folder that rooms are added to; a run that was killed can go on.

    Args:
        root: the folder; made if it is not there.
        settings: what its frames depend on.

    Raises:
        FolderError: it holds frames of other settings.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        """Read what is there; cut off lines that a killed run left unfinished."""
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._check(dict(settings))
        frames = _lines(root / FRAMES)
        rooms = _lines(root / ROOMS)
        self.frames = len(frames)
        self._room_lines = {int(line["room"]): line for line in rooms}
        with_frames = {int(line["frame"].partition("_")[0]) for line in frames}
        self.done = with_frames | {number for number, line in self._room_lines.items() if not line["frames"]}

    def add(self, plan: RoomPlan, frames: Sequence[Frame], error: str = "") -> None:
        """Write a room's frames and lines; with an error or without frames, only that it is done."""
        lines = []
        for number, frame in enumerate(frames):
            name = f"{plan.room:05d}_{number:02d}"
            millimetres = np.rint(np.where(frame.depth < 65.5, frame.depth, 0.0) * 1000).astype(np.uint16)
            self._write(f"{name}_depth.png", millimetres)
            self._write(f"{name}_label.png", frame.labels)
            self._write(f"{name}.jpg", frame.image[..., ::-1])
            lines.append(_line(name, plan.kind, frame.view))
        models = sorted({placement.model for placement in plan.models}) if frames else []
        room = {"room": plan.room, "kind": plan.kind, "frames": len(frames), "models": models}
        if error:
            room["error"] = error
        # first whom the frames are owed to, then the frames
        self._room_lines[plan.room] = room
        _append(self.root / ROOMS, [room])
        if lines:
            _append(self.root / FRAMES, lines)
        self.frames += len(lines)
        self.done.add(plan.room)

    def attribute(self, models: Mapping[str, Model]) -> None:
        """Write whom the frames are owed to: every model used so far, its creator and licence."""
        used = {key for line in self._room_lines.values() for key in line["models"]}
        text = attribution(models[key] for key in sorted(used) if key in models)
        part = self.root / (ATTRIBUTION + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self.root / ATTRIBUTION)

    def _check(self, settings: dict[str, Any]) -> None:
        path = self.root / SETTINGS
        if not path.is_file():
            if (self.root / FRAMES).is_file():
                raise FolderError(f"{self.root} holds frames, but no {SETTINGS}: give a new folder")
            path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
            return
        there = json.loads(path.read_text(encoding="utf-8"))
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


def _line(name: str, kind: str, view: View) -> dict[str, Any]:
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


def _append(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
        file.flush()


def _lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a JSONL file; what was not written to its end is cut off."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines() if line.strip()]
