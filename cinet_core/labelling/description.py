"""Descriptions of teachers: what an ONNX file wants for an image and what its answers mean, as a small YAML file.

.. code-block:: yaml

    model: depth.onnx           # beside this file; left out where the command names it
    size: 518                   # shorter side of the input, which keeps the image's aspect; or [height, width]
    multiple: 14                # of which both sides are
    mean: [0.485, 0.456, 0.406] # subtracted from colours of 0 to 1,
    std: [0.229, 0.224, 0.225]  # which are then divided by these
    color: rgb                  # or bgr
    outputs:
      - name: predicted_depth   # left out where the file has one output
        meaning: metric_depth   # or inverse_depth, logits, labels
        scale: 1.0              # metres of one unit of metric depth
        focal: 0                # pixels at the input that metric depth is right for; 0: for every camera
        classes: ade20k         # of logits and labels: a table by name, or a list of names in the order of the channels
        map: {sofa: sofa}       # own class to NYU40's, or to null for none, laid over the table
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.labelling.classes import CLASS_TABLES, NONE

__all__ = ["SHIPPED", "Meaning", "OutputDescription", "TeacherDescription", "TeacherError", "read_description"]

Meaning = Literal["metric_depth", "inverse_depth", "logits", "labels"]
SHIPPED = ("depth_anything_v2_metric", "depth_anything_v2_relative", "segformer_ade20k", "coco_panoptic")
"""Descriptions that come with the package; the user brings the ONNX file."""

MAX_TEXT_BYTES = 1 << 20
MAX_SIDE = 8192
_FOLDER = Path(__file__).with_name("teachers")


class TeacherError(ValueError):
    """A teacher cannot be used. The message names its file, the reason and the remedy."""


@dataclass(frozen=True)
class OutputDescription:
    """What one output means.

    Attributes:
        meaning: "metric_depth", metres along z times `scale`; "inverse_depth", one over depth but for a factor and an
            offset; "logits", one channel a class; or "labels", class numbers.
        name: of the output; empty: the only one.
        scale: metres of one unit.
        focal: focal length in pixels of the network's input that metric depth is right for; 0: for every camera.
        classes: name of each class, in the order of the channels.
        map: of each class that of NYU40, or `NONE`; without an entry a class has its own name.
    """

    meaning: Meaning
    name: str = ""
    scale: float = 1.0
    focal: float = 0.0
    classes: tuple[str, ...] = ()
    map: Mapping[str, str] | None = None

    def lookup(self, label_set: LabelSet) -> npt.NDArray[np.uint8]:
        """(C,) class id of each own class in a label set; 255 for one of none.

        Raises:
            ValueError: a class goes to one that the label set has not.
        """
        targets = [(self.map or {}).get(name, name) for name in self.classes]
        known = iter(label_set.ids([target for target in targets if target != NONE]))
        return np.array([UNLABELLED if target == NONE else next(known) for target in targets], dtype=np.uint8)


@dataclass(frozen=True)
class TeacherDescription:
    """What an ONNX file wants and answers; see the module's text.

    Attributes:
        outputs: what is used of its answers.
        name: for reports.
        model: of the ONNX file; empty where the caller gives it.
        size: shorter side, or (height, width), of the input in pixels; None: the image's.
        multiple: of which both sides are.
        mean, std: of colours from 0 to 1, in the order of `color`.
        color: order of the channels.
    """

    outputs: tuple[OutputDescription, ...]
    name: str = ""
    model: str = ""
    size: int | tuple[int, int] | None = None
    multiple: int = 1
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    color: Literal["rgb", "bgr"] = "rgb"

    def input_size(self, width: int, height: int, scale: float = 1.0) -> tuple[int, int]:
        """(height, width) of the input for an image of this size, zoomed by a factor."""
        wanted: tuple[float, float] = (height, width)
        if isinstance(self.size, int):
            zoom = self.size / min(width, height)
            wanted = (height * zoom, width * zoom)
        elif self.size is not None:
            wanted = self.size
        high, wide = (max(1, round(side * scale / self.multiple)) * self.multiple for side in wanted)
        return high, wide


def read_description(source: str | Path) -> TeacherDescription:
    """Read a description.

    Args:
        source: a YAML file, or one of `SHIPPED`.

    Raises:
        TeacherError: it cannot be read, or holds what is no description; it names the key.
    """
    import yaml

    path = _FOLDER / f"{source}.yaml" if str(source) in SHIPPED else Path(source).expanduser()
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise TeacherError(f"{path}: {path.stat().st_size} bytes are no description: give a small YAML file")
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        choices = ", ".join(SHIPPED)
        raise TeacherError(f"{path}: there is no such file; write one, or take one of {choices}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TeacherError(f"{path}: it cannot be read as YAML: {' '.join(str(error).split())}") from error
    try:
        return _described(values, path.stem)
    except (ValueError, TypeError) as error:
        raise TeacherError(f"{path}: {error}; see cinet_core/labelling/description.py for the keys") from error


def _described(values: Any, name: str) -> TeacherDescription:
    given = _known_keys(values, TeacherDescription, "a description")
    outputs = given.pop("outputs", None)
    if not isinstance(outputs, Sequence) or isinstance(outputs, str) or not outputs:
        raise ValueError(f"outputs is {outputs!r}: a list of at least one output, each with its meaning, is needed")
    size = given.pop("size", None)
    if isinstance(size, Sequence) and not isinstance(size, str):
        size = tuple(_whole("size", side) for side in size)
        if len(size) != 2:
            raise ValueError(f"size is {list(size)}: give the shorter side, or [height, width]")
    elif size is not None:
        size = _whole("size", size)
    color = given.pop("color", "rgb")
    if color not in ("rgb", "bgr"):
        raise ValueError(f"color is {color!r}: rgb or bgr")
    mean, std = (_triple(key, given.pop(key, default)) for key, default in (("mean", (0, 0, 0)), ("std", (1, 1, 1))))
    if min(std) <= 0:
        raise ValueError(f"std is {list(std)}: all must be above 0")
    multiple = _whole("multiple", given.pop("multiple", 1))
    found = TeacherDescription(
        tuple(_output(output) for output in outputs),
        str(given.pop("name", name)), str(given.pop("model", "")), size, multiple, mean, std, color,
    )  # fmt: skip
    kinds = [output.meaning in ("metric_depth", "inverse_depth") for output in found.outputs]
    if max(kinds.count(True), kinds.count(False)) > 1:
        raise ValueError("two outputs mean the same: give one of depth, and one of labels")
    return found


def _output(values: Any) -> OutputDescription:
    given = _known_keys(values, OutputDescription, "an output")
    meaning: Any = given.get("meaning")
    if meaning not in get_args(Meaning):
        raise ValueError(f"meaning is {meaning!r}: choose one of {', '.join(get_args(Meaning))}")
    scale, focal = (_number(key, given.get(key, default)) for key, default in (("scale", 1.0), ("focal", 0.0)))
    if scale <= 0 or focal < 0:
        raise ValueError(f"scale is {scale} and focal {focal}: above 0, and 0 or above, are needed")
    classes, table = _classes(given.get("classes", ()), given.get("map"))
    of_labels = meaning in ("logits", "labels")
    if of_labels != bool(classes):
        raise ValueError(f"an output that means {meaning} {'needs' if of_labels else 'has no'} classes")
    return OutputDescription(meaning, str(given.get("name", "")), scale, focal, classes, table)


def _classes(classes: Any, own: Any) -> tuple[tuple[str, ...], dict[str, str]]:
    table: dict[str, str] = {}
    if isinstance(classes, str):
        if classes not in CLASS_TABLES:
            raise ValueError(f"classes is {classes!r}: a list of names, or one of {', '.join(CLASS_TABLES)}")
        table.update(CLASS_TABLES[classes])
        classes = tuple(table)
    if not isinstance(classes, Sequence) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"classes is {classes!r}: a list of names, or one of {', '.join(CLASS_TABLES)}")
    if own is not None and not isinstance(own, Mapping):
        raise ValueError(f"map is {own!r}: own names to names of the label set are needed")
    foreign = [name for name in own or {} if name not in classes]
    if foreign:
        raise ValueError(f"map names {foreign[0]!r}, which is none of the classes")
    return tuple(classes), {**table, **{str(name): NONE if to is None else str(to) for name, to in (own or {}).items()}}


def _known_keys(values: Any, kind: type, what: str) -> dict[str, Any]:
    known = [field.name for field in fields(kind)]
    if not isinstance(values, Mapping):
        raise ValueError(f"{values!r:.80} is not {what}: it has the keys {', '.join(known)}")
    for key in values:
        if key not in known:
            raise ValueError(f"{what} has no key {key!r}: it has {', '.join(known)}")
    return dict(values)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIDE:
        raise ValueError(f"{name} is {value!r}: a whole number from 1 to {MAX_SIDE} is needed")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}: a number is needed")
    return float(value)


def _triple(name: str, values: Any) -> tuple[float, float, float]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 3:
        raise ValueError(f"{name} is {values!r}: three numbers, one a colour, are needed")
    first, second, third = (_number(name, value) for value in values)
    return first, second, third
