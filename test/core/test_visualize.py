from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from cinet_core.geometry import Intrinsics, unproject
from cinet_core.label_sets import NYU40
from cinet_core.open3d_loading import Open3DError, load_open3d
from cinet_core.rooms.demo.room import SyntheticFrame, SyntheticRoom
from cinet_core.tasks.panel import WARNING, panel
from cinet_core.visualize import (
    colorize_depth,
    colorize_labels,
    depth_range,
    depth_scale_bar,
    legend,
    overlay,
    render_cloud,
    write_ply,
)
from cinet_core.visualize.cloud import CAMERA
from cinet_core.visualize.labels import ROW
from cinet_core.visualize.scale import BAR_WIDTH, INVALID_COLOR, MARGIN, _ticks, round_ticks
from cinet_core.visualize.text import BACKGROUND, shortened, text_width, wrapped


@dataclass(frozen=True)
class Shown:
    depth: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    intrinsics: Intrinsics | None

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        return {"depth": self.depth, "labels": self.labels, "confidence": self.confidence}


@pytest.fixture(scope="module")
def room() -> SyntheticRoom:
    return SyntheticRoom(width=160, height=120)


@pytest.fixture(scope="module")
def view(room: SyntheticRoom) -> SyntheticFrame:
    return room.render(32)


@pytest.fixture
def shown(room: SyntheticRoom, view: SyntheticFrame) -> Shown:
    return Shown(view.depth, view.labels, np.full(view.labels.shape, 204, np.uint8), room.intrinsics)


def has_color(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (image == np.array(color)).all(axis=-1)


def test_depth_runs_from_bright_to_dark_and_invalid_is_grey() -> None:
    depth = np.array([[0.5, 1.0, 2.0, 3.0, 4.0], [np.nan, 0.0, -1.0, np.inf, 9.0]])
    image = colorize_depth(depth, near=1.0, far=4.0)
    assert image.dtype == np.uint8
    brightness = image[0].astype(int).sum(axis=1)
    assert brightness[0] == brightness[1], "nearer than near is clamped"
    assert (np.diff(brightness[1:]) < 0).all()
    assert image[0, 1].tolist() == [253, 231, 37], "viridis' yellow, in RGB order"
    assert has_color(image, INVALID_COLOR).tolist() == [[False] * 5, [True, True, True, True, False]]
    np.testing.assert_array_equal(image[1, 4], image[0, 4])


def test_depth_range_ignores_what_is_invalid() -> None:
    depth = np.concatenate([np.linspace(1.0, 3.0, 1000), [np.nan, 0.0, np.inf]])[None]
    assert depth_range(depth) == pytest.approx((1.02, 2.98), abs=0.005)
    assert depth_range(np.full((3, 3), np.nan)) == (0.0, 1.0)
    near, far = depth_range(np.full((3, 3), 2.0))
    assert far - near == pytest.approx(0.1)
    assert has_color(colorize_depth(np.full((2, 2), np.nan)), INVALID_COLOR).all()


def test_an_empty_depth_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"near 2\.0 m is not below far 2\.0"):
        colorize_depth(np.ones((2, 2)), 2.0, 2.0)
    with pytest.raises(ValueError, match="not below far"):
        depth_scale_bar(3.0, 2.0, 100)
    with pytest.raises(ValueError, match="at least 40"):
        depth_scale_bar(1.0, 2.0, 20)


def test_the_scale_bar_has_the_depth_images_colours() -> None:
    bar = depth_scale_bar(1.0, 4.0, 301 + 2 * MARGIN)[MARGIN:-MARGIN, BAR_WIDTH // 2]
    metres = np.linspace(4.0, 1.0, 301)[:, None]
    np.testing.assert_allclose(bar.astype(int), colorize_depth(metres, 1.0, 4.0)[:, 0], atol=2)


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (1.0, 4.0, 5, [1.0, 2.0, 3.0, 4.0]),
        (0.93, 2.61, 9, [1.0, 1.5, 2.0, 2.5]),
        (0.4, 9.7, 6, [2.0, 4.0, 6.0, 8.0]),
        (2.31, 2.35, 5, [2.31, 2.32, 2.33, 2.34, 2.35]),
    ],
)
def test_ticks_are_round(low: float, high: float, most: int, expected: list[float]) -> None:
    assert round_ticks(low, high, most) == pytest.approx(expected)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.13), (1.31, 2.9), (0.0, 0.98), (2.0, 2.1)])
def test_scales_of_any_height_have_two_numbers(low: float, high: float) -> None:
    for height in (20, 100, 400):
        assert len(_ticks(low, high, height)) >= 2
    assert round_ticks(low, high, 11) == _ticks(low, high, 400)


