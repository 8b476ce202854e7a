"""Which classes of a label set are floor, ceiling, dynamic, glass, or objects: names made into tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LABEL_SETS, LabelSet
from cinet_core.obstacles.settings import ObstacleSettings

__all__ = ["ClassGroups", "named_classes"]


@dataclass(frozen=True, eq=False)
class ClassGroups:
    """Tables of (256,) bool with which ``table[labels]`` tells whether a pixel belongs to a group.

    Attributes:
        floor: can be driven on.
        ceiling: is no obstacle high up.
        dynamic: moves by itself.
        glass: has no depth of its own.
        objects: is reported as an instance.
    """

    floor: npt.NDArray[np.bool_]
    ceiling: npt.NDArray[np.bool_]
    dynamic: npt.NDArray[np.bool_]
    glass: npt.NDArray[np.bool_]
    objects: npt.NDArray[np.bool_]

    @staticmethod
    def pick(table: npt.NDArray[np.bool_], labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Return ``table[labels]``, (h, w) bool; by OpenCV, which takes a fifth of the time."""
        return cv2.LUT(labels, table.view(np.uint8)).view(np.bool_)

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, label_set: LabelSet, settings: ObstacleSettings) -> ClassGroups:
        """The tables of the classes that the settings name; made once for each pair of the two.

        Raises:
            ValueError: a name is neither a class nor a group, of this label set or of another.
        """
        return cls(
            floor=named_classes(label_set, settings.floor_classes),
            ceiling=named_classes(label_set, settings.ceiling_classes),
            dynamic=named_classes(label_set, settings.dynamic_classes),
            glass=named_classes(label_set, settings.glass_classes),
            objects=named_classes(label_set, settings.object_classes),
        )


def named_classes(label_set: LabelSet, names: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Return a (256,) table of whether a label is one of these classes, or is in one of these groups.

    A group is one of the grouping "structure" (floor, wall, ceiling, opening, furniture, object, person). A name that
    only another of the built-in label sets has is passed over, so that settings outlive a change of weights: NYU13,
    for example, has no mirror. An empty name is none.

    >>> from cinet_core.label_sets import NYU13
    >>> [NYU13.classes[label] for label in np.flatnonzero(named_classes(NYU13, ["window", "mirror", "floor"]))]
    ['floor', 'window']

    Raises:
        ValueError: no label set has a class or a group of this name; the message names what there is.
    """
    table = np.zeros(256, dtype=np.bool_)
    grouping = label_set.groupings.get("structure")
    for name in filter(None, names):
        if grouping is not None and name in grouping.names:
            members = np.flatnonzero(np.array(grouping.members) == grouping.names.index(name))
            table[members] = True
        elif _has(label_set, name):
            table[label_set.ids([name])] = True
        elif not any(_has(other, name) or _has_group(other, name) for other in LABEL_SETS.values()):
            groups = ", ".join(grouping.names) if grouping is not None else "none"
            raise ValueError(
                f"{name!r} is neither a class of label set {label_set.name!r} ({', '.join(label_set.classes)}) nor one "
                f"of its groups ({groups}): name one of these"
            )
    table.setflags(write=False)  # cached and shared
    return table


def _has(label_set: LabelSet, name: str) -> bool:
    try:
        label_set.ids([name])
    except ValueError:
        return False
    return True


def _has_group(label_set: LabelSet, name: str) -> bool:
    return "structure" in label_set.groupings and name in label_set.groupings["structure"].names
