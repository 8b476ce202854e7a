"""What the data sets of scanned rooms have in common: many scans of many places, split by place or as published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cinet_core.data.frame_files import SourceError
from cinet_core.data.scene_dataset import Split, choose_members, held_out

__all__ = ["OfficialPart", "existing_folder", "scan_members"]

OfficialPart = Literal["train", "validation", "test"]


def existing_folder(root: Path | str, remedy: str) -> Path:
    """The root of a data set. Raises SourceError where there is no such folder."""
    path = Path(root).expanduser()
    if not path.is_dir():
        raise SourceError(path, "there is no such folder", remedy)
    return path


def scan_members(
    split: Split,
    places: Sequence[str],
    official: Sequence[OfficialPart | None],
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> list[int]:
    """Numbers of the frames of a split.

    Args:
        split: which.
        places: of each frame: all frames of a place are on one side.
        official: the published part of each frame; None where none is published for it, which leaves it out of all but
            "all". Where it is None for all frames the places are divided by the fractions.
        validation_fraction: part of the training frames that becomes "validation" where no part "validation" is
            published.
        test_fraction: part of all frames that becomes "test" where no part is published at all. With one place only,
            "test" and "all" are that place, and there is nothing to train on.
        seed: of the validation split.

    Raises:
        ValueError: as `choose_members`.
    """
    if not any(official):
        single = len(set(places)) == 1 and split in ("test", "all")
        if single:
            return list(range(len(places)))
        chosen = set() if split == "all" else held_out(places, test_fraction, "test")
        test = {frame for frame, place in enumerate(places) if place in chosen}
        return choose_members(split, places, test, validation_fraction, seed)
    if split == "all":
        return list(range(len(places)))
    published = {part: [frame for frame, own in enumerate(official) if own == part] for part in set(official) if part}
    if "validation" in published or split == "test":
        wanted: tuple[OfficialPart, ...] = ("train", "validation") if split == "trainval" else (split,)
        frames = sorted(frame for part in wanted for frame in published.get(part, []))
        if not frames:
            raise ValueError(f"split {split!r} is empty: the published lists name no frame of it that is here")
        return frames
    training = published.get("train", [])
    if not training:
        raise ValueError(f"split {split!r} is empty: the published lists name no frame of it that is here")
    inner = choose_members(split, [places[frame] for frame in training], set(), validation_fraction, seed)
    return [training[frame] for frame in inner]
