"""A recording in a folder of frames: beside colour, depth and labels what the robot knew of each frame.

A line of ``frames.jsonl`` may have, beside what folder.py reads:

===========  =====================================================================================================
``pose``     4 x 4 numbers in rows: the optical frame's coordinates (x right, y down, z forward) to the world's, metres
``seconds``  the stamp of the image
``world``    name of the world that the pose is in; without it, it is the frame's room
===========  =====================================================================================================

and ``NAME_anchors.npz`` beside the image, of what it holds each for itself: ``scan`` (N, 3), points of a laser scan,
and ``points`` (N, 3), sparse depth, both in the optical frame, metres; ``up`` (3,), the up direction there, with
``height``, metres of the camera above the floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cinet_core.data.folder import ROOM_PATTERN, FolderDataset
from cinet_core.data.frame_files import ANCHORS_SUFFIX, SourceError
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.recorded_anchors import RecordedAnchors, encode_anchors, read_anchors
from cinet_core.data.scene_dataset import Split
from cinet_core.geometry import rigidity_error
from cinet_core.label_sets import LabelSet

__all__ = ["ANCHORS_SUFFIX", "FRAME_SECONDS", "RecordedAnchors", "Recording", "encode_anchors", "has_poses"]

FRAME_SECONDS = 1 / 30
"""Between two frames of a recording that says nothing of times."""

MAX_RIGID_ERROR = 1e-3


class Recording(FolderDataset, PosedDataset):
    """A folder of frames with poses, stamps and what else the robot knew; arguments and errors as `FolderDataset`."""

    def __init__(
        self,
        root: Path | str,
        split: Split = "all",
        *,
        source_label_set: LabelSet | None = None,
        label_set: LabelSet | None = None,
        first_class: Literal[0, 1] = 1,
        room_pattern: str = ROOM_PATTERN,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
        trust: bool = True,
    ) -> None:
        super().__init__(
            root,
            split,
            source_label_set=source_label_set,
            label_set=label_set,
            first_class=first_class,
            room_pattern=room_pattern,
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            seed=seed,
            trust=trust,
        )

    def pose(self, index: int) -> npt.NDArray[np.float64] | None:
        """Where the camera of a sample stood: (4, 4), its optical frame's coordinates to the world's, metres.

        Raises:
            SourceError: the line has a pose that is no rigid motion.
        """
        value = self._line(index, "pose")
        if value is None:
            return None
        try:
            pose = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise self._fault(index, f"its pose is no matrix: {error}") from error
        if pose.shape != (4, 4):
            raise self._fault(index, f"its pose has shape {pose.shape}")
        if not np.isfinite(pose).all():
            return None
        fault = rigidity_error(pose, MAX_RIGID_ERROR)
        if fault is not None:
            raise self._fault(index, f"its pose is {fault}")
        return pose

    def world(self, index: int) -> str:
        """Name of the world that a pose is in."""
        return str(self._line(index, "world") or self.room(index))

    def seconds(self, index: int) -> float:
        """Stamp of a sample; where the folder has none, frames follow one another as those of a camera do.

        Raises:
            SourceError: the line has a stamp that is no finite number.
        """
        value = self._line(index, "seconds")
        if value is None:
            return index * FRAME_SECONDS
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise self._fault(index, f"its seconds are {value!r}")
        return float(value)

    def measured(self, index: int) -> RecordedAnchors | None:
        """What the robot measured at a sample beside its pose; None where there is no such file.

        Raises:
            SourceError: the file is damaged, or holds something else.
        """
        image = self.frame(index).image
        path = image.with_name(image.stem + ANCHORS_SUFFIX)
        return read_anchors(path) if path.is_file() else None

    def problems(self, index: int) -> list[SourceError]:
        """As for any data set, and what is wrong with pose, stamp and anchors."""
        found = super().problems(index)
        reads: tuple[Callable[[int], Any], ...] = (self.pose, self.seconds, self.measured)
        for read in reads:
            try:
                read(index)
            except SourceError as error:
                found.append(error)
        return found

    def _line(self, index: int, key: str) -> Any:
        return (self.frame(index).line or {}).get(key)

    def _fault(self, index: int, reason: str) -> SourceError:
        path = self.frame(index).image.with_name("frames.jsonl")
        remedy = "a pose is a 4x4 rigid motion, seconds are a number; correct the line, or remove the key"
        return SourceError(path, f"frame {self.name(index)!r}: {reason}", remedy)


def has_poses(root: Path) -> bool:
    """Whether a folder is a recording whose first frames have poses."""
    path = root / "frames.jsonl"
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return any(b'"pose"' in file.readline(1 << 16) for _ in range(100))
