"""Fusion of depth and labels over time, pixel by pixel: by variance where frames agree, not at all where they do not.

The last fused frame is carried into the current view (`carry`). With nu = ln(carried depth / current depth), the
variance P of the carried log depth, R of the current one and Q of what a frame adds, the fused depth is that of a
Kalman filter for every pixel, whose prior is trusted by how well it agrees::

    K = (P + Q) / (P + Q + R),   keep = (1 - K) a(|nu|),   ln z = ln d + keep nu,   P' = (1 - keep) R,

where a falls from 1 to 0 between two limits, so that nothing flickers in and out. Edges are those of the
current frame, which is multiplied by a correction, not mixed with a resampled image.

Labels are a vote (Boyer and Moore's majority vote with weights that fade): a pixel carries a label with evidence,
every frame that says the same adds its confidence, one that says another takes it away, and the label changes where
none is left. Evidence is bounded, so that a label that is seen with confidence 0.7 wins within three frames.

What moves leaves no trail: where depths disagree, the current frame starts anew, and classes that move by themselves
are never carried.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED
from cinet_core.temporal.carrying import Carried, carry, checked_motion

__all__ = ["FusedFrame", "FusionSettings", "TemporalFusion", "fuse"]

Float = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

WORKING_WIDTH = 320
"""Pixels: `TemporalFusion` works at the integer fraction of the image's size whose width is next to this. Predictions
have no more detail than the network's input, and the correction is smooth."""


@dataclass(frozen=True)
class FusionSettings:
    """How much of the last frame is kept. Noise and gates are in ln(depth): 0.01 is 1 %.

    The values were chosen on walks through the synthetic room with the shipped weights; on real frames they were only
    scored.

    Attributes:
        measurement_noise: sigma of what changes in a prediction from frame to frame.
        process_noise: sigma of what a prediction's right value changes by from one frame to the next, since its error
            depends on the view. Its ratio to `measurement_noise` decides how long the memory is: 0.01 to 0.03 keeps
            72 % of the last frame once it is settled.
        full_agreement: difference up to which the last depth is kept by variance alone; it must be below `gate`.
        gate: difference above which nothing of the last depth is kept.
        label_gate: difference above which nothing of the last label is kept. It is wider than `gate`, since the same
            surface has the same label however much its depth flickers.
        label_decay: share of a label's evidence that the next frame takes over.
        max_evidence: that a label gathers at most, in confidences of one frame.
        min_agreement: share of the points that both frames see that must agree within `gate`; else the motion or the
            scale is not what it seems, and the current frame starts anew.

    Raises:
        ValueError: a value is not positive, a share is above 1, or a gate is wider than ln 10.
    """

    measurement_noise: float = 0.03
    process_noise: float = 0.01
    full_agreement: float = 0.05
    gate: float = 0.15
    label_gate: float = 0.3
    label_decay: float = 0.95
    max_evidence: float = 2.0
    min_agreement: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        limits = {"gate": math.log(10), "label_gate": math.log(10), "label_decay": 1.0, "min_agreement": 1.0}
        for name in self.__dataclass_fields__:
            value, limit = getattr(self, name), limits.get(name, 1e3)
            if not 0 < value <= limit:
                raise ValueError(f"{name} is {value}: it must be above 0 and at most {limit:g}")
        if self.full_agreement >= self.gate:
            raise ValueError(f"full_agreement is {self.full_agreement}: it must be below gate = {self.gate}")


@dataclass(frozen=True, eq=False)
class FusedFrame:
    """A frame after fusion, and what the next one needs of it. All images are (h, w).

    Attributes:
        depth: float32 metres; NaN where the frame itself had none.
        labels: uint8 class ids, 255 = unlabelled.
        variance: float32, of ln(depth) from frame to frame. It says nothing of errors that all frames share.
        evidence: float32, of each label, in confidences of one frame.
        keep: float32, 0 to 1: how much of the last depth each pixel has kept.
        intrinsics: of these images.
        agreement: share of the points that both frames see whose depths agree; NaN where there was no last frame, or no
            point in common.
        restarted: whether nothing of the last frame was used.
    """

    depth: Float
    labels: Bytes
    variance: Float
    evidence: Float
    keep: Float
    intrinsics: Intrinsics
    agreement: float
    restarted: bool


