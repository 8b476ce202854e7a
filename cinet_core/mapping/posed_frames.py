"""Frames with poses for mapping: a recorded sequence, or the synthetic room, which also has exact labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cinet_core.data.frame_files import SourceError
from cinet_core.data.frame_sources import SYNTHETIC
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.registry import open_posed_dataset
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, LabelSet

__all__ = ["PosedFrame", "PosedFrames", "open_posed_frames"]

SYNTHETIC_FRAMES = 48


@dataclass(frozen=True, eq=False)
class PosedFrame:
    """An image with the pose of its camera and optional depth and labels.

    Attributes:
        name: unique in its source.
        image: (H, W, 3) uint8 RGB.
        intrinsics: of the image.
        pose: (4, 4) float64, the optical frame's coordinates to the map's.
        depth: (H, W) float32 metres of the sensor, 0 where unknown; None where there is none.
        labels: (H, W) uint8 true class ids, 255 = none; None where there are none.
    """

    name: str
    image: npt.NDArray[np.uint8]
    intrinsics: Intrinsics
    pose: npt.NDArray[np.float64]
    depth: npt.NDArray[np.float32] | None
    labels: npt.NDArray[np.uint8] | None


class PosedFrames(Protocol):
    """A sequence of frames with poses.

    Attributes:
        name: of the source.
        label_set: of the true labels.
    """

    name: str
    label_set: LabelSet

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int) -> PosedFrame | None:
        """One of them; None where its pose is not known.

        Raises:
            SourceError: it cannot be read.
        """


def open_posed_frames(source: str, options: Mapping[str, Any], kind: str = "auto") -> PosedFrames:
    """Open the frames of one recording with poses, or those of "synthetic".

    Args:
        source: a folder, see `open_posed_dataset`; or "synthetic".
        options: of the data set's class, for example color_focal; of the synthetic room seed, width and height.
        kind: of data set: "rgbd_sequence" (7-Scenes and 3DMatch), "tum_rgbd", "scannet", "hypersim" or "arkit_scenes";
            "auto" goes by what lies there.

    Raises:
        SourceError: the folder is no such recording, or holds several.
        ValueError: the kind has no poses, or an option does not exist or has a wrong value.
    """
    if source == SYNTHETIC and kind == "auto":
        return _SyntheticFrames(options)
    return _RecordedFrames(open_posed_dataset(source, kind, options))


class _RecordedFrames:
    """A recorded sequence."""

    def __init__(self, dataset: PosedDataset) -> None:
        self.name, self.label_set = dataset.meta.name, dataset.label_set
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> PosedFrame | None:
        pose = self._dataset.pose(index)
        if pose is None:
            return None
        sample = self._dataset[index]
        if sample.intrinsics is None:
            raise SourceError(sample.name, "its camera is not known", "give a recording with intrinsics")
        image = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
        depth = sample.depth.numpy() if sample.has_depth else None
        labels = sample.labels.numpy() if sample.has_labels else None
        return PosedFrame(sample.name, image, sample.intrinsics, pose, depth, labels)


class _SyntheticFrames:
    """One round through the synthetic room."""

    name = SYNTHETIC
    label_set = NYU40

    def __init__(self, options: Mapping[str, Any]) -> None:
        from cinet_core.rooms.demo.room import SyntheticRoom  # not for who reads a sequence

        unknown = set(options) - {"seed", "width", "height"}
        if unknown:
            raise ValueError(f"the synthetic room has no option {min(unknown)!r}: it has seed, width, height")
        self._room = SyntheticRoom(**options)

    def __len__(self) -> int:
        return SYNTHETIC_FRAMES

    def __getitem__(self, index: int) -> PosedFrame | None:
        frame = self._room.render(index, SYNTHETIC_FRAMES)
        camera = self._room.intrinsics
        return PosedFrame(f"frame-{index:06d}", frame.image, camera, frame.camera_to_world, frame.depth, frame.labels)
