from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib", reason="figures are an extra: pip install 'cinet[charts]'")

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cinet_core.figures.attention import Mark, MarkedFrame, attention_figure
from cinet_core.figures.attention_rows import (
    attention_row,
    class_centres,
    class_name,
    ideal_row,
    pixel_at,
    position_of,
)
from cinet_core.label_sets import NYU40
from cinet_core.model.scene_understanding import ideal_attention

VOID = 255


@pytest.fixture
def labels() -> np.ndarray:
    """A wall (0) with a door (7) in it over a floor (1), and some void."""
    labels = np.zeros((12, 16), np.uint8)
    labels[8:] = 1
    labels[2:8, 10:14] = 7
    labels[0, :3] = VOID
    return labels


def test_the_ideal_row_is_that_of_the_ideal_map(labels: np.ndarray) -> None:
    whole = ideal_attention(torch.from_numpy(labels)[None], 40)[0].numpy()
    for position in (0, 5, 16 * 9 + 3, 16 * 4 + 12):
        row = ideal_row(labels, 40, position)
        np.testing.assert_array_equal(np.nan_to_num(row).ravel(), whole[position])
        void = (labels == VOID) | (labels.ravel()[position] == VOID)
        np.testing.assert_array_equal(np.isnan(row), void)
    np.testing.assert_array_equal(ideal_row(labels, 40, 16 * 4 + 12) == 1, labels == 7)


def test_ids_beyond_the_classes_are_void(labels: np.ndarray) -> None:
    assert np.isnan(ideal_row(labels, 7, 5)[labels == 7]).all()
    assert np.isnan(ideal_row(labels, 7, 16 * 4 + 12)).all()


def test_the_predicted_row_is_that_of_the_whole_map() -> None:
    generator = np.random.default_rng(1)
    query, key = generator.normal(size=(2, 12 * 16, 8)).astype(np.float32)
    whole = torch.sigmoid(torch.from_numpy(query) @ torch.from_numpy(key).T).numpy()
    for position in (0, 77, 191):
        row = attention_row(query, key, position, (12, 16))
        np.testing.assert_allclose(row.ravel(), whole[position], atol=1e-6)
    with pytest.raises(ValueError, match="12x15"):
        attention_row(query, key, 0, (12, 15))


def test_saturated_logits_neither_overflow_nor_warn() -> None:
    key = np.array([[1e4], [-1e4]], np.float32)
    assert attention_row(np.ones((2, 1), np.float32), key, 0, (1, 2)).tolist() == [[1.0, 0.0]]


def test_one_position_deep_in_each_large_class(labels: np.ndarray) -> None:
    labels[11, 15] = 30  # too small to be marked
    centres = class_centres(labels, 40, 5)
    assert [labels.ravel()[position] for position in centres] == [0, 1, 7], "the largest first"
    row, column = divmod(centres[2], 16)
    assert 3 <= row <= 6, "not at the edge of the door"
    assert 11 <= column <= 12
    assert class_centres(labels, 40, 2) == centres[:2]
    assert class_centres(np.full((4, 4), VOID, np.uint8), 40, 3) == []


def test_the_largest_class_is_marked_however_small() -> None:
    labels = np.full((20, 20), VOID, np.uint8)
    labels[3, 4] = 9
    assert class_centres(labels, 40, 3) == [3 * 20 + 4]


def test_pixels_and_positions() -> None:
    image, features = (93, 125), (12, 16)
    for position in range(12 * 16):
        assert position_of(pixel_at(position, image, features), image, features) == position
    assert position_of((0, 0), image, features) == 0
    assert position_of((124, 92), image, features) == 12 * 16 - 1
    with pytest.raises(ValueError, match=r"125,0 is outside the image: u goes from 0 to 124"):
        position_of((125, 0), image, features)


def rendered(figure: Figure) -> np.ndarray:
    """(H, W, 3) uint8 of a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def inside(figure: Figure, axes: Axes) -> np.ndarray:
    """What is drawn within axes, without their frame."""
    box, image = axes.get_window_extent(), rendered(figure)
    top, bottom = (round(len(image) - y) for y in (box.y1, box.y0))
    return image[top + 3 : bottom - 3, round(box.x0) + 3 : round(box.x1) - 3]


def test_a_map_has_blocks_of_one_colour_and_hatches_what_is_unknown() -> None:
    row = np.array([[0.0, 1.0], [0.5, np.nan]], np.float32)
    frame = MarkedFrame("room", np.zeros((80, 80, 3), np.uint8), [Mark((39, 39), None, {"network": row})])
    figure = attention_figure([frame], tile=80)
    drawn = inside(figure, figure.axes[2])
    corners = [drawn[:20, :20], drawn[:20, -20:], drawn[-20:, :20], drawn[-20:, -20:]]
    black, bright, middle = (np.unique(corner.reshape(-1, 3), axis=0) for corner in corners[:3])
    assert [len(colors) for colors in (black, bright, middle)] == [1, 1, 1]
    assert black.sum() < middle.sum() < bright.sum()
    assert len(np.unique(corners[3].reshape(-1, 3), axis=0)) > 1, "hatched"


def test_the_figure_marks_the_pixel_in_every_image(labels: np.ndarray) -> None:
    image = np.full((48, 64, 3), 200, np.uint8)
    ideal = ideal_row(labels, 40, 16 * 4 + 12)
    both = {"with": np.nan_to_num(ideal), "without": np.full_like(ideal, 0.5)}
    figure = attention_figure([MarkedFrame("room", image, [Mark((50, 18), ideal, both, "door")])], tile=200)
    marked = [axes for axes in figure.axes if axes.lines]
    assert len(marked) == 4, "the image, the ideal row and two predicted ones"
    for axes in marked:
        assert axes.lines[0].get_xydata().tolist() == [[50, 18]]
        assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 63.5), (47.5, -0.5)), "one frame of pixels for all"
    assert marked[0].get_title(loc="left") == "room: door"
    assert marked[2].get_title(loc="left").startswith("same class")
    unlabelled = attention_figure([MarkedFrame("room", image, [Mark((50, 18), None, both)])], tile=64)
    assert [len(axes.lines) for axes in unlabelled.axes[:4]] == [1, 0, 1, 1]
    assert unlabelled.axes[1].texts[0].get_text() == "no labels"


def test_the_predicted_row_is_drawn_as_the_ideal_one_where_they_are_equal(labels: np.ndarray) -> None:
    ideal = ideal_row(np.where(labels == VOID, 0, labels), 40, 0)
    frame = MarkedFrame("room", np.zeros((48, 64, 3), np.uint8), [Mark((3, 3), ideal, {"network": ideal})])
    figure = attention_figure([frame], tile=64)
    second, third = (axes.images[0] for axes in figure.axes[1:3])
    np.testing.assert_array_equal(second.get_array(), ideal)
    np.testing.assert_array_equal(inside(figure, figure.axes[1]), inside(figure, figure.axes[2]))
    assert second.get_clim() == third.get_clim() == (0.0, 1.0)


def test_marks_of_different_networks_or_none_are_refused() -> None:
    row, image = np.zeros((2, 2)), np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="no pixel is marked"):
        attention_figure([MarkedFrame("a", image, [])])
    frames = [MarkedFrame(name, image, [Mark((0, 0), None, {name: row})]) for name in "ab"]
    with pytest.raises(ValueError, match=r"b has attention of \['b'\]"):
        attention_figure(frames)


def test_names_of_classes(labels: np.ndarray) -> None:
    assert class_name(labels, NYU40, 16 * 4 + 12) == "door"
    assert class_name(labels, NYU40, 0) == "unlabelled"
