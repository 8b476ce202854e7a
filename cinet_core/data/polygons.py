"""Labels drawn by hand: polygons of named classes on photographs, in one small JSON file.

The file is an object with ``label_set`` (its name), ``image_size`` ([width, height]), ``source`` (a sentence on who
drew it and how) and ``frames``: for each frame's name a list of ``{"label": class, "polygon": [[x, y], ...]}``, from
back to front: a later polygon covers earlier ones. Coordinates are pixels of the image, whole numbers at pixel centres;
x = width and y = height are allowed and mean the image's edge. Where there is no polygon there is no label.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_files import SourceError
from cinet_core.label_sets import UNLABELLED, LabelSet, get_label_set

__all__ = ["Polygon", "PolygonLabels", "rasterise", "read_polygons"]

MIN_POINTS = 3
_SUBPIXEL_BITS = 4  # cv2.fillPoly takes fixed-point corners: a sixteenth of a pixel
_FORMAT = "give an object with label_set, image_size [width, height], source and frames"
_SHAPE_FORMAT = 'a frame is a list of {"label": class name, "polygon": [[x, y], ...]}'


@dataclass(frozen=True)
class Polygon:
    """One outline.

    Attributes:
        label: class id.
        points: (N, 2) float64 x, y in pixels, N >= 3; the last point joins the first.
    """

    label: int
    points: npt.NDArray[np.float64]


@dataclass(frozen=True)
class PolygonLabels:
    """The polygons of some frames, all of one image size.

    Attributes:
        label_set: label set of the class ids.
        image_size: width, height of the photographs.
        source: who drew the polygons, and how.
        polygons: by frame name, from back to front.
    """

    label_set: LabelSet
    image_size: tuple[int, int]
    source: str
    polygons: Mapping[str, tuple[Polygon, ...]]

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of the frames that have polygons, in the file's order."""
        return tuple(self.polygons)

    def labels(self, name: str) -> npt.NDArray[np.uint8] | None:
        """(H, W) class ids of a frame, 255 where nothing was drawn; None for a frame without polygons."""
        if name not in self.polygons:
            return None
        return rasterise(self.polygons[name], self.image_size)


def rasterise(polygons: Iterable[Polygon], image_size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Polygons as an (H, W) image of class ids, 255 where there is none; later ones cover earlier ones.

    The outline's own pixels belong to the polygon. image_size is width, height.
    """
    width, height = image_size
    labels = np.full((height, width), UNLABELLED, dtype=np.uint8)
    for polygon in polygons:
        corners = np.rint(polygon.points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(labels, [corners], int(polygon.label), shift=_SUBPIXEL_BITS)
    return labels


def read_polygons(path: Path) -> PolygonLabels:
    """The polygons of a file.

    Raises:
        SourceError: the file is missing or damaged, names an unknown label set or class, or has a polygon with fewer
            than 3 points or with a point outside the image.
    """
    content = _read_object(path)
    try:
        label_set = get_label_set(str(content["label_set"]))
        width, height = content["image_size"]
        size = (int(width), int(height))
        source = str(content["source"])
        frames = dict(content["frames"])
    except KeyError as error:
        raise SourceError(path, f"it has no {error}", _FORMAT) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise SourceError(path, str(error), _FORMAT) from error
    if min(size) < 1 or [width, height] != list(size):
        raise SourceError(path, f"image_size is {[width, height]}", "give the width and height in pixels")
    polygons = {}
    for name, shapes in frames.items():
        if not isinstance(shapes, list) or not shapes:
            raise SourceError(
                path, f"frame {name!r} has no polygons", _SHAPE_FORMAT + "; leave out a frame without any"
            )
        polygons[name] = tuple(
            _polygon(shape, label_set, size, path, f"frame {name!r}, polygon {number}")
            for number, shape in enumerate(shapes, start=1)
        )
    return PolygonLabels(label_set, size, source, polygons)


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON object in which no name appears twice: of two frames called the same, one would be lost unseen."""
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except OSError as error:
        raise SourceError(path, f"cannot be read ({error.strerror})", "give a file of polygons") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"it is no sound JSON ({error})", "correct or restore the file") from error
    if not isinstance(content, dict):
        raise SourceError(path, f"it holds a {type(content).__name__}", _FORMAT)
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"the name {name!r} appears twice in one object")
        values[name] = value
    return values


def _polygon(shape: Any, label_set: LabelSet, size: tuple[int, int], path: Path, where: str) -> Polygon:
    """One polygon of the file, checked; where names it in messages."""
    try:
        name, rows = str(shape["label"]), shape["polygon"]
        points = np.array([[float(x), float(y)] for x, y in rows], dtype=np.float64).reshape(-1, 2)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SourceError(path, f"{where}: {error!r}", _SHAPE_FORMAT) from error
    if len(points) < MIN_POINTS:
        raise SourceError(path, f"{where} ({name}) has {len(points)} points", f"give at least {MIN_POINTS}")
    # Written so that NaN, which Python's JSON lets through, is refused as well.
    outside = ~((points >= 0) & (points <= size)).all(axis=1)
    if outside.any():
        x, y = points[outside][0]
        limits = f"x must be 0 to {size[0]}, y 0 to {size[1]}"
        raise SourceError(path, f"{where} ({name}) has the point ({x:g}, {y:g}) outside the image", limits)
    try:
        return Polygon(label_set.ids([name])[0], points)
    except ValueError as error:
        raise SourceError(path, f"{where}: {error}", "correct the name") from error
