"""Teachers: what answers depth or labels of an image, one call at a time; and the mean of several calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED, LabelSet

__all__ = ["Answer", "Bytes", "Float", "Teacher", "averaged", "fitted_affine", "resized", "vote"]

Float = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a teacher says of an image; arrays are (H, W), of the image's size.

    Attributes:
        depth: float32 metres along z; where `relative`, one over depth but for a factor and an offset. NaN where there
            is none; None of a teacher without depth.
        relative: whether depth is that.
        spread: float32, standard deviation of ln depth over several calls, each brought to the scale of their mean; of
            relative depth, of one over depth as a part of its range; None of a single call.
        sigma: float32, standard deviation of ln depth as the teacher itself gives it; None of one that does not.
        labels: uint8 class ids, 255 = none; None of a teacher without labels.
        confidence: float32, 0 to 1, of the labels.
    """

    depth: Float | None = None
    relative: bool = False
    spread: Float | None = None
    sigma: Float | None = None
    labels: Bytes | None = None
    confidence: Float | None = None


class Teacher(ABC):
    """Answers depth, labels, or both.

    Attributes:
        name: for reports.
        label_set: of its labels.
        gives_depth: "metric", "relative" or "", of one without.
        gives_labels: whether it answers labels.
        concurrent: whether several threads may ask it at once: a small network on a CPU.
        identity: what decides its answers, as JSON types.
    """

    name: str
    label_set: LabelSet
    gives_depth: str
    gives_labels: bool
    concurrent: bool = False
    identity: dict[str, Any]

    @abstractmethod
    def answer(self, image: Bytes, camera: Intrinsics, scale: float = 1.0) -> Answer:
        """Look at an image once.

        Args:
            image: (H, W, 3) uint8 RGB.
            camera: of the image.
            scale: of the network's input, about the size that it is made for.

        Raises:
            TeacherError: the network does not take the input, or answers something else than was described.
        """

    @abstractmethod
    def close(self) -> None:
        """Free what it holds."""


def averaged(
    teacher: Teacher, image: Bytes, camera: Intrinsics, flip: bool = False, scales: Sequence[float] = (1.0,)
) -> Answer:
    """The mean of a teacher's answers to an image, its mirror image, and several sizes.

    Depth is the geometric mean; relative depth is brought to factor and offset of the first answer before. Labels are
    a vote, in which each answer has its confidence; the confidence is the part of all votes, missing ones included,
    that the winner has. Where depth or labels of one answer are missing, those of the others count.

    Args:
        teacher: to be asked.
        image: (H, W, 3) uint8 RGB.
        camera: of the image.
        flip: ask about the mirror image too.
        scales: of the network's input, see `Teacher.answer`.
    """
    answers = []
    for scale in scales:
        answers.append(teacher.answer(image, camera, scale))
        if flip:
            mirrored = np.ascontiguousarray(image[:, ::-1])
            answers.append(_mirrored(teacher.answer(mirrored, camera.flipped(), scale)))
    first = answers[0]
    if len(answers) == 1:
        return first
    depth = spread = sigma = labels = confidence = None
    if first.depth is not None:
        depths = np.stack([one.depth for one in answers if one.depth is not None])
        depth, spread = _mean_relative(depths) if first.relative else _mean_metric(depths)
    if first.sigma is not None:  # what the answers have in common does not average out
        sigma = np.sqrt(np.mean([np.square(one.sigma) for one in answers if one.sigma is not None], axis=0))
    if first.labels is not None:
        labels, confidence = vote(
            [one.labels for one in answers if one.labels is not None],
            [one.confidence for one in answers if one.confidence is not None],
        )
    return Answer(depth, first.relative, spread, sigma, labels, confidence)


def vote(labels: Sequence[Bytes], confidences: Sequence[Float]) -> tuple[Bytes, Float]:
    """The label with the most confidence, and its part of all votes; of equal ones the first.

    Args:
        labels: (H, W) of each voter, 255 where it says nothing.
        confidences: (H, W), 0 to 1, of each.
    """
    best, won = np.full(labels[0].shape, UNLABELLED, np.uint8), np.zeros(labels[0].shape, np.float32)
    for own in labels:
        votes = np.zeros(own.shape, dtype=np.float32)
        for other, weight in zip(labels, confidences, strict=True):
            votes += np.where(other == own, weight, np.float32(0))
        better = (votes > won + 1e-6) & (own != UNLABELLED)
        best[better], won[better] = own[better], votes[better]
    return best, won / np.float32(len(labels))


