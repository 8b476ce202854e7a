"""Frames with depth of a data set, each with what a predictor says of it: what studies of predicted depth go over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.data.check import spread
from cinet_core.data.frame_files import SourceError
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.evaluation.evaluation import BrokenFrame
from cinet_core.geometry import Intrinsics
from cinet_core.inference.predictor import Predictor
from cinet_core.progress import SILENT, Progress

__all__ = ["UNLIMITED", "FramesWithDepth", "PredictedFrame", "camera_of", "image_of", "predicted_depths"]

UNLIMITED = (1e-4, 1e4)
"""Depth range of the predictor, metres: a prediction is to be scored as it is, not masked where it looks wrong."""


@dataclass(frozen=True, eq=False)
class PredictedFrame:
    """A frame with the depth that was predicted for it.

    Attributes:
        number: of the frame in its data set; frames are consecutive where their numbers are.
        sample: the frame, with depth.
        prediction: (H, W) float32 metres at the image's size, as a node publishes it.
        camera: of the frame; where it is unknown, the canonical one.
    """

    number: int
    sample: Sample
    prediction: npt.NDArray[np.float32]
    camera: Intrinsics


class FramesWithDepth:
    """The frames of a data set that have depth and can be read, evenly spread over it.

    Iterating over it again reads them again.

    Args:
        dataset: whose frames they are.
        limit: at most this many; None = all.
        consecutive: take the first frames in place of evenly spread ones, so that a limit leaves a sequence.
        progress: is told of frames that cannot be read.
        chosen: numbers of the frames to take, in place of all that.

    Attributes:
        without_depth: how many of the latest iteration's frames had no depth.
        broken: what could not be read in the latest iteration.
    """

    def __init__(
        self,
        dataset: SceneDataset,
        limit: int | None = None,
        consecutive: bool = False,
        progress: Progress = SILENT,
        chosen: Sequence[int] | None = None,
    ) -> None:
        self._dataset, self._progress = dataset, progress
        count = len(dataset)
        if chosen is None:
            chosen = range(min(count, limit or count)) if consecutive else spread(count, limit)
        self._chosen = list(chosen)
        self.without_depth = 0
        self.broken: list[BrokenFrame] = []

    def __len__(self) -> int:
        """Number of frames that are read."""
        return len(self._chosen)

    def __iter__(self) -> Iterator[tuple[int, Sample]]:
        """Number and sample of each frame with depth."""
        self.without_depth, self.broken = 0, []
        for number in self._chosen:
            try:
                sample = self._dataset[number]
            except SourceError as error:
                self.broken.append(BrokenFrame(self._dataset.name(number), str(error)))
                self._progress.broken(str(error))
                continue
            if not sample.has_depth or not bool((sample.depth > 0).any()):
                self.without_depth += 1
                continue
            yield number, sample


def image_of(sample: Sample) -> npt.NDArray[np.uint8]:
    """The image (H, W, 3) uint8 RGB of a sample."""
    return np.ascontiguousarray(sample.image.numpy().transpose(1, 2, 0))


def camera_of(sample: Sample, predictor: Predictor) -> Intrinsics:
    """The camera of a sample; where it is unknown, the one whose f_net is the canonical focal length."""
    if sample.intrinsics is not None:
        return sample.intrinsics
    width, height = sample.size
    net_height, net_width = predictor.network_size(height, width)
    focal = predictor.metadata.camera.canonical_focal
    net = Intrinsics(focal, focal, (net_width - 1) / 2, (net_height - 1) / 2, net_width, net_height)
    return net.resized(width, height)


def predicted_depths(
    predictor: Predictor,
    images: Sequence[npt.NDArray[np.uint8]],
    camera: Intrinsics | None,
) -> list[npt.NDArray[np.float32]]:
    """The depth (H, W), metres, predicted for images of one size and one camera, one by one.

    One by one, since a batch takes no less time on a CPU and the answer of a GPU may depend on its size.

    Raises:
        ValueError: as `Predictor.predict`; or a depth is not finite and above 0 everywhere.
    """
    depths = []
    for image in images:
        depth = predictor.predict(image, camera).depth
        if not bool((torch.from_numpy(depth) > 0).all()) or not np.isfinite(depth).all():
            raise ValueError("predicted depth is not finite and above 0 everywhere: the weights are broken")
        depths.append(depth)
    return depths
