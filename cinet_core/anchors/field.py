"""Corrects predicted depth by what anchors know: ln depth plus a smooth field, estimated over time.

The correction at a pixel x with predicted depth d is ``c(x) = f(x) + b + g ln(d / 2 m)``: a smooth field f on a coarse
grid, a Gaussian process a priori; an offset b, the ln of a factor; and a slope g. A Kalman filter holds mean and
covariance of all of them.

*Predict.* The field is carried into the new view by the last corrected depth and the motion of the camera. A point
keeps its true depth, and so its correction changes by what the prediction changed without the motion's doing. Nodes
that come into view have the Gaussian process's distribution given those that were in view before: nothing is counted
twice. Without evidence all of it decays to the prior (Ornstein-Uhlenbeck), the field first, the factor last.

*Update.* Anchors give ln of measured by predicted depth at places. Their errors may be shared
(`AnchorMeasurement.modes`). A measurement that the state does not expect is held back, until it persists. Points that
disagree weigh less (Huber).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.anchors.carry import CarriedView, View, carried, median_of, view_of
from cinet_core.anchors.corrected import CorrectedDepth, CorrectionLevel, CorrectionReport
from cinet_core.anchors.detail import detail_image
from cinet_core.anchors.grid import Array, Grid
from cinet_core.anchors.kalman import (
    Observation,
    completed,
    decayed,
    node_variance,
    observed,
    predicted_log,
    prediction_variance,
)
from cinet_core.anchors.measurement import AnchorMeasurement
from cinet_core.anchors.observing import MAX_SURPRISE, REFERENCE, observation_of
from cinet_core.anchors.settings import FieldSettings
from cinet_core.geometry import Intrinsics
from cinet_core.threads import OneBlasThread

__all__ = ["FieldEstimator"]

HUBER = 2.0
"""Standard deviations beyond which a point's weight falls."""

WRONG = 1e-3
"""Weight of a track whose ln depth is off by more than `MAX_SURPRISE`, against the median of its measurement."""

MAX_DETAIL = 0.7
"""Residual of ln depth beyond which a point is on another surface than the prediction has there."""

GATE_FLOOR = 0.1
"""Change of ln depth below which no measurement is held back: a network's own flicker is as large at times."""

MAX_LOG = 1.5
"""Corrections are held within this ln: a factor of 4.5 either way is no error of a network, but of a calibration."""