def fitted_affine(values: npt.NDArray[Any], wanted: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[float, float]:
    """Factor a and offset b of ``a values + b = wanted``, by weighted least squares that lets outliers go (Huber).

    Args:
        values, wanted: (N,).
        weights: (N,), one over the variance of `wanted`.

    Returns:
        Factor and offset; NaN where the values do not determine them.
    """
    values, wanted, weights = (np.asarray(one, dtype=np.float64) for one in (values, wanted, weights))
    robust = np.ones(len(values))
    factor = offset = np.nan
    for _ in range(12):
        w = weights * robust
        total = w.sum()
        if not total > 0:
            return np.nan, np.nan
        mean_x, mean_y = (w * values).sum() / total, (w * wanted).sum() / total
        variance = (w * (values - mean_x) ** 2).sum()
        if variance <= 1e-12 * total * max(mean_x**2, 1e-12):
            return np.nan, np.nan
        factor = float((w * (values - mean_x) * (wanted - mean_y)).sum() / variance)
        offset = float(mean_y - factor * mean_x)
        rest = np.abs(factor * values + offset - wanted) * np.sqrt(weights)
        scale = max(1.4826 * float(np.median(rest)), 1e-9)
        robust = np.minimum(1.0, 1.5 * scale / np.maximum(rest, 1e-12))
    return factor, offset


def _mirrored(answer: Answer) -> Answer:
    return Answer(
        _flipped(answer.depth),
        answer.relative,
        _flipped(answer.spread),
        _flipped(answer.sigma),
        _flipped(answer.labels),
        _flipped(answer.confidence),
    )


def _flipped(plane: npt.NDArray[Any] | None) -> Any:
    return None if plane is None else np.ascontiguousarray(plane[:, ::-1])


def _mean_metric(depths: Float) -> tuple[Float, Float]:
    """Geometric mean of (N, H, W), and standard deviation of ln depth once each has the scale of the mean.

    How far the scales of the answers are apart says little of how wrong they are (docs/fleet_labels.md): a network errs
    alike in an image and its mirror image, and steadily more with the size of the input.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where(depths > 0, np.log(depths), np.nan)
    known = np.isfinite(logs)
    count = known.sum(axis=0)
    logs = np.where(known, logs, 0.0)
    mean = logs.sum(axis=0) / np.maximum(count, 1)
    apart = np.where(known, logs - mean, 0.0)
    for own, there in zip(apart, known, strict=True):
        own[there] -= np.median(own[there]) if there.any() else 0.0
    variance = (apart**2).sum(axis=0) / np.maximum(count - 1, 1)
    return np.where(count > 0, np.exp(mean), np.nan).astype(np.float32), np.sqrt(variance).astype(np.float32)


def _mean_relative(depths: Float) -> tuple[Float, Float]:
    """Mean of inverse depths (N, H, W), each brought to the first, and their standard deviation by its range."""
    first = depths[0]
    aligned = [first]
    for other in depths[1:]:
        known = np.isfinite(first) & np.isfinite(other)
        factor, offset = fitted_affine(other[known][::7], first[known][::7], np.ones(len(other[known][::7])))
        aligned.append(other if not np.isfinite(factor) else (factor * other + offset).astype(np.float32))
    stacked = np.stack(aligned)
    low, high = np.nanpercentile(first, (2, 98)) if np.isfinite(first).any() else (0.0, 1.0)
    return stacked.mean(axis=0), (stacked.std(axis=0) / max(float(high - low), 1e-9)).astype(np.float32)


def resized(values: Float, width: int, height: int) -> Float:
    """(H, W) or (H, W, C) values of a network's output, bilinearly at the image's size."""
    if values.shape[:2] == (height, width):
        return values
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
