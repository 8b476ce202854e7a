"""What a measurement says of the correction's state: ln of measured by predicted depth, and how well it is known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.grid import Array, Grid
from cinet_core.anchors.kalman import Observation
from cinet_core.anchors.measurement import AnchorMeasurement
from cinet_core.anchors.settings import FieldSettings

__all__ = ["MAX_SURPRISE", "REFERENCE", "observation_of"]

REFERENCE = math.log(2.0)
"""ln metres at which the slope changes nothing."""

CONTOUR = 0.15
"""Range of predicted ln depth around a point from which on it counts as a contour."""

EDGE = 0.5
"""Standard deviation of a point's ln depth, as a part of the range of predicted ln depth around it."""

MAX_SURPRISE = 1.0
"""ln of measured by expected depth beyond which a triangulated point is wrong: a factor of 2.7."""

EXACT_EDGE = 0.1
"""The same for detail around exact points."""


def observation_of(
    measurement: AnchorMeasurement,
    depth: npt.NDArray[np.floating],
    grid: Grid,
    settings: FieldSettings,
    seconds: float,
    mean: Array | None = None,
) -> Observation | None:
    """A measurement as observations of the state; None where it has no point with a prediction.

    A triangulated point's error is one of inverse depth: in ln depth it is the larger the farther the point is. Told at
    the depth that was measured, a point that came out too near by chance seems to be known better than one that came
    out too far, and all of them together are too near. So a point nearer than the state expects is known no better
    than it would be there.

    Args:
        measurement: with at least one point.
        depth: (H, W) predicted metres of the same view.
        grid: of the field.
        settings: of the estimator.
        seconds: since the observation before, by which errors that last are counted as less; infinite where there was
            none.
        mean: of the state that the measurement meets; None where nothing is expected of it.
    """
    size = np.array(measurement.size)
    places = (measurement.pixels + 0.5) / size
    height, width = depth.shape
    column, row = np.minimum((places * (width, height)).astype(np.intp), (width - 1, height - 1)).T
    predicted = depth[row, column].astype(np.float64)
    valid = (predicted > 0) & np.isfinite(predicted)
    if not valid.any():
        return None
    nearest, farthest = _around(depth, column[valid], row[valid])
    # A track beside an edge of predicted depth is on the nearer surface, whose contour the edge is.
    jump = np.log(farthest / nearest)
    places, log = places[valid], np.log(predicted[valid])
    if measurement.source in ("odometry", "motion"):
        log = np.where(jump > CONTOUR, np.log(nearest), log)
    values = np.log(measurement.depth[valid]) - log
    mix, weights = grid.weights(places)
    nodes, count = grid.nodes, len(values)
    columns = np.column_stack([mix, np.full(count, nodes), np.full(count, nodes + 1)])
    weights = np.column_stack([weights, np.ones(count), log - REFERENCE])
    own = measurement.variance[valid]
    if measurement.triangulated and mean is not None:
        surprise = values - (weights * mean[columns]).sum(axis=1)
        if not measurement.metric:  # whose factor says nothing
            surprise = surprise - np.median(surprise)
        own = own * np.exp(2.0 * np.clip(-surprise, 0.0, MAX_SURPRISE))
    # Detail that the grid cannot hold is one error for all points of a small cell, and the same again soon.
    cell = (places * (4 * grid.columns, 4 * grid.rows)).astype(np.intp)
    number = cell[:, 1] * 4 * grid.columns + cell[:, 0]
    crowd = np.bincount(number)[number]
    again = max(1.0, settings.detail_memory / max(seconds, 1e-3))
    lasting = max(1.0, measurement.memory / max(seconds, 1e-3))
    variance = (settings.prior.detail**2 * crowd + (EDGE * jump) ** 2) * again + own * lasting
    together = max(1.0, measurement.shared_memory / max(seconds, 1e-3))
    alone = own + (EXACT_EDGE * jump) ** 2
    return Observation(
        columns, weights, values, variance, measurement.modes[valid] * math.sqrt(together), places, alone
    )


def _around(
    depth: npt.NDArray[np.floating], column: npt.NDArray[np.intp], row: npt.NDArray[np.intp]
) -> tuple[Array, Array]:
    """(N,) each, the least and the greatest predicted depth within a hundredth of the image's width around pixels."""
    reach = max(1, round(depth.shape[1] / 100))
    steps = np.array([-reach, 0, reach])
    rows = np.clip(row[:, None, None] + steps[None, :, None], 0, depth.shape[0] - 1)
    columns = np.clip(column[:, None, None] + steps[None, None, :], 0, depth.shape[1] - 1)
    around = depth[rows, columns].reshape(len(row), -1).astype(np.float64)
    around = np.where((around > 0) & np.isfinite(around), around, depth[row, column][:, None])
    return around.min(axis=1), around.max(axis=1)