def fuse(
    last: FusedFrame | None,
    depth: Float,
    labels: Bytes,
    confidence: Bytes,
    intrinsics: Intrinsics,
    motion: npt.NDArray[np.float64] | None,
    *,
    variance: Float | None = None,
    movers: Collection[int] = (),
    settings: FusionSettings | None = None,
) -> FusedFrame:
    """Fuse a frame with the last one.

    Args:
        last: what the call for the last frame returned; None for the first one.
        depth: (h, w) float32 metres, corrected where there is a correction; NaN where unknown.
        labels: (h, w) uint8 class ids; 255 = unlabelled.
        confidence: (h, w) uint8, probability of the label, 0 to 255.
        intrinsics: of these images. Another camera or size than the last one's starts anew.
        motion: (4, 4), the last camera's coordinates to the current one's, metres; None where it is not known, which
            starts anew.
        variance: (h, w) float32, of ln(depth) from frame to frame; None = `FusionSettings.measurement_noise` squared.
        movers: class ids of what moves by itself, which is never carried.
        settings: None = the defaults.

    Raises:
        ValueError: sizes differ, or the motion is not finite or not rigid.
    """
    settings = settings or FusionSettings()
    _check_sizes(depth, labels, confidence, intrinsics, variance)
    noise = np.float32(settings.measurement_noise**2) if variance is None else variance
    first = FusedFrame(
        depth=depth,
        labels=labels,
        variance=np.broadcast_to(noise, depth.shape).astype(np.float32),
        evidence=np.where(labels == UNLABELLED, np.float32(0), confidence * np.float32(1 / 255)),
        keep=np.zeros(depth.shape, np.float32),
        intrinsics=intrinsics,
        agreement=math.nan,
        restarted=True,
    )
    if motion is not None:
        motion = checked_motion(motion)
    if last is None or motion is None or last.intrinsics != intrinsics:
        return first
    carried = carry(depth, last.depth, intrinsics, motion)
    distance = np.abs(carried.difference)
    seen = np.count_nonzero(carried.known)
    agreement = np.count_nonzero(carried.known & (distance <= settings.gate)) / seen if seen else math.nan
    if not agreement >= settings.min_agreement:  # NaN is not
        return replace(first, agreement=agreement)
    moving = _moving(first, last, carried, movers)
    trusted = carried.known if moving is None else carried.known & ~moving
    keep = _kept(carried, last.variance, noise, distance, trusted, settings)
    fused_labels, evidence = _voted(first, last, carried, trusted & (distance <= settings.label_gate), settings)
    return FusedFrame(
        depth=depth * np.exp(keep * carried.difference),
        labels=fused_labels,
        variance=(1 - keep) * noise,
        evidence=evidence,
        keep=keep,
        intrinsics=intrinsics,
        agreement=agreement,
        restarted=False,
    )


class TemporalFusion:
    """Fuses the frames of one camera at the size they come in. It is not thread-safe: one thread feeds it.

    Args:
        movers: class ids of what moves by itself.
        settings: None = the defaults.

    Attributes:
        last: the last frame at working size; None after a start.
    """

    def __init__(self, movers: Collection[int] = (), settings: FusionSettings | None = None) -> None:
        self.last: FusedFrame | None = None
        self._movers = frozenset(movers)
        self._settings = settings or FusionSettings()

    def restart(self) -> None:
        """Forget the last frame."""
        self.last = None

    def update(
        self,
        depth: Float,
        labels: Bytes,
        confidence: Bytes,
        intrinsics: Intrinsics,
        motion: npt.NDArray[np.float64] | None,
    ) -> tuple[Float, Bytes, Bytes]:
        """Fuse a frame and remember it.

        Args:
            depth: (H, W) float32 metres; NaN where unknown.
            labels: (H, W) uint8 class ids; 255 = unlabelled.
            confidence: (H, W) uint8, 0 to 255.
            intrinsics: of these images.
            motion: as in `fuse`.

        Returns:
            Depth, labels and confidence, (H, W) each, new arrays or those that were given. Where a carried label stands
            against the frame's own, confidence is what that one's leaves to it, at most 1 - its probability.

        Raises:
            ValueError: as `fuse`.
        """
        _check_sizes(depth, labels, confidence, intrinsics, None)
        stride = max(1, round(intrinsics.width / WORKING_WIDTH))
        if stride == 1:
            # Copies, since the last frame is kept and who gave these may go on with them.
            small, camera = (depth.copy(), labels.copy(), confidence.copy()), intrinsics
        else:
            camera = _shrunk(intrinsics, stride)
            size = (camera.width, camera.height)
            small = (
                cv2.resize(depth, size, interpolation=cv2.INTER_AREA),
                cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST),
                cv2.resize(confidence, size, interpolation=cv2.INTER_NEAREST),
            )
        try:
            fused = fuse(self.last, *small, camera, motion, movers=self._movers, settings=self._settings)
        except ValueError:
            self.last = None
            raise
        self.last = fused
        if fused.restarted:
            return depth, labels, confidence
        return _enlarged(fused, small, (depth, labels, confidence))


