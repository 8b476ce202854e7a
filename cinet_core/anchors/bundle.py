"""Bundle adjustment of a small window: depths of tracked points and motions of the camera, by Gauss-Newton.

Points are inverse depths along the rays of the current image; ``X_k = R_k x + t_k rho`` is a point in keyframe k up to
its depth, for the ray ``x = (x, y, 1)`` and the motion (R_k, t_k) from the current camera to that of the keyframe.
Unknown are ``lambda = ln rho`` of each point, and a rotation vector and translation of each motion; minimised are
distances on the image, with Huber's weights, and the distances from what was known before. Points are eliminated
(Schur's complement), so that a step solves 6 F equations for F keyframes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cinet_core.anchors.grid import Array
from cinet_core.threads import OneBlasThread

__all__ = ["BundleProblem", "BundleResult", "adjusted", "triangulated"]

PHASES = ((4, 1.5, False), (3, 3.0, True), (3, 2.0, True))
"""Iterations, standard deviations on the image at which a residual's weight falls, and whether it falls to 0. A fifth
of a real camera's tracks slide along edges; with Huber's weights alone, which never let go, they bend the motion, and
depth comes out a tenth too near."""

KEPT_MODES = 6
"""Shared errors that are kept as such; what is left counts as each point's own."""

WEAKEST = 1e-3
"""Part of what was expected of depths that remains where errors of the motions are told."""

MIN_RHO, MAX_RHO = 1e-3, 20.0
"""Inverse metres that a point may have."""


@dataclass(frozen=True, eq=False)
class BundleProblem:
    """What is measured and what is known before.

    Attributes:
        rays: (N, 2) x / z and y / z of the points in the current image.
        seen: (F, N, 2) the same in the keyframes, NaN where a point is not seen.
        motions: (F, 4, 4) from the current camera to those of the keyframes, before adjustment.
        motion_covariance: (6 F, 6 F) of each motion's rotation vector and translation, one after the other.
        certainty: (N, 2, 2) what differences on the image are multiplied by, see `TrackedFrame.certainty`.
        sigma: of a ray on the image, where certainty is 1.
        log_depth: (N,) ln metres expected before.
        log_depth_sigma: standard deviation of it.
    """

    rays: Array
    seen: Array
    motions: Array
    motion_covariance: Array
    certainty: Array
    sigma: float
    log_depth: Array
    log_depth_sigma: float


@dataclass(frozen=True, eq=False)
class BundleResult:
    """The adjusted window.

    Attributes:
        log_depth: (N,) ln metres by the images alone: what was expected before is taken out again.
        variance: (N,) of it, were the motions exact; infinite where the images say nothing.
        modes: (N, M) errors shared by way of the motions.
        motions: (F, 4, 4), adjusted.
        residual: (N,) root mean square distance on the image, in standard deviations.
        motion_change: mean squared change of the motions in their own standard deviations.
    """

    log_depth: Array
    variance: Array
    modes: Array
    motions: Array
    residual: Array
    motion_change: float


def triangulated(rays: Array, seen: Array, motions: Array, certainty: Array) -> Array:
    """(N,) inverse depth of the points by linear least squares of ``(X_xy - x_k X_z)``; clipped to be usable."""
    turned = _turned(rays, motions)
    there = np.nan_to_num(seen)
    shift = motions[:, None, :3, 3]
    constant = turned[..., :2] - there * turned[..., 2:]
    slope = shift[..., :2] - there * shift[..., 2:]
    weight = np.isfinite(seen[..., :1])
    constant, slope = (np.einsum("nij,fnj->fni", certainty, values) * weight for values in (constant, slope))
    return np.clip(
        -(constant * slope).sum(axis=(0, 2)) / np.maximum((slope**2).sum(axis=(0, 2)), 1e-12), MIN_RHO, MAX_RHO
    )


@OneBlasThread()
def adjusted(problem: BundleProblem) -> BundleResult:
    """Adjust a window. All arrays must be finite but for `BundleProblem.seen`."""
    frames = len(problem.seen)
    motions = problem.motions.copy()
    prior = np.asarray(np.linalg.inv(problem.motion_covariance), dtype=np.float64)
    log_rho: Array = -problem.log_depth
    prior_weight = problem.log_depth_sigma**-2
    change = np.zeros(6 * frames)
    for iterations, limit, letting_go in PHASES:
        damping = 1e-4
        system = _linearised(problem, motions, log_rho, limit, letting_go)
        for _ in range(iterations):
            step, points = _step(problem, system, prior, change, log_rho, prior_weight, damping)
            trial_motions = _moved(motions, step.reshape(frames, 6))
            trial_rho = np.minimum(log_rho + np.clip(points, -1.0, 1.0), np.log(MAX_RHO))
            trial_rho = np.maximum(trial_rho, np.log(MIN_RHO)).astype(np.float64)
            trial = _linearised(problem, trial_motions, trial_rho, limit, letting_go)
            cost = [
                one.cost + total @ prior @ total + prior_weight * float(((rho + problem.log_depth) ** 2).sum())
                for one, total, rho in ((system, change, log_rho), (trial, change + step, trial_rho))
            ]
            if cost[1] > cost[0]:
                damping *= 30.0
                continue
            motions, log_rho, change, system = trial_motions, trial_rho, change + step, trial
            damping = max(damping / 10.0, 1e-6)
            if cost[0] - cost[1] < 1e-3 * cost[0] + 1e-9:
                break
    return _result(problem, system, motions, log_rho, prior, prior_weight, change)


