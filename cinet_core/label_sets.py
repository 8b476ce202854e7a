"""The label sets: class names, ids, colours and groupings.

Ids are 0-based everywhere (NYU40: wall = 0 ... otherprop = 39) and 255 means "no label". Colours are the
PASCAL-VOC bit-shift palette, whose entry 0 (black) is the void colour, so that class i has entry i + 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core import label_tables as tables

__all__ = [
    "LABEL_SETS",
    "NYU13",
    "NYU40",
    "SUN37",
    "UNLABELLED",
    "WHITE",
    "Grouping",
    "LabelSet",
    "get_label_set",
    "voc_palette",
]

UNLABELLED = 255
"""Label value of a pixel without a class, in every label set and every label image."""

WHITE = (255, 255, 255)


def voc_palette(entries: int = 256) -> npt.NDArray[np.uint8]:
    """Return the (entries, 3) RGB colours of the PASCAL VOC devkit: the bits of an index, spread over the channels.

    >>> voc_palette(3).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    index = np.arange(entries)
    palette = np.zeros((entries, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette


@dataclass(frozen=True)
class Grouping:
    """A coarser view of a label set.

    Attributes:
        name: for example "structure".
        names: name of each group; the position is the group's id.
        members: for each class id of the label set, its group's id.
        unknown: id of the group that stands for "no label" and is drawn white, as Kimera has it; None where
            that is left to 255 and black, as it is for classes.
    """

    name: str
    names: tuple[str, ...]
    members: tuple[int, ...]
    unknown: int | None = None

    def __post_init__(self) -> None:
        """Refuse groups that 8 bits cannot number, and ids of no group."""
        if not 1 <= len(self.names) <= UNLABELLED:
            raise ValueError(f"grouping {self.name!r} has {len(self.names)} groups: 1 to {UNLABELLED} fit in 8 bits")
        if self.unknown is not None and not 0 <= self.unknown < len(self.names):
            raise ValueError(f"grouping {self.name!r} has no group {self.unknown}, its unknown one: give a group's id")
        wrong = [group for group in self.members if not 0 <= group < len(self.names)]
        if wrong:
            raise ValueError(f"grouping {self.name!r} has group ids {wrong} but only {len(self.names)} groups")

    @cached_property
    def colors(self) -> npt.NDArray[np.uint8]:
        """The (G, 3) uint8 RGB colours of the groups."""
        colors = voc_palette(len(self.names) + 1)[1:]
        if self.unknown is not None:
            colors[self.unknown] = WHITE
        return _frozen(colors)

    @cached_property
    def lookup(self) -> npt.NDArray[np.uint8]:
        """The (256,) table with which ``lookup[labels]`` maps class ids to group ids, and the rest to "no label"."""
        table = np.full(256, UNLABELLED if self.unknown is None else self.unknown, dtype=np.uint8)
        table[: len(self.members)] = self.members
        return _frozen(table)


@dataclass(frozen=True)
class LabelSet:
    """The classes that a network predicts.

    >>> nyu40 = get_label_set("nyu40")
    >>> len(nyu40.classes), nyu40.classes[0], nyu40.ids(["wall", "Floor"])
    (40, 'wall', [0, 1])
    >>> nyu40.palette[[0, 255]].tolist()
    [[128, 0, 0], [0, 0, 0]]

    Attributes:
        name: for example "nyu40".
        classes: name of each class; the position is the class id.
        groupings: coarser views, by name.
    """

    name: str
    classes: tuple[str, ...]
    groupings: Mapping[str, Grouping] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse classes that 8 bits cannot number, names that are not unique, groupings of another set."""
        if not 1 <= len(self.classes) <= UNLABELLED:
            raise ValueError(
                f"label set {self.name!r} has {len(self.classes)} classes: 1 to {UNLABELLED} fit in 8 bits"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"label set {self.name!r} names a class twice")
        for grouping in self.groupings.values():
            if len(grouping.members) != len(self.classes):
                raise ValueError(
                    f"grouping {grouping.name!r} assigns {len(grouping.members)} classes, "
                    f"{self.name!r} has {len(self.classes)}"
                )

    @cached_property
    def colors(self) -> npt.NDArray[np.uint8]:
        """The (C, 3) uint8 RGB colours of the classes."""
        return _frozen(voc_palette(len(self.classes) + 1)[1:])

    @cached_property
    def palette(self) -> npt.NDArray[np.uint8]:
        """The (256, 3) RGB table with which ``palette[labels]`` colours a label image. Other values are black."""
        palette = np.zeros((256, 3), dtype=np.uint8)
        palette[: len(self.classes)] = self.colors
        return _frozen(palette)

    @cached_property
    def _by_name(self) -> dict[str, int]:
        """Class ids by names as they are compared."""
        return {_plain(name): index for index, name in enumerate(self.classes)}

    def ids(self, names: Iterable[str]) -> list[int]:
        """Return the class ids of class names, in the same order. Case is ignored, and "_" stands for a space.

        Raises:
            ValueError: a name is not a class; the message names the nearest ones, and all.
        """
        by_name = self._by_name
        found = []
        for name in names:
            key = _plain(name)
            if key not in by_name:
                close = difflib.get_close_matches(key, by_name, n=3, cutoff=0.5)
                hint = f"did you mean {' or '.join(map(repr, close))}? It has" if close else "it has"
                raise ValueError(f"label set {self.name!r} has no class {name!r}: {hint} {', '.join(self.classes)}")
            found.append(by_name[key])
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and strings for the metadata of a checkpoint."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "groupings": {
                key: {"names": list(group.names), "members": list(group.members), "unknown": group.unknown}
                for key, group in self.groupings.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LabelSet:
        """Create the object from what `to_dict` returned.

        Raises:
            ValueError: a key is missing, or a value has the wrong type or is out of range.
        """
        try:
            groupings = {
                str(key): Grouping(
                    name=str(key),
                    names=tuple(str(name) for name in group["names"]),
                    members=tuple(int(member) for member in group["members"]),
                    unknown=None if group.get("unknown") is None else int(group["unknown"]),
                )
                for key, group in values.get("groupings", {}).items()
            }
            return cls(str(values["name"]), tuple(str(name) for name in values["classes"]), groupings)
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a label set: {type(error).__name__} {error}") from error


def get_label_set(name: str) -> LabelSet:
    """The label set of this name, one of `LABEL_SETS`.

    >>> get_label_set("nyu13").name
    'nyu13'

    Raises:
        ValueError: there is no such label set.
    """
    try:
        return LABEL_SETS[name]
    except KeyError:
        raise ValueError(f"no label set is called {name!r}: choose one of {', '.join(LABEL_SETS)}") from None


def _plain(name: str) -> str:
    """A class name as it is compared: without case, and with blanks for underscores."""
    return name.casefold().replace("_", " ").strip()


def _frozen(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    array.setflags(write=False)  # cached and shared by all callers
    return array


def _grouping(name: str, classes: tuple[str, ...], groups: Mapping[str, str], unknown: int | None = None) -> Grouping:
    """A grouping from ``group: its classes, by commas``; classes not in this label set are passed over."""
    group_of = {member.strip(): index for index, members in enumerate(groups.values()) for member in members.split(",")}
    missing_requirement = [label for label in classes if label not in group_of]
    if missing_requirement:
        raise ValueError(f"grouping {name!r} has no group for {', '.join(missing_requirement)}: add them to its table")
    return Grouping(name, tuple(groups), tuple(group_of[label] for label in classes), unknown)


def _label_set(name: str, classes: tuple[str, ...], **groups: Mapping[str, str]) -> LabelSet:
    unknown = {"kimera20": 0}
    return LabelSet(
        name,
        classes,
        {key: _grouping(key, classes, value, unknown.get(key)) for key, value in groups.items()},
    )


NYU40 = _label_set(
    "nyu40",
    tables.NYU40_CLASSES,
    nyu13=tables.NYU13_GROUPS,
    structure=tables.STRUCTURE_GROUPS,
    kimera20=tables.KIMERA20_GROUPS,
)
SUN37 = _label_set(
    "sun37",
    tables.SUN37_CLASSES,
    nyu13=tables.NYU13_GROUPS,
    structure=tables.STRUCTURE_GROUPS,
    kimera20=tables.KIMERA20_GROUPS,
)
NYU13 = _label_set("nyu13", tables.NYU13_CLASSES, structure=tables.STRUCTURE_GROUPS)
LABEL_SETS: Mapping[str, LabelSet] = {label_set.name: label_set for label_set in (NYU40, NYU13, SUN37)}
"""Every label set that is built in, by name."""
