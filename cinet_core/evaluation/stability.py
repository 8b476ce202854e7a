"""Temporal stability of predicted depth: changes between consecutive frames that camera motion does not explain.

For a point that two consecutive frames t and t + 1 both see, at pixel p with true depth z in the first, the true poses
tell its pixel p' and its depth z' in the second. The unexplained change of the prediction d is::

    e = ln( (d_{t+1}(p') / d_t(p)) / (z' / z) ),

0 for a network that is right, and for one that is wrong in the same way each time: only flicker counts, in units of
relative depth (0.01 is 1 %). Where the camera hardly moves, a network that answers with one constant is steady too, so
read it beside the errors. Three metrics, each the median over the pairs of a pair's own:

- ``depth_change``: the median over the points of ``|e|``;
- ``scale_change``: ``|median of e|``, what the frame as a whole grew or shrank by;
- ``shape_change``: the median of ``|e - median of e|``, what is left without that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.evaluation.evaluation import StabilityScore
from cinet_core.geometry import Intrinsics, project, unproject

__all__ = ["PosedPrediction", "StabilityMetrics", "unexplained_change"]

VISIBLE = 0.03
"""A point is seen again where the second frame's true depth is within this part of its own: beyond, something stands
before it, or it moved. A structured-light sensor's noise is below 1 % in a room."""

STABILITY_METRICS = ("depth_change", "scale_change", "shape_change")


class PosedPrediction(NamedTuple):
    """A frame of a sequence with its pose, its ground truth and its prediction.

    Attributes:
        number: frames are consecutive where their numbers are.
        prediction: (h, w) metric depth, metres, > 0; its view is the whole image.
        truth: (H, W) metres, 0 where unknown.
        intrinsics: of the image, at the truth's size.
        pose: (4, 4), camera to world.
        world: name of the recording whose world that is.
    """

    number: int
    prediction: Tensor
    truth: Tensor
    intrinsics: Intrinsics
    pose: npt.NDArray[np.float64]
    world: str = ""


class StabilityMetrics:
    """Stability metrics of a sequence whose frames are added one after the other.

    Attributes:
        frames: that were given.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._last: PosedPrediction | None = None
        self._pairs: list[tuple[float, float, float]] = []  # in the order of STABILITY_METRICS
        self._points = 0

    def update(self, frame: PosedPrediction) -> None:
        """Add a frame. It forms a pair with the one before of the same recording if both share a point."""
        last, self._last = self._last, frame
        self.frames += 1
        if last is None or frame.number != last.number + 1 or frame.world != last.world:
            return
        change = unexplained_change(last, frame)
        if change.size:
            scale = np.median(change)
            pair = (np.median(np.abs(change)), np.abs(scale), np.median(np.abs(change - scale)))
            self._pairs.append((float(pair[0]), float(pair[1]), float(pair[2])))
            self._points += change.size

    def compute(self) -> StabilityScore | None:
        """Return the metrics, or None if no frame was given. They are NaN if no two frames were consecutive."""
        if self.frames == 0:
            return None
        medians = np.median(self._pairs, axis=0) if self._pairs else np.full(len(STABILITY_METRICS), np.nan)
        metrics = dict(zip(STABILITY_METRICS, medians.tolist(), strict=True))
        return StabilityScore(len(self._pairs), self._points, metrics)


def unexplained_change(first: PosedPrediction, second: PosedPrediction) -> npt.NDArray[np.float64]:
    """Return the change of predicted depth that camera motion does not explain.

    Every pixel of the first frame whose depth is known is one point. It counts where it falls into the second frame
    and is seen there: the truth of the nearest pixel agrees to `VISIBLE`. The predictions are read bilinearly, at the
    exact places.

    Returns:
        (P,) e of every point that both frames see, as defined above; P may be 0.
    """
    known = first.truth.numpy() > 0
    v, u = np.nonzero(known)
    points = unproject(first.truth.numpy(), first.intrinsics)[known].astype(np.float64)
    motion = np.linalg.inv(second.pose) @ first.pose
    moved = points @ motion[:3, :3].T + motion[:3, 3]
    pixels = project(moved, second.intrinsics)
    seen = _seen(pixels, moved[:, 2], second.truth.numpy())
    before = _read(first.prediction, np.stack([u, v], axis=-1)[seen], first.intrinsics)
    after = _read(second.prediction, pixels[seen], second.intrinsics)
    return np.log(after / before) - np.log(moved[seen, 2] / points[seen, 2])


def _seen(
    pixels: npt.NDArray[np.float64], depth: npt.NDArray[np.float64], truth: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Which of the points (N,), at pixels (N, 2) and with this depth, the true depth image (H, W) shows."""
    height, width = truth.shape
    # A point that is not in front has no pixel: NaN, which no comparison lets through.
    inside = ((pixels > -0.5) & (pixels < (width - 0.5, height - 0.5))).all(axis=1)
    column, row = np.rint(pixels[inside]).astype(np.int64).T
    found = truth[row, column].astype(np.float64)
    seen = np.zeros(len(pixels), dtype=bool)
    seen[inside] = (found > 0) & (np.abs(found - depth[inside]) <= VISIBLE * depth[inside])
    return seen


def _read(prediction: Tensor, pixels: npt.NDArray[np.number], intrinsics: Intrinsics) -> npt.NDArray[np.float64]:
    """(N,) values of a map (h, w) at pixels (N, 2) of the image: what resizing it bilinearly puts there."""
    size = np.array([intrinsics.width, intrinsics.height])
    places = torch.from_numpy((2.0 * pixels + 1.0) / size - 1.0)[None, None]
    values = prediction.detach().cpu().double()[None, None]
    return F.grid_sample(values, places, mode="bilinear", padding_mode="border", align_corners=False).numpy().ravel()
