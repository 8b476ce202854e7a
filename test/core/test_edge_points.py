"""Points beside depth edges: of a blurred step, of a right one, of one that is too far as a whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cinet_core.evaluation.true_edges import true_depth_edges, without_shadows
from cinet_core.metrics.edge_points import EdgePointMetrics

HEIGHT, WIDTH = 40, 60
EDGE = 30


def step(near: float = 1.0, far: float = 3.0) -> np.ndarray:
    """Something near on the left before something far."""
    depth = np.full((HEIGHT, WIDTH), far, np.float32)
    depth[:, :EDGE] = near
    return depth


def measured(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    metrics = EdgePointMetrics()
    metrics.update(prediction, truth, true_depth_edges(truth))
    return metrics.compute()


def test_the_edge_is_the_nearer_surfaces_last_pixel() -> None:
    found = true_depth_edges(step())
    assert found[:, EDGE - 1].all()
    assert found.sum() == HEIGHT


def test_right_depth_has_no_point_off() -> None:
    found = measured(step(), step())
    assert found == {
        "off": 0.0, "off_aligned": 0.0, "flying": 0.0, "away_off": 0.0, "away_off_aligned": 0.0,
        "beside": 7 / 60,  # the edge's column and three on either side
    }  # fmt: skip


def test_one_column_between_two_surfaces_flies() -> None:
    wrong = step()
    wrong[:, EDGE] = 2.0
    found = measured(wrong, step())
    assert found["off"] == found["off_aligned"] == found["flying"] == pytest.approx(1 / 7)
    assert found["away_off"] == 0.0


def test_what_lies_on_the_wrong_surface_is_off_but_does_not_fly() -> None:
    wrong = step()
    wrong[:, EDGE] = 1.0  # the object is a pixel too wide
    found = measured(wrong, step())
    assert found["off_aligned"] == pytest.approx(1 / 7)
    assert found["flying"] == 0.0


def test_the_scale_of_a_frame_is_no_flying() -> None:
    found = measured(1.3 * step(), step())
    assert found["off"] == found["away_off"] == 1.0
    assert found["off_aligned"] == found["flying"] == found["away_off_aligned"] == 0.0


@pytest.mark.parametrize(("error", "off"), [(0.09, 0.0), (0.11, 4 / 7), (0.14, 4 / 7), (0.16, 1.0)])
def test_off_is_beyond_a_part_and_a_length(error: float, off: float) -> None:
    """The limits are 10 cm at 1 m and 15 cm at 3 m."""
    metrics = EdgePointMetrics()
    metrics.update(step() + np.float32(error), step(), true_depth_edges(step()))
    assert metrics.compute()["off"] == pytest.approx(off)


def test_a_blurred_step_flies_by_its_width() -> None:
    def blurred(width: int) -> float:
        ramp = np.clip((np.arange(WIDTH) - EDGE + 0.5) / width + 0.5, 0, 1)
        return measured(np.tile(1 + 2 * ramp, (HEIGHT, 1)).astype(np.float32), step())["flying"]

    assert blurred(1) == 0.0
    assert blurred(2) == pytest.approx(2 / 7)  # 1.5 and 2.5
    assert blurred(4) == pytest.approx(4 / 7)


def test_only_points_with_truth_count() -> None:
    truth, wrong = step(), step()
    truth[:20] = 0.0
    wrong[:20] = 9.0
    wrong[30:] = np.nan  # not in the cloud
    metrics = EdgePointMetrics()
    metrics.update(wrong, truth, true_depth_edges(step()))
    assert metrics.sums[0] == 10 * 7
    assert metrics.compute()["off"] == 0.0


def test_nothing_known_or_no_edge() -> None:
    metrics = EdgePointMetrics()
    metrics.update(step(), np.zeros_like(step()), true_depth_edges(step()))
    assert metrics.is_empty
    found = measured(np.full((HEIGHT, WIDTH), 2.0), np.full((HEIGHT, WIDTH), 2.0))
    assert math.isnan(found["off"])
    assert (found["away_off"], found["beside"]) == (0.0, 0.0)
    with pytest.raises(ValueError, match=r"must all be \(H, W\)"):
        metrics.update(step(), step()[1:], true_depth_edges(step()))


def test_an_edge_is_found_beside_a_sensors_shadow() -> None:
    sensed = step()
    sensed[:, EDGE : EDGE + 12] = 0.0
    assert not true_depth_edges(np.where(sensed > 0, sensed, np.nan))[:, : EDGE - 1].any()
    np.testing.assert_array_equal(true_depth_edges(sensed), true_depth_edges(step()))
    wide = step()
    wide[:, EDGE - 25 : EDGE + 25] = 0.0
    np.testing.assert_array_equal(without_shadows(wide), wide)


def test_a_slanted_floor_is_no_edge() -> None:
    floor = np.tile((2.0 / np.linspace(0.2, 1.0, HEIGHT)[:, None]), (1, WIDTH)).astype(np.float32)
    assert not true_depth_edges(floor).any()
