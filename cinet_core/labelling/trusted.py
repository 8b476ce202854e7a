"""From a teacher's answer and what other views say of it to a frame's depth and labels, with trust and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.data.trust import FULL_TRUST, SOURCES, TrustedFrame
from cinet_core.label_sets import UNLABELLED
from cinet_core.labelling.agreement import Agreement
from cinet_core.labelling.settings import LabelSettings

__all__ = ["SIGMA", "UNCHECKED", "FrameTruth", "labelled_frame", "unanchored_sigma"]

Float = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SIGMA = 0.15
"""Standard deviation of ln depth at which a depth is half trusted."""

UNCHECKED = 0.5
"""What trust is multiplied by where no other view could check a pixel."""

SINGLE_SIGMA = 0.3
"""Standard deviation of ln depth that is taken for one answer of a teacher that gives none, and cannot be measured."""

COMMON_SIGMA, SPREAD_FACTOR = 0.15, 2.5
"""Of several answers: what they err alike, and by how much more they err than they differ. Chosen by
likelihood on rendered rooms that the network did not learn from (docs/fleet_labels.md)."""

_NONE, _SENSOR, _TEACHER, _AGREED, _GIVEN = range(len(SOURCES))


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """What a frame is written with; arrays (H, W).

    Attributes:
        depth: float32 metres, 0 where void.
        labels: uint8 class ids, 255 where void; None where nothing gives any.
        trusted: trust and sources.
    """

    depth: Float
    labels: Bytes | None
    trusted: TrustedFrame

    def summary(self) -> dict[str, Any]:
        """Shares of the sources and mean trust of what is known, as JSON types."""
        found: dict[str, Any] = {}
        for part, name in enumerate(("depth", "labels")):
            shares = np.bincount(self.trusted.sources[part].ravel(), minlength=len(SOURCES)) / self.depth.size
            parts = zip(SOURCES, shares.tolist(), strict=True)
            found[name] = {source: round(share, 4) for source, share in parts if share}
        for part, name in enumerate(("depth_trust", "label_trust")):
            known = self.trusted.trust[part][self.trusted.sources[part] != _NONE]
            found[name] = round(float(known.mean()) / FULL_TRUST, 4) if known.size else None
        return found


def unanchored_sigma(depth: Float, spread: Float | None, own: Float | None) -> Float:
    """Standard deviation (H, W) of ln metric depth that no anchor has corrected.

    It is what the teacher gives; else what several answers show, ``sqrt(0.15^2 + (2.5 spread)^2)``; else 0.3.

    Args:
        depth: (H, W) of the teacher.
        spread: of several answers, see `Answer`; None of one.
        own: by the teacher itself; None of one that gives none.
    """
    if own is not None:
        return own
    if spread is None:
        return np.full(depth.shape, SINGLE_SIGMA, np.float32)
    return np.hypot(np.float32(COMMON_SIGMA), np.float32(SPREAD_FACTOR) * spread)


def labelled_frame(
    depth: Float,
    sigma: Float,
    labels: Bytes | None,
    confidence: Float | None,
    agreement: Agreement | None,
    settings: LabelSettings,
    sensor: Float | None = None,
    given: Bytes | None = None,
) -> FrameTruth:
    """Put a frame together.

    Trust of depth is ``1 / (1 + (sigma / 0.15)^2)`` times the part of the views that agree; that of a label its
    confidence times the part of the votes that are for it; each times 0.5 where nothing could be compared. What less
    than `AgreementSettings.least_depth` or `least_labels` of the others agree with is void, and so is what is trusted
    less than `least_trust`. Sensor depth, and labels that were given, are trusted wholly.

    Args:
        depth: (H, W) metres, NaN where unknown.
        sigma: (H, W) standard deviation of ln depth.
        labels: (H, W) class ids, 255 = none; None where no teacher gives any.
        confidence: (H, W), 0 to 1, of the labels.
        agreement: of other views; None where there are none.
        settings: see there.
        sensor: (H, W) metres, 0 where unknown; None where there is none that wins.
        given: (H, W) class ids that win, 255 where there are none; None without.
    """
    known = np.isfinite(depth) & (depth > 0)
    with np.errstate(invalid="ignore", over="ignore"):
        trust = np.where(known, 1 / (1 + np.square(sigma / SIGMA)), 0).astype(np.float32)
    source = np.where(known, _TEACHER, _NONE).astype(np.uint8)
    if agreement is None:
        trust *= UNCHECKED
    else:
        checked = agreement.depth_checked > 0
        trust *= np.where(checked, agreement.depth_share, np.float32(UNCHECKED))
        against = checked & (agreement.depth_share < settings.agreement.least_depth)
        source[checked & known] = _AGREED
        source[against] = _NONE
    source[trust < settings.least_trust] = _NONE
    planes = [_coded(trust, source)]
    if sensor is not None:
        valid = np.isfinite(sensor) & (sensor > 0)
        depth = np.where(valid, sensor, depth)
        planes[0][0][valid], source[valid] = FULL_TRUST, _SENSOR
    written = np.where(source == _NONE, 0, depth).astype(np.float32)
    own, label_planes = _labelled(labels, confidence, agreement, settings, given, depth.shape)
    planes.append(label_planes)
    trusts, sources = (np.stack(values) for values in zip(*planes, strict=True))
    return FrameTruth(written, own, TrustedFrame(trusts, sources))


def _labelled(
    labels: Bytes | None,
    confidence: Float | None,
    agreement: Agreement | None,
    settings: LabelSettings,
    given: Bytes | None,
    shape: tuple[int, ...],
) -> tuple[Bytes | None, tuple[Bytes, Bytes]]:
    if labels is None and given is None:
        return None, (np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
    own = np.full(shape, UNLABELLED, np.uint8) if labels is None else labels.copy()
    trust = np.zeros(shape, np.float32) if labels is None or confidence is None else confidence.copy()
    source = np.where(own == UNLABELLED, _NONE, _TEACHER).astype(np.uint8)
    if agreement is None:
        trust *= UNCHECKED
    else:
        checked = agreement.labels_checked > 0
        trust *= np.where(checked, agreement.labels_share, np.float32(UNCHECKED))
        source[checked & (source == _TEACHER)] = _AGREED
        source[checked & (agreement.labels_share < settings.agreement.least_labels)] = _NONE
    source[trust < settings.least_trust] = _NONE
    own[source == _NONE] = UNLABELLED
    codes, _ = _coded(trust, source)
    if given is not None:
        there = given != UNLABELLED
        own[there], source[there], codes[there] = given[there], _GIVEN, FULL_TRUST
    return own, (codes, source)


def _coded(trust: Float, source: Bytes) -> tuple[Bytes, Bytes]:
    """Trust as 1 to 255 where there is a source, and 0 where there is none."""
    codes = np.rint(np.clip(trust, 0, 1) * FULL_TRUST).clip(1, FULL_TRUST).astype(np.uint8)
    codes[source == _NONE] = 0
    return codes, source
