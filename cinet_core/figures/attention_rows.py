"""Rows of attention maps: what a pixel attends to, and what it should attend to.

The whole N x N map is never made: a pixel costs one query times all keys.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet

__all__ = ["attention_row", "class_centres", "class_name", "ideal_row", "pixel_at", "position_of"]

LEAST_SHARE = 0.02
"""Of the positions of a frame: classes below it are too small to be marked unasked."""


def position_of(pixel: tuple[int, int], image_size: tuple[int, int], feature_size: tuple[int, int]) -> int:
    """Index in 0..h*w-1 of the feature position that a pixel lies in.

    Args:
        pixel: (u, v), column and row.
        image_size: (H, W) of the image.
        feature_size: (h, w) of the features.

    Raises:
        ValueError: the pixel is outside the image.
    """
    (u, v), (height, width), (h, w) = pixel, image_size, feature_size
    if not (0 <= u < width and 0 <= v < height):
        raise ValueError(f"pixel {u},{v} is outside the image: u goes from 0 to {width - 1}, v from 0 to {height - 1}")
    return int((v + 0.5) * h / height) * w + int((u + 0.5) * w / width)


def pixel_at(position: int, image_size: tuple[int, int], feature_size: tuple[int, int]) -> tuple[int, int]:
    """(u, v) of the pixel in the middle of a feature position: the inverse of `position_of`."""
    (height, width), (h, w) = image_size, feature_size
    row, column = divmod(position, w)
    return int((column + 0.5) * width / w), int((row + 0.5) * height / h)


def class_centres(labels: npt.NDArray[np.integer], num_classes: int, count: int) -> list[int]:
    """Positions worth marking: one in each of the largest classes, as deep inside it as there is one.

    Args:
        labels: (h, w) class ids at the size of the features; those outside 0..num_classes-1 are void.
        num_classes: C.
        count: of positions, at most.

    Returns:
        Indices in 0..h*w-1, the largest class first; classes that fill less than 2 % are left out, except where
        there is no other. Empty where all is void.
    """
    sizes = np.bincount(np.where(_known(labels, num_classes), labels, num_classes).ravel())[:num_classes]
    order = [int(class_id) for class_id in np.argsort(-sizes, kind="stable") if sizes[class_id]]
    large = [class_id for class_id in order if sizes[class_id] >= LEAST_SHARE * labels.size] or order[:1]
    return [_deepest(labels == class_id) for class_id in large[:count]]


def ideal_row(labels: npt.NDArray[np.integer], num_classes: int, position: int) -> npt.NDArray[np.float32]:
    """The row of the ideal map (Eq. 3) for one position.

    Args:
        labels: (h, w) class ids at the size of the features; those outside 0..num_classes-1 are void.
        num_classes: C.
        position: index in 0..h*w-1.

    Returns:
        (h, w): 1 where the class is that of the position, 0 where it is another, NaN for pairs that touch a void
        position, which the attention loss leaves out.
    """
    own = labels.ravel()[position]
    row = (labels == own).astype(np.float32)
    row[~_known(labels, num_classes) | ~_known(own, num_classes)] = np.nan
    return row


def attention_row(
    query: npt.NDArray[np.floating], key: npt.NDArray[np.floating], position: int, feature_size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The row of the predicted map, sigmoid(q K^T) (Eq. 1), for one position.

    Args:
        query: (N, Cq), already scaled, as `CINetOutput.query` is.
        key: (N, Cq).
        position: index in 0..N-1.
        feature_size: (h, w), N = h * w.

    Returns:
        (h, w) in 0..1.

    Raises:
        ValueError: query, key and size do not describe the same positions.
    """
    if query.shape != key.shape or len(query) != feature_size[0] * feature_size[1]:
        raise ValueError(
            f"query {query.shape} and key {key.shape} do not fit features of {feature_size[0]}x{feature_size[1]}"
        )
    logits = key.astype(np.float32) @ query[position].astype(np.float32)
    return np.exp(-np.logaddexp(0.0, -logits)).astype(np.float32).reshape(feature_size)


def class_name(labels: npt.NDArray[np.integer], label_set: LabelSet, position: int) -> str:
    """Name of the class at a position of (h, w) labels; "unlabelled" where it has none."""
    class_id = int(labels.ravel()[position])
    return label_set.classes[class_id] if 0 <= class_id < len(label_set.classes) else "unlabelled"


def _known(labels: npt.NDArray[np.integer], num_classes: int) -> npt.NDArray[np.bool_]:
    return (labels >= 0) & (labels < num_classes)


def _deepest(members: npt.NDArray[np.bool_]) -> int:
    """Index of the member that is farthest from what is none; the border of the image counts as none."""
    padded = np.pad(members, 1).astype(np.uint8)
    return int(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1].argmax())
