"""The filter of the correction's state: nodes of the field, then offset and slope. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.grid import Array

__all__ = ["Observation", "completed", "decayed", "node_variance", "observed", "predicted_log", "prediction_variance"]

FEW = 0.6
"""Part of the state, below which an update by what is observed alone is cheaper."""


@dataclass(frozen=True, eq=False)
class Observation:
    """Linear observations of the state, ``y = sum of weights * state + error``.

    Attributes:
        columns: (N, C) numbers of entries of the state.
        weights: (N, C).
        values: (N,) y.
        variance: (N,) of each one's own error.
        modes: (N, M) shared errors of unit variance.
        places: (N, 2) of the image, 0 to 1; of what is observed in an image.
        alone: (N,) variance of each point's measurement without what the grid cannot hold; likewise.
    """

    columns: npt.NDArray[np.intp]
    weights: Array
    values: Array
    variance: Array
    modes: Array
    places: Array | None = None
    alone: Array | None = None


def decayed(mean: Array, covariance: Array, prior: Array, kept: Array) -> tuple[Array, Array]:
    """Ornstein-Uhlenbeck: each entry keeps a part of itself, and the prior makes up for the rest of its variance.

    Args:
        mean: (S,) of the state; that of the prior is 0.
        covariance: (S, S).
        prior: (S, S).
        kept: (S,) 0 to 1.
    """
    left = covariance - prior
    left *= kept[:, None]
    left *= kept
    left += prior
    return kept * mean, left


def completed(
    mean: Array,
    covariance: Array,
    seen: npt.NDArray[np.bool_],
    field_prior: Array,
    field_precision: Array | None = None,
) -> tuple[Array, Array]:
    """Give nodes that were not seen the Gaussian process's distribution given those that were.

    Args:
        mean: (S,) of the state; what it holds at nodes not seen is not read.
        covariance: (S, S), likewise.
        seen: (nodes,) bool.
        field_prior: (nodes, nodes) covariance of the field.
        field_precision: its inverse, where that is at hand.
    """
    nodes = len(seen)
    if seen.all():
        return mean, covariance
    mean, covariance = mean.copy(), covariance.copy()
    new, old = np.nonzero(~seen)[0], np.nonzero(seen)[0]
    known = np.concatenate([old, np.arange(nodes, len(mean))])
    mean[new] = 0.0
    covariance[new] = covariance[:, new] = 0.0
    if not len(old):
        covariance[np.ix_(new, new)] = field_prior
        return mean, covariance
    # f_new = C f_old + e, and so on for its covariance with all that is known. By the rows of the precision that belong
    # to the new ones, which are few, C = -Q_nn^-1 Q_no, and the covariance of e is Q_nn^-1.
    precision = np.linalg.inv(field_prior) if field_precision is None else field_precision
    rest = np.linalg.inv(precision[np.ix_(new, new)])
    gain = -rest @ precision[np.ix_(new, old)]
    mean[new] = gain @ mean[old]
    with_known = gain @ covariance[np.ix_(old, known)]
    covariance[np.ix_(new, known)] = with_known
    covariance[np.ix_(known, new)] = with_known.T
    covariance[np.ix_(new, new)] = rest + with_known[:, : len(old)] @ gain.T
    return mean, covariance


def predicted_log(mean: Array, observation: Observation) -> Array:
    """(N,) what the state expects to be observed."""
    return (observation.weights * mean[observation.columns]).sum(axis=1)


def prediction_variance(covariance: Array, observation: Observation) -> Array:
    """(N,) variance of `predicted_log` by the state's covariance."""
    columns, weights = observation.columns, observation.weights
    parts = covariance[columns[:, :, None], columns[:, None, :]]
    return np.einsum("ni,nij,nj->n", weights, parts, weights)


def node_variance(covariance: Array, slopes: Array) -> Array:
    """(nodes,) variance of node plus offset plus `slopes` (nodes,) times slope, by the state's covariance."""
    nodes = len(slopes)
    by_offset, by_slope = covariance[:, nodes], covariance[:, nodes + 1]
    total = covariance.diagonal()[:nodes] + 2.0 * (by_offset[:nodes] + slopes * (by_slope[:nodes] + by_slope[nodes]))
    total += by_offset[nodes]
    total += slopes**2 * by_slope[nodes + 1]
    return total


def observed(mean: Array, covariance: Array, observation: Observation) -> tuple[Array, Array]:
    """The state after observations, in information form: Bayes' rule for Gaussians.

    With ``R = diag(v) + M M^T`` the information is ``H^T R^-1 H``, by Woodbury's identity without an (N, N) matrix.
    """
    size = len(mean)
    columns, weights = observation.columns, observation.weights
    certainty = 1.0 / observation.variance
    rest = (observation.values - predicted_log(mean, observation)) * certainty
    # Of each pair of columns one order, since the other one is the same.
    first, second = np.triu_indices(columns.shape[1])
    pairs = columns[:, first] * size + columns[:, second]
    products = weights[:, first] * weights[:, second]
    products *= np.where(first == second, 0.5, 1.0) * certainty[:, None]
    half = np.bincount(pairs.ravel(), products.ravel(), minlength=size * size).reshape(size, size)
    information = half + half.T
    flat = columns.ravel()
    push = np.bincount(flat, (weights * rest[:, None]).ravel(), minlength=size)
    modes = observation.modes
    if modes.shape[1]:
        weighted = modes * certainty[:, None]
        across = np.stack([
            np.bincount(flat, (weights * one[:, None]).ravel(), minlength=size) for one in weighted.T
        ])  # fmt: skip
        inner = np.eye(modes.shape[1]) + modes.T @ weighted
        solved = np.linalg.solve(inner, np.column_stack([across, modes.T @ rest]))
        information -= across.T @ solved[:, :-1]
        push -= across.T @ solved[:, -1]
    told = np.flatnonzero(np.bincount(flat, minlength=size))
    if len(told) < FEW * size:  # nothing is said of the others: P - P_s (I + L_ss P_ss)^-1 L_ss P_s^T, and likewise
        known = covariance[told]
        inner = information[np.ix_(told, told)]
        right = np.column_stack([inner, push[told]])
        solved = np.linalg.solve(np.eye(len(told)) + inner @ known[:, told], right)
        new = covariance - known.T @ (solved[:, :-1] @ known)
        return mean + known.T @ solved[:, -1], 0.5 * (new + new.T)
    # (P^-1 + L)^-1 = (I + P L)^-1 P
    right = np.empty((size, size + 1))
    right[:, :-1] = covariance
    right[:, -1] = covariance @ push
    both = covariance @ information
    both.flat[:: size + 1] += 1.0
    solution = np.linalg.solve(both, right)
    new = solution[:, :-1]
    return mean + solution[:, -1], 0.5 * (new + new.T)
