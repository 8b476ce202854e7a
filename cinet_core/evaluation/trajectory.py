"""Errors of an estimated trajectory: absolute, relative, and drift. All computations are in float64.

A trajectory is (N, 4, 4): the pose of the camera in each frame, its coordinates to the world's, in metres. A pose that
is not known is NaN, in either trajectory; such a frame is left out. The estimate has a world of its own, so that it is
laid over the truth first:

- by a rigid motion, SE(3): what a robot gets that trusts the metres;
- by a similarity, Sim(3): what is left when one factor of scale is forgiven.

Definitions: Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (PAMI 1991),
for the alignment; Sturm et al., "A benchmark for the evaluation of RGB-D SLAM systems" (IROS 2012), for the errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "AbsoluteError",
    "Drift",
    "Points",
    "Poses",
    "RelativeError",
    "Similarity",
    "absolute_error",
    "align",
    "drift",
    "path_length",
    "relative_error",
    "umeyama",
]

Poses = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """``x -> scale * rotation @ x + translation``.

    Attributes:
        scale: above 0; 1 for a rigid motion.
        rotation: (3, 3), determinant 1.
        translation: (3,) metres.
    """

    scale: float
    rotation: npt.NDArray[np.float64]
    translation: npt.NDArray[np.float64]

    def apply(self, points: Points) -> Points:
        """Transform points (..., 3)."""
        return self.scale * points @ self.rotation.T + self.translation


@dataclass(frozen=True)
class AbsoluteError:
    """Distances between true and aligned estimated positions.

    Attributes:
        rmse: root of the mean square, metres.
        mean: metres.
        median: metres.
        maximum: metres.
        scale: that the estimate was multiplied by; 1 after SE(3) alignment.
        frames: that were compared.
    """

    rmse: float
    mean: float
    median: float
    maximum: float
    scale: float
    frames: int


@dataclass(frozen=True)
class RelativeError:
    """The error of the motion over some frames. It needs no alignment.

    Attributes:
        step: frames from the first pose of a pair to the second.
        translation: root of the mean square, metres.
        rotation: root of the mean square of the angle, degrees.
        pairs: that were compared; 0 makes the errors NaN.
    """

    step: int
    translation: float
    rotation: float
    pairs: int


@dataclass(frozen=True)
class Drift:
    """The error after segments of the true path of one length.

    Attributes:
        length: of a stretch, metres.
        translation: mean error of position at its end, metres per metre.
        rotation: mean error of direction at its end, degrees per metre.
        stretches: that were compared; 0 makes the errors NaN.
    """

    length: float
    translation: float
    rotation: float
    stretches: int


def umeyama(source: Points, target: Points, with_scale: bool) -> Similarity:
    """Return the similarity transform that aligns points in the least-squares sense (Umeyama 1991, eq. 40 - 43).

    Args:
        source: (N, 3).
        target: (N, 3), in the same order.
        with_scale: False keeps the scale at 1.

    Raises:
        ValueError: the shapes differ or there are fewer than three points; or a scale is asked for and the source
            points are all the same.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3:
        raise ValueError(f"points of shape {source.shape} and {target.shape}: both must be (N, 3)")
    if len(source) < 3:
        raise ValueError(f"{len(source)} points: an alignment needs at least 3")
    mean_source, mean_target = source.mean(axis=0), target.mean(axis=0)
    centred_source, centred_target = source - mean_source, target - mean_target
    u, singular, vt = np.linalg.svd(centred_target.T @ centred_source / len(source))
    # a reflection fits some sets of points better than any rotation; the least important axis is turned back
    signs = np.array([1.0, 1.0, 1.0 if np.linalg.det(u) * np.linalg.det(vt) >= 0 else -1.0])
    rotation = (u * signs) @ vt
    scale = 1.0
    if with_scale:
        variance = float((centred_source**2).sum(axis=1).mean())
        if variance == 0.0:
            raise ValueError("all source points are the same: no scale follows from them")
        scale = float((singular * signs).sum()) / variance
    return Similarity(scale, rotation, mean_target - scale * rotation @ mean_source)


def align(estimate: Poses, truth: Poses, with_scale: bool) -> Similarity:
    """Return the similarity that aligns estimated with true positions, over frames where both are known.

    Raises:
        ValueError: as `umeyama`; the trajectories are not of the same frames.
    """
    known = _known(estimate, truth)
    return umeyama(estimate[known, :3, 3], truth[known, :3, 3], with_scale)


