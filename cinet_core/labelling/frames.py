"""The recording that is labelled: how it is opened, its worlds, and what is known of a frame beside its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.data.folder_writer import frame_name
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.recording import FRAME_SECONDS, RecordedAnchors, Recording, has_poses
from cinet_core.data.registry import open_dataset, resolved_kind
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.label_sets import LabelSet
from cinet_core.labelling.settings import LabelSettings

__all__ = ["file_names", "frame_facts", "open_recording", "worlds_of"]


def open_recording(
    source: str | Path,
    kind: str,
    split: Split,
    options: Mapping[str, Any],
    label_set: LabelSet,
    settings: LabelSettings,
) -> tuple[SceneDataset, str]:
    """The recording and its kind; its labels are mapped where they are of use."""
    found = resolved_kind(source, kind)
    root = Path(source).expanduser()
    if kind == "auto" and found == "folder":
        if has_poses(root):
            found = "recording"
        elif next(root.glob("*.pose.txt"), None) is not None:
            found = "rgbd_sequence"
    needed = {"label_set": label_set} if settings.keep_labels or settings.score else {}
    return open_dataset(source, split, found, **options, **needed), found


def worlds_of(dataset: SceneDataset, chosen: Sequence[int]) -> list[list[int]]:
    """The frames by world, in their order; those of a set without poses are of one."""
    worlds: dict[str, list[int]] = {}
    for index in chosen:
        worlds.setdefault(dataset.world(index) if isinstance(dataset, PosedDataset) else "", []).append(index)
    return list(worlds.values())


def file_names(dataset: SceneDataset, chosen: Sequence[int]) -> dict[int, str]:
    """A unique file name for each frame."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for index in chosen:
        name = frame_name(dataset, index)
        if name in taken:
            name = f"{name}-{index}"
        taken.add(name)
        names[index] = name
    return names


def frame_facts(dataset: SceneDataset, index: int, place: int) -> dict[str, Any]:
    """What is known of a frame beside its image.

    Args:
        dataset: of the frame.
        index: of it.
        place: in its world, by which it has a time where the data set has none.

    Returns:
        "pose" (4, 4) or None, "clock" in seconds, "measured" or None, "keys" of its line; and what labelling fills in:
        the "anchors" that were used, and the median "scale" by them.

    Raises:
        SourceError: something of it cannot be read.
    """
    pose = dataset.pose(index) if isinstance(dataset, PosedDataset) else None
    clock = getattr(dataset, "seconds", None)
    seconds = float(clock(index)) if clock else place * FRAME_SECONDS
    measured: RecordedAnchors | None = dataset.measured(index) if isinstance(dataset, Recording) else None
    keys: dict[str, Any] = {}
    if pose is not None and isinstance(dataset, PosedDataset):
        keys = {"pose": np.round(pose, 7).tolist(), "world": dataset.world(index)}
    if clock:
        keys["seconds"] = seconds
    return {"pose": pose, "clock": seconds, "measured": measured, "keys": keys, "anchors": [], "scale": None}