def test_labels_have_exact_palette_colours() -> None:
    labels = np.array([[0, 39, 255, 41]], dtype=np.uint8)
    expected = [[128, 0, 0], NYU40.colors[39].tolist(), [0, 0, 0], [0, 0, 0]]
    assert colorize_labels(labels, NYU40)[0].tolist() == expected
    assert colorize_labels(np.array([[0, 39, -1, 300]]), NYU40)[0].tolist() == expected


def test_overlay_blends_labelled_pixels_only() -> None:
    image = np.full((1, 2, 3), 100, dtype=np.uint8)
    labels = np.array([[0, 255]], dtype=np.uint8)
    assert overlay(image, labels, NYU40, 0.25)[0].tolist() == [[107, 75, 75], [100, 100, 100]]
    assert overlay(image, labels, NYU40, 1.0)[0, 0].tolist() == [128, 0, 0]
    np.testing.assert_array_equal(overlay(image, labels, NYU40, 0.0), image)


def test_overlay_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"opacity is 1\.5"):
        overlay(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8), NYU40, 1.5)
    with pytest.raises(ValueError, match="resize"):
        overlay(np.zeros((2, 1, 3), np.uint8), np.zeros((1, 1), np.uint8), NYU40)


def test_legend_lists_the_classes_present_largest_first() -> None:
    labels = np.array([[5] * 6 + [0] * 3 + [255]], dtype=np.uint8)
    image = legend(labels, NYU40, width=160)
    assert image.shape == (3 * ROW, 160, 3)
    swatches = [image[row * ROW + ROW // 2, 6].tolist() for row in range(3)]
    assert swatches == [NYU40.colors[5].tolist(), NYU40.colors[0].tolist(), [0, 0, 0]]


def test_a_long_legend_is_cut_with_a_summary() -> None:
    labels = np.arange(40, dtype=np.uint8)[None]
    image = legend(labels, NYU40, 160, max_height=5 * ROW + 3)
    assert image.shape[0] == 5 * ROW
    assert tuple(image[4 * ROW + ROW // 2, 6]) == BACKGROUND, "the summary has no swatch"
    assert not has_color(image[4 * ROW :], BACKGROUND).all(), "but a text"


def center_of(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere(has_color(image, color)).mean(axis=0)[::-1]


def test_the_cloud_from_above_is_to_scale_and_the_right_way_round() -> None:
    red, green, blue = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    xyz = np.array([[0.0, 0.3, 1.0], [0.0, 0.3, 3.0], [1.0, 0.3, 3.0], [np.nan, 0.3, 1.0], [0.5, -1.5, 2.0]])
    rgb = np.array([red, green, blue, (255, 255, 0), (255, 0, 255)], dtype=np.uint8)
    image = render_cloud(xyz, rgb, "above", 400, 300)
    assert image.shape == (300, 400, 3)
    near, far, right = (center_of(image, color) for color in (red, green, blue))
    assert far[1] < near[1], "forward is up"
    assert right[0] > far[0], "right is right"
    scale = (near[1] - far[1]) / 2.0
    np.testing.assert_allclose(right - far, [scale, 0.0], atol=1.0)
    assert not has_color(image, (255, 255, 0)).any(), "NaN is not drawn"
    assert not has_color(image, (255, 0, 255)).any(), "what is above the roof line is not drawn"
    foot = np.argwhere(has_color(image, CAMERA))
    assert foot[:, 0].mean() > near[1], "the camera is behind the nearest point"


def test_the_cloud_from_the_side_has_up_above() -> None:
    red, green = (255, 0, 0), (0, 255, 0)
    xyz = np.array([[0.0, -0.5, 2.0], [0.0, 0.5, 3.0]])
    image = render_cloud(xyz, np.array([red, green], dtype=np.uint8), "side", 400, 300)
    high, low = center_of(image, red), center_of(image, green)
    np.testing.assert_allclose((low - high)[0], (low - high)[1], atol=1.0)
    assert (low - high)[0] > 20


@pytest.mark.parametrize(("view_name", "hidden"), [("above", [0.0, 0.5, 2.0]), ("side", [-0.5, 0.0, 2.0])])
def test_what_is_nearer_to_the_viewer_hides_the_rest(view_name: str, hidden: list[float]) -> None:
    shown = [0.0, 0.0, 2.0]
    for order in ([hidden, shown], [shown, hidden]):
        rgb = np.array([(0, 255, 0) if point is shown else (255, 0, 0) for point in order], dtype=np.uint8)
        image = render_cloud(np.array(order), rgb, view_name, 200, 200)
        assert has_color(image, (0, 255, 0)).any()
        assert not has_color(image, (255, 0, 0)).any()


def test_clouds_without_points_and_of_another_kind() -> None:
    empty = render_cloud(np.full((4, 3), np.nan), np.zeros((4, 3), np.uint8))
    assert has_color(empty, CAMERA).any()
    with pytest.raises(ValueError, match="'below'"):
        render_cloud(np.zeros((1, 3)), np.zeros((1, 3), np.uint8), "below")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 points but 2 colours"):
        render_cloud(np.zeros((1, 3)), np.zeros((2, 3), np.uint8))


def test_a_panel_shows_input_depth_and_labels(view: SyntheticFrame, shown: Shown) -> None:
    image = panel(view.image, shown, NYU40)
    assert image.shape == (808, 1752, 3)
    for class_id in np.unique(view.labels)[:4]:
        assert has_color(image, tuple(NYU40.colors[class_id])).any()


def test_a_warning_stands_on_a_red_bar(view: SyntheticFrame, shown: Shown) -> None:
    plain = panel(view.image, shown, NYU40)
    told = panel(view.image, shown, NYU40, caption="said", warning=False)
    warned = panel(view.image, shown, NYU40, caption="RANDOM WEIGHTS", warning=True)
    assert has_color(warned[:20], WARNING).mean() > 0.5
    assert not has_color(told, WARNING).any()
    np.testing.assert_array_equal(warned[-plain.shape[0] :], plain)


def test_a_panel_without_camera_or_depth_says_so(view: SyntheticFrame, shown: Shown) -> None:
    blind = replace(shown, intrinsics=None, depth=np.full_like(view.depth, np.nan))
    image = panel(view.image, blind, NYU40)
    assert has_color(image, INVALID_COLOR).sum() > 100_000
    assert not has_color(image, CAMERA).any()


@pytest.mark.parametrize("size", [(16, 16), (40, 400), (400, 40), (33, 61)])
def test_panels_of_any_shape(size: tuple[int, int]) -> None:
    height, width = size
    camera = Intrinsics.from_fov(width, height, 60.0)
    shown = Shown(np.full(size, 2.0), np.zeros(size, np.uint8), np.zeros(size, np.uint8), camera)
    image = panel(np.zeros((*size, 3), np.uint8), shown, NYU40, "caption " * 40, warning=True)
    assert image.ndim == 3


def test_a_panel_of_a_prediction_at_another_size(view: SyntheticFrame, shown: Shown) -> None:
    assert shown.intrinsics is not None
    small = Shown(
        shown.depth[::2, ::2], shown.labels[::2, ::2], shown.confidence[::2, ::2], shown.intrinsics.resized(80, 60)
    )
    assert panel(view.image, small, NYU40).shape == panel(view.image, shown, NYU40).shape
    with pytest.raises(ValueError, match="depth is"):
        panel(view.image, replace(small, labels=shown.labels), NYU40)


def test_text_is_cut_and_wrapped_to_its_width() -> None:
    assert shortened("wall", 13, 100) == "wall"
    cut = shortened("refridgerator of the neighbours", 13, 100)
    assert cut.endswith("...")
    assert text_width(cut, 13) <= 100
    lines = wrapped("one two three four five six", 13, 60)
    assert len(lines) > 1
    assert " ".join(lines) == "one two three four five six"


def test_a_missing_open3d_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(Open3DError, match="pip install open3d"):
        load_open3d()


def test_a_cloud_without_points_is_no_file(tmp_path: Path) -> None:
    bytes_ = np.zeros((2, 3), np.uint8)
    assert write_ply(tmp_path / "x.ply", np.full((2, 3, 3), np.nan), np.zeros((2, 3, 3), np.uint8), bytes_, bytes_) == 0
    assert not list(tmp_path.iterdir())


def test_ply_round_trip(tmp_path: Path, room: SyntheticRoom, view: SyntheticFrame) -> None:
    o3d = pytest.importorskip("open3d", exc_type=ImportError)
    depth = view.depth.copy()
    depth[:10] = np.nan
    confidence = np.arange(view.labels.size, dtype=np.uint32).reshape(view.labels.shape).astype(np.uint8)
    path = tmp_path / "cloud.ply"
    points = unproject(depth, room.intrinsics)
    assert write_ply(path, points, view.image, view.labels, confidence) == 110 * 160
    header = path.read_bytes()[:400]
    assert b"binary_little_endian" in header
    cloud = o3d.t.io.read_point_cloud(str(path))
    np.testing.assert_array_equal(cloud.point.positions.numpy(), points[10:].reshape(-1, 3))
    np.testing.assert_array_equal(cloud.point.colors.numpy(), view.image[10:].reshape(-1, 3))
    np.testing.assert_array_equal(cloud.point.label.numpy()[:, 0], view.labels[10:].ravel())
    np.testing.assert_allclose(cloud.point.confidence.numpy()[:, 0], confidence[10:].ravel() / 255.0, atol=1e-6)