def absolute_error(estimate: Poses, truth: Poses, with_scale: bool) -> AbsoluteError:
    """Absolute trajectory error after SE(3) alignment, or Sim(3) with a scale.

    Raises:
        ValueError: as `align`.
    """
    known = _known(estimate, truth)
    similarity = align(estimate, truth, with_scale)
    distance = np.linalg.norm(similarity.apply(estimate[known, :3, 3]) - truth[known, :3, 3], axis=1)
    return AbsoluteError(
        rmse=math.sqrt(float((distance**2).mean())),
        mean=float(distance.mean()),
        median=float(np.median(distance)),
        maximum=float(distance.max()),
        scale=similarity.scale,
        frames=int(known.sum()),
    )


def relative_error(estimate: Poses, truth: Poses, step: int) -> RelativeError:
    """Relative pose error: E = (Q_i^-1 Q_{i+step})^-1 (P_i^-1 P_{i+step}) of estimate P and truth Q, over all i.

    Raises:
        ValueError: the step is below 1; the trajectories are not of the same frames.
    """
    if step < 1:
        raise ValueError(f"step is {step}: it must be at least 1 frame")
    known = _known(estimate, truth)
    first = np.nonzero(known[:-step] & known[step:])[0] if step < len(known) else np.empty(0, dtype=np.intp)
    translation, rotation = _motion_errors(estimate, truth, first, first + step)
    return RelativeError(step, _root_mean_square(translation), _root_mean_square(rotation), len(first))


def drift(estimate: Poses, truth: Poses, length: float) -> Drift:
    """Return the drift over segments of the true path, from every frame to the first one this far along the path.

    A stretch ends in a frame, so that it is a little longer than asked for: errors are divided by its own length.

    Raises:
        ValueError: the length is not above 0; the trajectories are not of the same frames.
    """
    if not 0.0 < length < math.inf:
        raise ValueError(f"length is {length}: it must be above 0 metres")
    known = np.nonzero(_known(estimate, truth))[0]
    way = np.concatenate([[0.0], np.cumsum(_steps(truth[known]))])
    end = np.searchsorted(way, way + length)
    start = np.nonzero(end < len(way))[0]
    end = end[start]
    translation, rotation = _motion_errors(estimate, truth, known[start], known[end])
    covered = way[end] - way[start]
    count = len(start)
    if count == 0:
        return Drift(length, math.nan, math.nan, 0)
    return Drift(length, float((translation / covered).mean()), float((rotation / covered).mean()), count)


def path_length(poses: Poses) -> float:
    """Return the length in metres of the path through the frames whose pose is known."""
    return float(_steps(poses[_is_known(poses)]).sum())


def _is_known(poses: Poses) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(poses).all(axis=(1, 2)), dtype=bool)


def _known(estimate: Poses, truth: Poses) -> npt.NDArray[np.bool_]:
    """(N,) which frames have a pose in both."""
    if estimate.shape != truth.shape or estimate.shape[1:] != (4, 4):
        raise ValueError(f"trajectories of shape {estimate.shape} and {truth.shape}: both must be (N, 4, 4)")
    return _is_known(estimate) & _is_known(truth)


def _steps(poses: Poses) -> npt.NDArray[np.float64]:
    """(N - 1,) metres from each position to the next."""
    return np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)


def _motion_errors(
    estimate: Poses, truth: Poses, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Metres and degrees by which the motions between these frames differ."""
    true_motion = np.linalg.inv(truth[first]) @ truth[second]
    motion = np.linalg.inv(estimate[first]) @ estimate[second]
    error = np.linalg.inv(true_motion) @ motion
    translation = np.linalg.norm(error[:, :3, 3], axis=1)
    # atan2 of sine and cosine: arccos of the trace alone loses half of the digits near 0
    rotation = error[:, :3, :3]
    skew = rotation - rotation.transpose(0, 2, 1)
    sine = 0.5 * np.sqrt(skew[:, 2, 1] ** 2 + skew[:, 0, 2] ** 2 + skew[:, 1, 0] ** 2)
    cosine = 0.5 * (np.trace(rotation, axis1=1, axis2=2) - 1.0)
    return translation, np.degrees(np.arctan2(sine, cosine))


def _root_mean_square(values: npt.NDArray[np.float64]) -> float:
    return math.sqrt(float((values**2).mean())) if values.size else math.nan
