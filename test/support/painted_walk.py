"""A walk through the demo room in colours that say what is there, so that a small network can know it.

Red is one over depth, green the class, and blue the room's own picture, for tracks to follow. A 1x1 convolution, as an
ONNX file, is then a teacher without fault, and what is painted wrongly in one frame is what it gets wrong there.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from torch import nn

from cinet_core.data.recording import RecordedAnchors, encode_anchors
from cinet_core.depth_image import depth_millimetres
from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.room import SyntheticRoom

WIDTH, HEIGHT = 128, 96
NEAREST = 0.4
"""Metres of the brightest red."""

CLASSES = ("wall", "floor", "ceiling", "chair", "table", "door", "window", "picture", "sofa", "cabinet", "otherprop")
Paint = Callable[[int, np.ndarray, np.ndarray], None]


def green_of(labels: np.ndarray) -> np.ndarray:
    """(H, W) green of NYU40 ids."""
    table = np.full(256, len(CLASSES) - 0.5)
    for place, label in enumerate(NYU40.ids(CLASSES)):
        table[label] = place + 0.5
    return table[labels] * 255 / len(CLASSES)


def known_labels(labels: np.ndarray) -> np.ndarray:
    """(H, W) ids of what green can say: all other classes are otherprop."""
    table = np.full(256, NYU40.ids(["otherprop"])[0], np.uint8)
    for label in NYU40.ids(CLASSES):
        table[label] = label
    return table[labels]


def write_walk(
    root: Path,
    frames: int = 6,
    *,
    depth: bool = True,
    labels: bool = True,
    poses: bool = True,
    anchors: Callable[[Any], RecordedAnchors | None] = lambda frame: None,
    paint: Paint = lambda number, inverse, classes: None,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> list[Any]:
    """Write a recording; returns the rendered frames.

    Args:
        root: of the folder.
        frames: how many.
        depth, labels, poses: whether it has them.
        anchors: what the robot measured at a rendered frame.
        paint: changes number, one over depth and labels of a frame, of which its colours are then made.
        width, height: of the images.
    """
    room = SyntheticRoom(seed=2, width=width, height=height)
    k, found = room.intrinsics, []
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(frames):
        frame = room.render(2 * number, 60)
        found.append(frame)
        inverse, classes = 1 / np.maximum(frame.depth, NEAREST), known_labels(frame.labels)
        paint(number, inverse, classes)
        blue = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        rgb = np.stack([255 * NEAREST * inverse, green_of(classes), blue], axis=-1).round().clip(0, 255)
        name = f"walk_{number:06d}"
        quality = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
        cv2.imwrite(str(root / f"{name}.jpg"), rgb.astype(np.uint8)[..., ::-1], quality)
        if depth:
            cv2.imwrite(str(root / f"{name}_depth.png"), depth_millimetres(frame.depth))
        if labels:
            cv2.imwrite(str(root / f"{name}_label.png"), known_labels(frame.labels) + 1)
        measured = anchors(frame)
        if measured is not None:
            (root / f"{name}_anchors.npz").write_bytes(encode_anchors(measured))
        line = {"frame": name, "fx": k.fx, "fy": k.fy, "cx": k.cx, "cy": k.cy, "seconds": number / 10}
        if poses:
            line["pose"] = frame.camera_to_world.tolist()
        lines.append(json.dumps(line))
    (root / "frames.jsonl").write_text("\n".join(lines) + "\n")
    return found


class Painted(nn.Module):
    """Reads the colours of an image (1, 3, h, w), 0 to 1: one over depth, metres, logits or class numbers."""

    def __init__(self, *answers: str, factor: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.answers, self.factor, self.offset = answers, factor, offset
        places = (torch.arange(len(CLASSES)) + 0.5) / len(CLASSES)
        self.decide = nn.Conv2d(1, len(CLASSES), 1)
        with torch.no_grad():  # -(g - g_c)^2 but for what all classes share
            self.decide.weight.copy_(400 * 2 * places.reshape(-1, 1, 1, 1))
            self.decide.bias.copy_(-400 * places**2)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inverse = image[:, 0] / NEAREST
        found = {
            "inverse_depth": self.factor * inverse + self.offset,
            "metric_depth": self.factor / inverse.clamp(min=1e-3),
            "logits": self.decide(image[:, 1:2]),
        }
        found["labels"] = found["logits"].argmax(dim=1)
        return tuple(found[answer] for answer in self.answers)


def write_teacher(
    root: Path,
    *answers: str,
    size: tuple[int, int] | None = None,
    name: str = "teacher",
    factor: float = 1.0,
    offset: float = 0.0,
    values: Mapping[str, Any] | None = None,
) -> Path:
    """Export a teacher; returns its description.

    Args:
        root: of its two files.
        answers: what it answers, as descriptions name it.
        size: (height, width) that the file fixes; None leaves both open.
        name: of the files.
        factor, offset: of one over depth; the factor also of metric depth.
        values: further keys of the description.
    """
    height, width = size or (HEIGHT, WIDTH)
    axes = {answer: {2: "h", 3: "w"} if answer == "logits" else {1: "h", 2: "w"} for answer in answers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            Painted(*answers, factor=factor, offset=offset).eval(),
            (torch.zeros(1, 3, height, width),),
            str(root / f"{name}.onnx"),
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=list(answers),
            dynamic_axes=None if size else {"image": {2: "h", 3: "w"}, **axes},
        )
    outputs = [
        {"name": answer, "meaning": answer} | ({"classes": list(CLASSES)} if answer in ("logits", "labels") else {})
        for answer in answers
    ]
    path = root / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"model": f"{name}.onnx", "outputs": outputs, **(values or {})}))
    return path