class FieldEstimator:
    """Corrects the depth images of one camera, in their order.

    It is not thread-safe. One call takes some milliseconds on one core.

    Args:
        settings: how it behaves.
    """

    def __init__(self, settings: FieldSettings | None = None) -> None:
        self.settings = settings or FieldSettings()
        self._grid = Grid()
        self._work: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything, as after a jump of the clock."""
        prior = self.settings.prior
        self._field_prior = self._grid.covariance(prior)
        self._field_precision: Array = np.linalg.inv(self._field_prior).astype(np.float64)
        self._prior = self._prior_covariance()
        self._mean = np.zeros(self._grid.nodes + 2)
        self._covariance = self._prior.copy()
        self._before: View | None = None
        self._slope_at: Array = np.zeros(self._grid.nodes)
        self._age = self._metric_age = math.inf
        self._held: dict[str, float] = {}
        self._told: dict[str, float] = {}  # seconds since each source last said something
        self._exact: list[Observation] = []  # of this image, that detail may be taken from

    @OneBlasThread()
    def update(
        self,
        depth: npt.NDArray[np.floating],
        intrinsics: Intrinsics,
        measurements: Sequence[AnchorMeasurement] = (),
        motion: npt.NDArray[np.floating] | None = None,
        excluded: npt.NDArray[np.bool_] | None = None,
        uncertainty: npt.NDArray[np.floating] | None = None,
        seconds: float = 1 / 15,
    ) -> CorrectedDepth:
        """Correct a depth image.

        Args:
            depth: (H, W) predicted metres along z; NaN where invalid.
            intrinsics: of the depth image, at its size.
            measurements: of anchors, of the moment of this image; any number, of any sources. Their pixels may be
                those of an image of another size of the same view.
            motion: (4, 4) rigid, from the coordinates of the camera at the call before to those of the camera now;
                None where it is not known.
            excluded: (h, w) bool of any resolution, where people and other movers are (`movers_mask`).
            uncertainty: (H, W) standard deviation of ln depth by the network; None where it gives none.
            seconds: since the call before.

        Returns:
            The corrected depth. It is the prediction itself, with the reason, where nothing better is known.

        Raises:
            ValueError: the depth is not (H, W) of the intrinsics' size, or the motion is not (4, 4).
        """
        if depth.shape != (intrinsics.height, intrinsics.width):
            raise ValueError(
                f"depth has shape {depth.shape} but the intrinsics are for {intrinsics.width}x{intrinsics.height}: "
                "use intrinsics.resized()"
            )
        if motion is not None and np.shape(motion) != (4, 4):
            raise ValueError(f"motion has shape {np.shape(motion)}: (4, 4) is needed")
        seconds = min(max(float(seconds), 0.0), 1e6) if math.isfinite(seconds) else 1e6
        view = view_of(depth, intrinsics, excluded, self._grid)
        self._exact = []
        reasons: list[str] = []
        share = self._predict(view, motion, seconds, reasons)
        self._told = {source: since + seconds for source, since in self._told.items()}
        used, told = [], set()
        for measurement in measurements:
            reason = self._apply(measurement.without(excluded), depth, seconds)
            if reason is None:
                used.append(measurement)
            else:
                reasons.append(f"{measurement.source}: {reason}")
            if len(measurement):  # believed or not: what it says next is off by the same
                told.add(measurement.source)
        self._told |= dict.fromkeys(told, 0.0)
        self._age = 0.0 if used else self._age + seconds
        self._metric_age = 0.0 if any(one.metric for one in used) else self._metric_age + seconds
        return self._render(depth, view, used, share, uncertainty, reasons)

    def _detail(self, log_depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
        """(H, W) correction around exact points that the smooth field leaves open; None where it leaves nothing."""
        parts = []
        for one in self._exact:
            if one.places is not None and one.alone is not None:
                rest = one.values - predicted_log(self._mean, one)
                parts.append(np.column_stack([one.places, one.weights[:, -1] + REFERENCE, rest, one.alone]))
        if not parts:
            return None
        table = np.concatenate(parts)
        table = table[np.abs(table[:, 3]) < MAX_DETAIL]
        if not len(table):
            return None
        return detail_image(log_depth, table[:, :2], table[:, 2], table[:, 3], table[:, 4], self.settings.detail_sigma)

    def _images(self, shape: tuple[int, ...]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Two images to work in, the same at each call."""
        if self._work is None or self._work[0].shape != shape:
            self._work = np.empty(shape, np.float32), np.empty(shape, np.float32)
        return self._work

    def _prior_covariance(self) -> Array:
        prior, nodes = self.settings.prior, self._grid.nodes
        covariance = np.zeros((nodes + 2, nodes + 2))
        covariance[:nodes, :nodes] = self._field_prior
        covariance[nodes, nodes], covariance[nodes + 1, nodes + 1] = prior.offset**2, prior.slope**2
        return covariance

    def _predict(
        self, view: View, motion: npt.NDArray[np.floating] | None, seconds: float, reasons: list[str]
    ) -> float:
        """Carry the state into this view; returns which part of it came from the one before."""
        settings, nodes = self.settings, self._grid.nodes
        slope_before, self._slope_at = self._slope_at, np.nan_to_num(view.mean_logs() - REFERENCE)
        if self._before is None:
            return 0.0
        field_seconds, found, unexplained = settings.field_seconds, None, 0.0
        if motion is not None:
            matrix = np.asarray(motion, dtype=np.float64)
            found = carried(self._before, view, matrix, self._grid) if np.isfinite(matrix).all() else None
            if found is None:
                reasons.append("motion: this view and the one before have nothing in common")
                found = CarriedView(
                    np.zeros(nodes, dtype=bool), self._grid.places, np.zeros(nodes), np.ones(nodes), 0.0, 0.0
                )
            elif abs(found.scale_change) > settings.motion_gate:
                reasons.append(f"motion: it does not explain how predicted depth changed ({found.scale_change:+.0%})")
                unexplained, found = found.scale_change, None
        if found is None:  # the field stays where it is on the image
            found = CarriedView(
                np.ones(nodes, dtype=bool), self._grid.places, np.zeros(nodes), np.ones(nodes), unexplained, 0.0
            )
            field_seconds = settings.still_seconds
        self._transport(found, slope_before)
        if self._metric_age > settings.offset_seconds:  # nobody knows metres: the factor goes back to the network's
            lost = 1.0 - math.exp(-seconds / settings.scale_seconds)
            self._mean[nodes] -= lost * self._level()
        kept = np.full(nodes + 2, math.exp(-seconds / field_seconds))
        kept[nodes:] = math.exp(-seconds / settings.offset_seconds)
        self._mean, self._covariance = decayed(self._mean, self._covariance, self._prior, kept)
        return float(found.seen.mean())

    def _transport(self, found: CarriedView, slope_before: Array) -> None:
        """The state of the view before as that of this view: linear in the correction, see `CarriedView`."""
        nodes = self._grid.nodes
        mix, weights = self._grid.weights(found.places)
        slope_old = (weights * slope_before[mix]).sum(axis=1)
        mean = self._mean.copy()
        slope = mean[nodes + 1]
        # Of the total correction the change is taken off, and what offset and slope give here is not the field's.
        carried_field = self._grid.sampled(self._mean[:nodes], found.places)
        mean[:nodes] = carried_field + (slope_old - self._slope_at) * slope - found.change
        jacobian = np.zeros((nodes + 2, nodes + 2))
        jacobian[np.arange(nodes)[:, None], mix] = found.gain[:, None] * weights
        jacobian[:nodes, nodes] = found.gain - 1.0
        jacobian[:nodes, nodes + 1] = found.gain * slope_old - self._slope_at
        jacobian[nodes, nodes] = jacobian[nodes + 1, nodes + 1] = 1.0
        covariance = jacobian @ self._covariance @ jacobian.T
        own = self.settings.carry_sigma**2 + (self.settings.spread_sigma * found.spread) ** 2
        covariance[np.arange(nodes), np.arange(nodes)] += own
        covariance[nodes, nodes] += (self.settings.change_sigma * found.scale_change) ** 2
        mean[:nodes] = np.clip(mean[:nodes], -MAX_LOG, MAX_LOG)
        self._mean, self._covariance = completed(mean, covariance, found.seen, self._field_prior, self._field_precision)

    def _apply(self, measurement: AnchorMeasurement, depth: npt.NDArray[np.floating], seconds: float) -> str | None:
        """Update the state; returns why it was not."""
        if not len(measurement):
            return measurement.gap.value if measurement.gap else "it has no point"
        # Errors that last are those of the measurement before, which may be many frames ago, or none.
        since = self._told.get(measurement.source, math.inf)
        observation = observation_of(measurement, depth, self._grid, self.settings, since, self._mean)
        if observation is None:
            return "none of its points has a prediction"
        rest = observation.values - predicted_log(self._mean, observation)
        # As they are now: that they last makes them count for less, not more likely to be large.
        modes = observation.modes / math.sqrt(max(1.0, measurement.shared_memory / max(since, 1e-3)))
        own = observation.variance + (modes**2).sum(axis=1)
        expected = prediction_variance(self._covariance, observation)
        middle = median_of(rest)
        # Of the median as a whole: what the state and the shared errors leave open, for all points together.
        shared = median_of(expected) + float((modes.mean(axis=0) ** 2).sum())
        limit = max(GATE_FLOOR, self.settings.gate * math.sqrt(shared + median_of(own) / len(rest)))
        if abs(middle) > limit and math.isfinite(self._age):  # the first one has nothing to be held against
            held = self._held.get(measurement.source, 0.0) + seconds
            self._held[measurement.source] = held
            if held < self.settings.patience:
                return f"held back: it would change depth by {math.expm1(middle):+.0%}, {limit:.0%} was to be expected"
            # It persists: what the state was sure of is what is wrong.
            self._mean[:] = 0.0
            self._covariance = self._prior.copy()
            rest = observation.values
            expected = prediction_variance(self._covariance, observation)
        self._held[measurement.source] = 0.0
        if not measurement.metric:  # its factor says nothing: neither for it nor against a point
            own = observation.variance + (modes[:, :-1] ** 2).sum(axis=1)
            rest = rest - median_of(rest)
        ratio = np.abs(rest) / np.sqrt(own + expected)
        weight = np.minimum(1.0, HUBER / np.maximum(ratio, 1e-9))
        if measurement.triangulated:  # a track that slid, or that jumped to a texture's next period, is no point at all
            weight = np.where(np.abs(rest - median_of(rest)) > MAX_SURPRISE, WRONG, weight)
        level = self._level()
        robust = replace(observation, variance=observation.variance / weight)
        self._mean, self._covariance = observed(self._mean, self._covariance, robust)
        if measurement.exact:
            self._exact.append(observation)
        if not measurement.metric:  # what came to the factor along with the shape has no ground
            self._mean[self._grid.nodes] -= self._level() - level
        return None

    def _level(self) -> float:
        """Median of the correction over the nodes: ln of the factor."""
        nodes = self._grid.nodes
        return median_of(self._mean[:nodes] + self._mean[nodes] + self._mean[nodes + 1] * self._slope_at)

    def _render(
        self,
        depth: npt.NDArray[np.floating],
        view: View,
        used: Sequence[AnchorMeasurement],
        share: float,
        uncertainty: npt.NDArray[np.floating] | None,
        reasons: list[str],
    ) -> CorrectedDepth:
        settings, nodes, grid = self.settings, self._grid.nodes, self._grid
        height, width = depth.shape
        variance = np.maximum(node_variance(self._covariance, self._slope_at), 0.0)
        before = node_variance(self._prior, self._slope_at)
        if not (np.isfinite(self._mean).all() and np.isfinite(variance).all()):
            self.reset()
            return self._render(depth, view, (), 0.0, uncertainty, [*reasons, "the filter lost its numbers: reset"])
        offset, slope = (float(value) for value in self._mean[nodes:])
        # Constants go into the nodes, and nothing is allocated but what is handed out: each pass over an image counts.
        smooth, log_depth = self._images(depth.shape)
        grid.to_image(self._mean[:nodes] + (offset - slope * REFERENCE), width, height, smooth)
        predicted = np.asarray(depth, dtype=np.float32)
        cv2.log(predicted, log_depth)  # some finite number where depth is none: it stays none, whatever it is times
        cv2.scaleAdd(log_depth, slope, smooth, smooth)
        detail = self._detail(log_depth) if settings.detail_sigma > 0 else None
        if detail is not None:
            cv2.add(smooth, detail, smooth)
        np.clip(smooth, -MAX_LOG, MAX_LOG, out=smooth)
        corrected = predicted * cv2.exp(smooth, smooth)
        log_correction = view.lattice.sampled(self._mean[:nodes] + (offset - slope * REFERENCE))
        log_correction = np.clip(log_correction + slope * view.log_predicted, -MAX_LOG, MAX_LOG)
        self._before = replace(view, log_correction=log_correction)
        anchored = float((variance < 0.5 * before).mean())
        narrowed = float((np.diag(self._covariance)[:nodes] < 0.5 * np.diag(self._field_prior)).mean())
        level: CorrectionLevel = "raw" if anchored == 0.0 else "factor" if narrowed < 0.05 else "field"
        known = log_correction[np.isfinite(log_correction)]
        typical = median_of(known) if len(known) else 0.0
        all_equal = np.full(nodes, 1.0 / nodes)
        mean_row = np.concatenate([all_equal, [1.0, float(self._slope_at.mean())]])
        sigma = math.sqrt(max(float(mean_row @ self._covariance @ mean_row), 0.0))
        if level != "field" and not reasons:
            reasons = ["no anchor has been given" if math.isinf(self._age) else "the last anchor is long ago"]
        report = CorrectionReport(
            level, math.exp(typical), sigma, tuple(dict.fromkeys(m.source for m in used)), self._age, anchored,
            sum(map(len, used)), share, "; ".join(reasons) or None,
        )  # fmt: skip
        deviation = partial(_deviation, grid, variance, (width, height), settings.prior.detail**2, uncertainty)
        return CorrectedDepth(corrected, report, deviation)


@OneBlasThread()
def _deviation(
    grid: Grid, variance: Array, size: tuple[int, int], rest: float, uncertainty: npt.NDArray[np.floating] | None
) -> npt.NDArray[np.float32]:
    """(H, W) standard deviation of ln depth: of the nodes, and what a pixel has beside them."""
    if uncertainty is None:
        return cv2.sqrt(grid.to_image(variance + rest, *size))
    spread = grid.to_image(variance, *size)
    spread += np.minimum(np.square(uncertainty, dtype=np.float32), np.float32(rest))
    return np.sqrt(spread, out=spread)
