"""Where the cameras of a data set's frames stood, and when: what a robot's odometry is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cinet_core.data.folder import FolderDataset
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.scene_dataset import SceneDataset

__all__ = ["AnchorViews"]

FRAME_SECONDS = 1 / 30
"""Between frames of a data set without times."""

OPENGL_AXES = np.diag([1.0, -1.0, -1.0, 1.0])
"""The optical frame (y down, z forward) in a rendered frame's camera (y up, z backward)."""


class AnchorViews:
    """Poses, stamps and worlds of the first frames of a data set.

    Args:
        dataset: with poses, or of frames that `cinet data render` made, each of which is in a world of its own.
        limit: take only the first so many frames; None = all.
        every: of these each so-manieth is chosen.

    Attributes:
        places: of the chosen frames.
        poses: (N, 4, 4) of all of the first frames: the optical frame's coordinates to the world's, metres; NaN where
            they are not known.
        seconds: (N,) stamps.
        worlds: (N,) names of the worlds that poses are in: nothing is carried from one to another.

    Raises:
        ValueError: no frame has a pose, or every is below 1.
        SourceError: a pose cannot be read.
    """

    def __init__(self, dataset: SceneDataset, limit: int | None = None, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"every is {every}: 1 takes every frame, 10 each tenth")
        count = min(len(dataset), limit or len(dataset))
        self.places: Sequence[int] = range(0, count, every)
        found = [_pose(dataset, place) for place in range(count)]
        if all(pose is None for pose in found):
            raise ValueError(
                f"{dataset.meta.name} has no poses: give a sequence of the kind rgbd_sequence or tum_rgbd, or frames "
                "of `cinet data render`"
            )
        unknown = np.full((4, 4), np.nan)
        self.poses: npt.NDArray[np.float64] = np.stack([unknown if pose is None else pose for pose in found])
        clock = getattr(dataset, "seconds", None)
        self.seconds = np.array([float(clock(place)) if clock else place * FRAME_SECONDS for place in range(count)])
        posed = dataset if isinstance(dataset, PosedDataset) else None
        self.worlds = [dataset.name(place) if posed is None else posed.world(place) for place in range(count)]

    def below(self, height: float) -> list[int]:
        """The chosen frames whose cameras are lower than a height, metres in the world, whose z axis points up."""
        return [place for place in self.places if self.poses[place, 2, 3] < height]

    def before(self, seconds: float) -> int:
        """How many frames are in the first seconds; none of them where frames stand for themselves."""
        if len(set(self.worlds)) > 1:
            return 0
        return int((self.seconds - self.seconds[0] < seconds).sum())


def _pose(dataset: SceneDataset, place: int) -> npt.NDArray[np.float64] | None:
    if isinstance(dataset, PosedDataset):
        return dataset.pose(place)
    line = dataset.frame(place).line if isinstance(dataset, FolderDataset) else None
    written = (line or {}).get("camera_to_world")
    if written is None:
        return None
    pose = np.asarray(written, dtype=np.float64)
    return pose @ OPENGL_AXES if pose.shape == (4, 4) and np.isfinite(pose).all() else None
