"""What is worked out cheaply is what is worked out plainly."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from slanted_wall import CAMERA, scene, small_sensor, smooth_error

from cinet_core import threads
from cinet_core.anchors import FieldEstimator
from cinet_core.anchors.carry import median_of, view_of
from cinet_core.anchors.detail import FADE, _sliced
from cinet_core.anchors.grid import FieldPrior, Grid
from cinet_core.anchors.kalman import Observation, completed, node_variance, observed, prediction_variance
from cinet_core.anchors.lattice import Lattice

GRID = Grid()


def covariance(rng: np.random.Generator, size: int) -> np.ndarray:
    root = rng.normal(size=(size, size)) / np.sqrt(size)
    return root @ root.T + 0.1 * np.eye(size)


def test_a_lattice_gives_and_takes_as_its_points_do() -> None:
    rng = np.random.default_rng(0)
    lattice = Lattice.of(320, 240, 6, GRID)
    assert Lattice.of(320, 240, 6, GRID) is lattice
    values, nodes = rng.normal(size=lattice.shape), rng.normal(size=GRID.nodes)
    mix, weights = GRID.weights(lattice.places)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(lattice.spread(values), GRID.sums(lattice.places, values.reshape(1, -1))[0], atol=1e-9)
    np.testing.assert_allclose(lattice.sampled(nodes), (weights * nodes[mix]).sum(axis=1), atol=1e-9)
    rays = lattice.rays(CAMERA.resized(320, 240))
    assert rays.shape == (3, len(lattice.places))


@pytest.mark.parametrize("holes", [False, True])
def test_the_mean_around_nodes_leaves_invalid_pixels_out(holes: bool) -> None:
    depth = np.full((240, 320), 3.0, np.float32)
    if holes:
        depth[:, ::5] = np.nan
    view = view_of(depth, CAMERA.resized(320, 240), None, GRID)
    np.testing.assert_allclose(view.mean_logs(), np.log(3.0), atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_the_median_is_the_median(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    assert median_of(values) == np.median(values)


def test_an_update_that_says_nothing_of_most_nodes_is_the_same() -> None:
    """One row of an image, with shared errors, against Bayes' rule with all the matrices."""
    rng = np.random.default_rng(1)
    size, count = GRID.nodes + 2, 40
    before, mean = covariance(rng, size), rng.normal(size=size)
    places = np.column_stack([rng.random(count), np.full(count, 0.52)])
    mix, weights = GRID.weights(places)
    columns = np.column_stack([mix, np.full(count, size - 2), np.full(count, size - 1)])
    weights = np.column_stack([weights, np.ones(count), rng.normal(size=count)])
    one = Observation(columns, weights, rng.normal(size=count), rng.uniform(0.1, 1, count), rng.normal(size=(count, 2)))
    matrix = np.zeros((count, size))
    np.put_along_axis(matrix, columns, weights, axis=1)
    noise = np.diag(one.variance) + one.modes @ one.modes.T
    gain = before @ matrix.T @ np.linalg.inv(matrix @ before @ matrix.T + noise)
    found_mean, found = observed(mean, before, one)
    np.testing.assert_allclose(found_mean, mean + gain @ (one.values - matrix @ mean), atol=1e-9)
    np.testing.assert_allclose(found, before - gain @ matrix @ before, atol=1e-9)


def test_the_variance_of_nodes_is_that_of_what_they_predict() -> None:
    rng = np.random.default_rng(2)
    nodes, slopes = GRID.nodes, rng.normal(size=GRID.nodes)
    state = covariance(rng, nodes + 2)
    columns = np.column_stack([np.arange(nodes), np.full(nodes, nodes), np.full(nodes, nodes + 1)])
    weights = np.column_stack([np.ones(nodes), np.ones(nodes), slopes])
    own = Observation(columns, weights, np.zeros(nodes), np.ones(nodes), np.zeros((nodes, 0)))
    np.testing.assert_allclose(node_variance(state, slopes), prediction_variance(state, own), atol=1e-9)


def test_a_precision_at_hand_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    prior = GRID.covariance(FieldPrior())
    state, mean, seen = covariance(rng, GRID.nodes + 2), rng.normal(size=GRID.nodes + 2), rng.random(GRID.nodes) < 0.8
    plain = completed(mean, state, seen, prior)
    quick = completed(mean, state, seen, prior, np.linalg.inv(prior))
    for one, two in zip(plain, quick, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)
    old = seen.nonzero()[0]
    gain = np.linalg.solve(prior[np.ix_(old, old)], prior[old]).T
    np.testing.assert_allclose(quick[0][: GRID.nodes][~seen], (gain @ mean[old])[~seen], atol=1e-6)


@pytest.mark.parametrize("width", [160, 333, 640])
def test_slicing_is_trilinear(width: int) -> None:
    rng = np.random.default_rng(width)
    height, cell, low, thickness, bins = 3 * width // 4, width / 80, -0.3, 0.08, 12
    rows, columns = int(np.ceil(height / cell)) + 1, int(np.ceil(width / cell)) + 1
    grid = rng.normal(size=(rows, columns, bins)).astype(np.float32)
    log_depth = rng.uniform(low - 0.4, low + 1.4, (height, width)).astype(np.float32)
    found = _sliced(grid, log_depth, low, thickness, cell)
    deep = np.zeros((rows, columns, bins + 2 * FADE))
    deep[..., FADE:-FADE] = grid
    deep[..., FADE - 1], deep[..., -FADE] = 0.5 * grid[..., 0], 0.5 * grid[..., -1]
    y, x = np.mgrid[0:height, 0:width] + 0.5
    exact = np.stack([y / cell, x / cell, np.clip((log_depth - low) / thickness + FADE, 0, bins + 2 * FADE - 1.001)])
    base = np.minimum(exact.astype(int), np.array([rows - 2, columns - 2, bins + 2 * FADE - 2])[:, None, None])
    part, plain = exact - base, np.zeros((height, width))
    for corner in np.ndindex(2, 2, 2):
        step = np.array(corner)[:, None, None]
        plain += np.where(step, part, 1 - part).prod(axis=0) * deep[tuple(base + step)]
    # OpenCV looks up at 32nds of a cell: values here differ by their standard deviation from one cell to the next.
    assert np.abs(found - plain).mean() < 0.015
    assert np.abs(found - plain).max() < 0.12


def test_uncertainty_is_made_when_it_is_asked_for() -> None:
    truth = scene()
    result = FieldEstimator().update(truth * np.exp(smooth_error()), CAMERA, [small_sensor(truth)])
    assert "uncertainty" not in vars(result)
    first = result.uncertainty
    assert first.dtype == np.float32
    assert first.shape == truth.shape
    assert result.uncertainty is first


def test_openblas_has_one_thread_within_and_its_own_number_again_after() -> None:
    getters = [getter for _, getter in threads._openblas()]
    if not getters:
        pytest.skip("NumPy has another library than OpenBLAS here")
    before = [getter() for getter in getters]
    with threads.OneBlasThread():
        with threads.OneBlasThread():
            assert {getter() for getter in getters} == {1}
        assert {getter() for getter in getters} == {1}
        threads._blas.use(2)  # what is told within holds after
        assert {getter() for getter in getters} == {1}
    after = [getter() for getter in getters]
    assert all(number in (1, 2) for number in after)  # no more than there are cores
    for (setter, getter), number in zip(threads._openblas(), before, strict=True):
        setter(ctypes.c_int(number))
        assert getter() == number