@dataclass(frozen=True, eq=False)
class _System:
    """Normal equations at a point: of motions (6 F, 6 F), of points (N,), and between them (N, 6 F)."""

    motion: Array
    motion_push: Array
    point: Array
    point_push: Array
    between: Array
    cost: float
    squares: Array


def _turned(rays: Array, motions: Array) -> Array:
    """(F, N, 3) R x."""
    full = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    return full @ motions[:, :3, :3].transpose(0, 2, 1)


def _linearised(problem: BundleProblem, motions: Array, log_rho: Array, limit: float, letting_go: bool) -> _System:
    frames, count = problem.seen.shape[:2]
    rho = np.exp(log_rho)
    turned = _turned(problem.rays, motions)
    shift = motions[:, None, :3, 3]
    x, y, z = np.moveaxis(turned + shift * rho[:, None], -1, 0)
    behind = z < 1e-3
    z = np.where(behind, 1.0, z)
    rest = np.stack([x / z, y / z], axis=-1) - problem.seen
    valid = np.isfinite(rest[..., 0]) & ~behind
    whitening = problem.certainty / problem.sigma
    rest = np.einsum("nij,fnj->fni", whitening, np.where(valid[..., None], rest, 0.0))
    squares = (rest**2).sum(axis=-1)
    distance = np.sqrt(squares)
    if letting_go:  # Geman and McClure
        share = 1.0 / (1.0 + squares / limit**2)
        weight, loss = share**2, squares * share
    else:  # Huber
        weight = np.minimum(1.0, limit / np.maximum(distance, 1e-9))
        loss = np.where(distance < limit, squares, limit * (2 * distance - limit))
    weight, cost = np.where(valid, weight, 0.0), float(loss[valid].sum())
    # Rows of the projection's derivative by X, whitened.
    by_point = np.empty((*z.shape, 2, 3))
    by_point[..., :2] = whitening / z[..., None, None]
    by_point[..., 2] = -(whitening @ (np.stack([x, y], axis=-1) / (z**2)[..., None])[..., None])[..., 0]
    # dX = omega x (R x) + rho tau + rho t dlambda
    by_turn = np.cross(turned[:, :, None, :], by_point)  # row . (omega x p) = omega . (p x row)
    by_shift = by_point * rho[None, :, None, None]
    motion = np.concatenate([by_turn, by_shift], axis=-1)
    point = (by_shift * shift[:, :, None, :]).sum(axis=-1)
    weighted = motion * weight[..., None, None]
    blocks = np.einsum("fnia,fnib->fab", weighted, motion, optimize=True)
    whole = np.zeros((6 * frames, 6 * frames))
    for number in range(frames):
        whole[6 * number : 6 * number + 6, 6 * number : 6 * number + 6] = blocks[number]
    between = (weighted * point[..., None]).sum(axis=2).transpose(1, 0, 2).reshape(count, 6 * frames)
    push = -(weighted * rest[..., None]).sum(axis=(1, 2)).ravel()
    both = weight[..., None] * point
    return _System(
        whole, push, (both * point).sum(axis=(0, 2)), -(both * rest).sum(axis=(0, 2)), between, cost,
        (squares * valid).sum(axis=0) / np.maximum(valid.sum(axis=0), 1),
    )  # fmt: skip


def _step(
    problem: BundleProblem, system: _System, prior: Array, change: Array, log_rho: Array, prior_weight: float,
    damping: float,
) -> tuple[Array, Array]:  # fmt: skip
    point = system.point * (1 + damping) + prior_weight
    point_push = system.point_push - prior_weight * (log_rho + problem.log_depth)
    scaled = system.between / point[:, None]
    reduced = system.motion + damping * np.diag(np.diag(system.motion)) + prior - system.between.T @ scaled
    push = system.motion_push - prior @ change - scaled.T @ point_push
    step = np.linalg.solve(reduced, push)
    return step, (point_push - system.between @ step) / point


def _moved(motions: Array, steps: Array) -> Array:
    moved = motions.copy()
    for matrix, step in zip(moved, steps, strict=True):
        matrix[:3, :3] = cv2.Rodrigues(step[:3])[0] @ matrix[:3, :3]
        matrix[:3, 3] += step[3:]
    return moved


def _result(
    problem: BundleProblem, system: _System, motions: Array, log_rho: Array, prior: Array, prior_weight: float,
    change: Array,
) -> BundleResult:  # fmt: skip
    point = system.point + prior_weight
    data = np.maximum(system.point, 1e-12)
    # By the images alone, here too: what was expected of 400 points, each for itself, would fix the length of the way.
    weak = system.point + WEAKEST * prior_weight
    covariance = np.linalg.inv(system.motion + prior - system.between.T @ (system.between / weak[:, None]))
    factor = np.linalg.cholesky(0.5 * (covariance + covariance.T) + 1e-15 * np.eye(len(covariance)))
    # By the images alone: the information of what was expected is taken out of estimate and variance.
    log_depth = (point * -log_rho - prior_weight * problem.log_depth) / data
    shared = -(system.between / data[:, None]) @ factor
    # Points that nothing is known of must not choose which errors are kept as shared ones.
    known = 1.0 / np.sqrt(1.0 / data + (shared**2).sum(axis=1))
    weighted = shared * known[:, None]
    _, vectors = np.linalg.eigh(weighted.T @ weighted)
    rotated = shared @ vectors[:, ::-1]
    kept, rest = rotated[:, :KEPT_MODES], rotated[:, KEPT_MODES:]
    return BundleResult(
        log_depth=log_depth,
        variance=1.0 / data + (rest**2).sum(axis=1),
        modes=kept,
        motions=motions,
        residual=np.sqrt(system.squares),
        motion_change=float(change @ prior @ change) / len(change),
    )