def _enlarged(
    fused: FusedFrame, small: tuple[Float, Bytes, Bytes], full: tuple[Float, Bytes, Bytes]
) -> tuple[Float, Bytes, Bytes]:
    """The correction that fusion made at its size, applied to the images (H, W)."""
    depth, labels, confidence = full
    height, width = depth.shape
    changed = fused.labels != small[1]
    kept_confidence = np.where(
        changed, np.minimum(fused.evidence * 255, 255 - small[2].astype(np.float32)), small[2]
    ).astype(np.uint8)
    if depth.shape == fused.depth.shape:
        return fused.depth, fused.labels, kept_confidence
    with np.errstate(invalid="ignore"):
        factor = fused.depth / small[0]
    factor[~(factor > 0)] = 1  # no depth, no correction
    factor = cv2.resize(factor, (width, height), interpolation=cv2.INTER_LINEAR)
    place = cv2.resize(changed.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).view(np.bool_)
    results = []
    for image, replacement in ((labels, fused.labels), (confidence, kept_confidence)):
        result = image.copy()
        np.copyto(result, cv2.resize(replacement, (width, height), interpolation=cv2.INTER_NEAREST), where=place)
        results.append(result)
    return depth * factor, results[0], results[1]


def _kept(
    carried: Carried,
    last_variance: Float,
    noise: Float | np.float32,
    distance: Float,
    trusted: npt.NDArray[np.bool_],
    settings: FusionSettings,
) -> Float:
    """How much of the last depth every pixel keeps."""
    prior = carried.bilinear(last_variance)
    prior += np.float32(settings.process_noise**2)
    fall = np.float32(settings.gate - settings.full_agreement)
    agree = np.clip((np.float32(settings.gate) - distance) / fall, 0, 1)
    agree *= trusted
    agree *= noise / (prior + noise)  # 1 - K
    return agree


def _moving(
    first: FusedFrame, last: FusedFrame, carried: Carried, movers: Collection[int]
) -> npt.NDArray[np.bool_] | None:
    """Pixels that are, or were, of a class that moves by itself."""
    if not movers:
        return None
    table = np.zeros(256, np.uint8)
    table[list(movers)] = 1
    now = cv2.LUT(first.labels, table)
    return (now | carried.nearest(cv2.LUT(last.labels, table))).view(np.bool_)


def _voted(
    first: FusedFrame, last: FusedFrame, carried: Carried, trusted: npt.NDArray[np.bool_], settings: FusionSettings
) -> tuple[Bytes, Float]:
    """Labels after the vote of this frame, and the evidence of each."""
    before = carried.nearest(last.labels)
    evidence = carried.nearest(last.evidence) * np.float32(settings.label_decay)
    evidence *= trusted
    vote = first.evidence
    same = before == first.labels
    wins = ~same & (evidence > vote)
    labels = np.where(wins, before, first.labels)
    gathered = np.minimum(evidence + vote, np.float32(settings.max_evidence))
    return labels, np.where(same, gathered, np.abs(evidence - vote))


def _shrunk(intrinsics: Intrinsics, stride: int) -> Intrinsics:
    """The camera of an image whose pixels are means of ``stride`` x ``stride`` ones, their centres included."""
    width, height = max(1, intrinsics.width // stride), max(1, intrinsics.height // stride)
    sx, sy = width / intrinsics.width, height / intrinsics.height
    return Intrinsics(
        intrinsics.fx * sx,
        intrinsics.fy * sy,
        (intrinsics.cx + 0.5) * sx - 0.5,
        (intrinsics.cy + 0.5) * sy - 0.5,
        width,
        height,
    )


def _check_sizes(
    depth: Float, labels: Bytes, confidence: Bytes, intrinsics: Intrinsics, variance: Float | None
) -> None:
    size = (intrinsics.height, intrinsics.width)
    shapes = {"depth": depth.shape, "labels": labels.shape, "confidence": confidence.shape}
    if variance is not None:
        shapes["variance"] = variance.shape
    for name, shape in shapes.items():
        if shape != size:
            raise ValueError(
                f"{name} is {shape}, but the intrinsics are for {size}: all images of a frame must be of one size; use "
                "Intrinsics.resized"
            )
