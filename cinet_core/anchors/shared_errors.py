"""Errors of many values, most of each value's own and a few that all share: a Kalman filter without a full covariance.

The truth of value i is its estimate plus ``a_i + U_i c``: an own error a_i of variance v_i, and a row U_i of K modes
times errors c that all values share, each of unit variance. A measurement of some of them, ``y = a + U c + n + M s``,
has own noise n and shared errors s of its own. Given c and s the values are independent, so that K + 1 or so numbers
are solved for, whatever the number of values::

    (c, s) ~ N(C G^T D y, C),   C = (I + G^T D G)^-1,   G = (U, M),   D = diag(1 / (v + r))

with r the variance of n. Each value then takes its part ``k = v / (v + r)`` of what is left of y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cinet_core.anchors.grid import Array

__all__ = ["AGREEMENT", "SharedErrors", "compressed", "fused", "one_factor"]

AGREEMENT = 3.0
"""Standard deviations beyond which a measured value's weight falls with the square of its distance."""


@dataclass(frozen=True, eq=False)
class SharedErrors:
    """What a measurement makes of values.

    Attributes:
        shift: (N,) to be added to all values.
        variance: (N,) of each one's own error.
        modes: (N, K + M) shared errors, see `compressed`.
        offset: (M,) of the measurement's own shared errors; 0 is what was expected.
        factor: (M, K + M) by which they go on being uncertain, in the same errors as `modes`.
        ratio: (A,) of what is left of each measured value to its standard deviation.
    """

    shift: Array
    variance: Array
    modes: Array
    offset: Array
    factor: Array
    ratio: Array


def fused(
    variance: Array, modes: Array, places: np.ndarray, values: Array, noise: Array, noise_modes: Array, again: float
) -> SharedErrors:
    """Update values by a measurement of some of them.

    Args:
        variance: (N,) v.
        modes: (N, K) U.
        places: (A,) numbers of the values that are measured.
        values: (A,) y, measured less estimated.
        noise: (A,) variance of n.
        noise_modes: (A, M) M, already as uncertain as it is to count.
        again: factor on `noise` for what the measurement counts, 1 or above: it repeats a part of the one before.
    """
    count = noise_modes.shape[1]
    both = np.hstack([modes[places], noise_modes])
    alone, weight = variance[places], np.ones(len(places))
    spread = np.sqrt(alone + noise)
    for _ in range(2):
        certainty = weight / (alone + again * noise)
        information = np.eye(both.shape[1]) + both.T @ (both * certainty[:, None])
        covariance = np.linalg.inv(information)
        common = covariance @ (both.T @ (certainty * values))
        rest = values - both @ common
        ratio = np.abs(rest) / spread
        weight = np.where(ratio > AGREEMENT, (AGREEMENT / np.maximum(ratio, 1e-9)) ** 2, 1.0)
    part = weight * alone / (weight * alone + again * noise)
    factor = np.linalg.cholesky(0.5 * (covariance + covariance.T))
    full = np.hstack([modes, np.zeros((len(modes), count))])
    full[places, :-count] *= (1.0 - part)[:, None]
    full[places, -count:] = -part[:, None] * noise_modes
    shift = modes @ common[:-count]
    shift[places] += part * rest
    left = variance.copy()
    left[places] *= 1.0 - part
    return SharedErrors(shift, left, full @ factor, common[-count:], factor[-count:], ratio)


def compressed(variance: Array, modes: Array, kept: int) -> tuple[Array, Array]:
    """(N,) own variances and (N, kept) modes, those by which the most is uncertain; the rest counts as each one's own.

    Args:
        variance: (N,).
        modes: (N, K), any number of modes.
        kept: how many to keep.
    """
    if modes.shape[1] <= kept:
        return variance, np.hstack([modes, np.zeros((len(modes), kept - modes.shape[1]))])
    # What is known least must not choose the modes: it matters least.
    weighted = modes / np.sqrt(variance + (modes**2).sum(axis=1))[:, None]
    _, vectors = np.linalg.eigh(weighted.T @ weighted)
    turned = modes @ vectors[:, ::-1]
    return variance + (turned[:, kept:] ** 2).sum(axis=1), turned[:, :kept]


def one_factor(variance: Array, modes: Array) -> tuple[float, Array]:
    """Standard deviation of the factor that all depths are off by, and (N,) variance of each point beside it.

    What else is in modes grows with depth or leans to one side, as a network's own errors do. An estimator that is to
    choose between the two blames the motion, and takes the factor from where its error would be 0, which no point is
    near: it counts as the points' own.

    Args:
        variance: (N,) of each point's own error of ln depth.
        modes: (N, M) shared errors.
    """
    factor = float(np.linalg.norm(modes.mean(axis=0)))
    return factor, variance + np.maximum((modes**2).sum(axis=1) - factor**2, 0.0)
