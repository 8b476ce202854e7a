"""Agreement of several views: what the depth of a frame, carried into its neighbours by the poses, finds there.

A pixel with depth d is a point of the world; another view sees it at p', and should see it at depth z'. That view's own
depth D(p') says (see `cinet_core.temporal.carrying`):

- ``ln D - ln z'`` is near 0: it sees the same surface, and agrees;
- D is farther: it looks through the point, and contradicts;
- D is nearer: something stands before the point. If the first frame has that thing too, at the place and depth where
  the other view puts it, the point is hidden there and nothing is said; else it contradicts.

Labels are compared where both see the same surface, by more than depth's own tolerance: there a label holds that has
most of the other views' confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, project
from cinet_core.label_sets import UNLABELLED
from cinet_core.labelling.settings import AgreementSettings
from cinet_core.temporal.carrying import carry

__all__ = ["Agreement", "View", "agree", "chosen_views"]

Float = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class View:
    """A frame to compare: arrays (H, W).

    Attributes:
        depth: float32 metres; NaN where unknown.
        labels: uint8 class ids, 255 = none.
        confidence: float32, 0 to 1.
        camera: of the arrays.
        pose: (4, 4), camera to world.
    """

    depth: Float
    labels: Bytes
    confidence: Float
    camera: Intrinsics
    pose: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """What other views say of a frame; arrays (H, W).

    Attributes:
        views: how many were compared.
        depth_checked: uint8, how many of them see the point, or see through it.
        depth_share: float32, part of these that agree with its depth; 0 where there are none.
        labels_checked: uint8, how many see the same surface and have a label.
        labels_share: float32, part of their confidence that is for its label; 0 where there are none.
    """

    views: int
    depth_checked: Bytes
    depth_share: Float
    labels_checked: Bytes
    labels_share: Float


def chosen_views(
    number: int, poses: Sequence[npt.NDArray[np.float64] | None], settings: AgreementSettings
) -> list[int]:
    """Numbers of the frames to compare one with, the nearest first.

    They lie before and after it by turns, each so far on that the camera has moved `least_shift` or turned
    `least_turn` since the one before it.

    Args:
        number: of the frame.
        poses: of all frames of its world in their order, None where one is not known.
        settings: see there.
    """
    if poses[number] is None:
        return []
    sides = []
    for step in (-1, 1):
        found, last = [], poses[number]
        for other in range(number + step, number + step * (settings.reach + 1), step):
            if not 0 <= other < len(poses):
                break
            pose = poses[other]
            if pose is not None and last is not None and _moved(last, pose, settings):
                found.append(other)
                last = pose
        sides.append(found)
    turns = [side[place] for place in range(settings.reach) for side in sides if place < len(side)]
    return turns[: settings.views]


def agree(view: View, others: Sequence[View], settings: AgreementSettings) -> Agreement:
    """Compare a frame with other views of the same world; those of another size are passed over.

    Args:
        view: the frame.
        others: to compare with.
        settings: see there.
    """
    shape = view.depth.shape
    for_depth, against = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    labelled, own_votes, votes = np.zeros(shape, np.uint8), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    compared = 0
    for other in others:
        if other.depth.shape != shape or not _same_camera(view.camera, other.camera):
            continue
        compared += 1
        motion = np.linalg.inv(view.pose) @ other.pose
        found = carry(view.depth, other.depth, view.camera, motion)
        nearer = found.known & (found.difference < -settings.depth)
        same = found.known & (np.abs(found.difference) <= settings.depth)
        for_depth += same
        against += found.known & (found.difference > settings.depth)
        against += _without_occluder(view, other, found.u, found.v, nearer, motion, settings.occluder)
        labels, confidence = found.nearest(other.labels), found.nearest(other.confidence)
        says = found.known & (np.abs(found.difference) <= settings.surface) & (labels != UNLABELLED)
        labelled += says
        weight = np.where(says, confidence, np.float32(0))
        votes += weight
        own_votes += np.where(labels == view.labels, weight, np.float32(0))
    checked = for_depth + against
    return Agreement(
        compared,
        checked,
        (for_depth / np.maximum(checked, 1)).astype(np.float32),
        labelled,
        (own_votes / np.maximum(votes, 1e-6)).astype(np.float32),
    )


def _without_occluder(
    view: View, other: View, u: Float, v: Float, nearer: npt.NDArray[np.bool_], motion: npt.NDArray[np.float64],
    tolerance: float,
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """Pixels (H, W) that the other view hides behind something which this view sees through."""
    wrong = np.zeros(nearer.shape, dtype=bool)
    rows, columns = np.nonzero(nearer)
    if not len(rows):
        return wrong
    camera, (height, width) = view.camera, nearer.shape
    there_u, there_v = u[rows, columns], v[rows, columns]
    place_u = np.clip(np.rint(there_u), 0, width - 1).astype(np.intp)
    place_v = np.clip(np.rint(there_v), 0, height - 1).astype(np.intp)
    z = other.depth[place_v, place_u].astype(np.float64)
    points = np.stack([(there_u - camera.cx) / camera.fx * z, (there_v - camera.cy) / camera.fy * z, z], axis=1)
    here = points @ motion[:3, :3].T + motion[:3, 3]
    with np.errstate(invalid="ignore", divide="ignore"):
        pixels = np.rint(project(here, camera))
        inside = (here[:, 2] > 0) & (pixels >= 0).all(axis=1) & (pixels <= (width - 1, height - 1)).all(axis=1)
        column, row = np.where(inside[:, None], pixels, 0).astype(np.intp).T
        seen = view.depth[row, column]
        through = inside & (np.log(seen) - np.log(here[:, 2]) > tolerance)
    wrong[rows[through], columns[through]] = True
    return wrong


def _moved(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], settings: AgreementSettings) -> bool:
    if np.linalg.norm(second[:3, 3] - first[:3, 3]) >= settings.least_shift:
        return True
    cosine = (np.trace(first[:3, :3].T @ second[:3, :3]) - 1) / 2
    return bool(np.arccos(np.clip(cosine, -1, 1)) >= settings.least_turn)


def _same_camera(first: Intrinsics, second: Intrinsics) -> bool:
    values = [np.array([one.fx, one.fy, one.cx, one.cy]) for one in (first, second)]
    return (first.width, first.height) == (second.width, second.height) and bool(
        np.allclose(values[0], values[1], rtol=1e-3, atol=0.5)
    )
