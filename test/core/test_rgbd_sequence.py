"""A sensor of two cameras before a known scene: warped into the colour camera, its depth is what stands there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cinet_core.data.depth_registration import register_depth
from cinet_core.data.frame_files import SourceError
from cinet_core.data.image_files import read_depth
from cinet_core.data.registry import open_dataset
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU13, NYU40

DEPTH_CAMERA = Intrinsics(146.25, 146.25, 80.0, 60.0, 160, 120)
COLOR_FOCAL, BASELINE = 131.25, 0.1
COLOR_CAMERA = replace(DEPTH_CAMERA, fx=COLOR_FOCAL, fy=COLOR_FOCAL)
TWO_CAMERAS = {"color_focal": COLOR_FOCAL, "baseline": BASELINE}
BOX_DISTANCE, BOX_WIDTH, BOX_HEIGHT = 1.0, 0.4, 0.3
RISE = 0.4
POSE = np.array([[0.0, 0.0, 1.0, 0.5], [-1.0, 0.0, 0.0, 0.25], [0.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
Array = np.ndarray


def hits_box(x: Array | float, ray_x: Array, ray_y: Array) -> Array:
    """A ray from (x, 0, 0) meets the box that stands before the depth camera, facing it."""
    at = x + ray_x * BOX_DISTANCE
    return (np.abs(at) <= BOX_WIDTH / 2) & (np.abs(ray_y * BOX_DISTANCE) <= BOX_HEIGHT / 2)


def rays(camera: Intrinsics) -> tuple[Array, Array]:
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    return (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy


def view(camera: Intrinsics, x: float, slope: float) -> tuple[Array, Array]:
    """Depth in metres, and where the box is, seen from (x, 0, 0): before the wall z = 2 + slope x + RISE y."""
    ray_x, ray_y = rays(camera)
    wall = (2.0 + slope * x) / (1.0 - slope * ray_x - RISE * ray_y)
    box = hits_box(x, ray_x, ray_y)
    return np.where(box, BOX_DISTANCE, wall), box


def measured(slope: float) -> Array:
    return np.rint(view(DEPTH_CAMERA, 0.0, slope)[0] * 1000).astype(np.uint16)


def write(root: Path, frames: int = 1, slope: float = 0.7) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    np.savetxt(root / "camera-intrinsics.txt", DEPTH_CAMERA.matrix())
    for number in range(frames):
        name = root / f"frame-{number:06d}"
        Image.new("RGB", (160, 120), (90, number, 30)).save(f"{name}.color.jpg")
        assert cv2.imwrite(f"{name}.depth.png", measured(slope))
        np.savetxt(f"{name}.pose.txt", POSE)
    return root


def shrunk(mask: Array, pixels: int = 1) -> Array:
    """Without its rim."""
    size = 2 * pixels + 1
    return cv2.erode(mask.astype(np.uint8), np.ones((size, size), np.uint8), borderValue=0).astype(bool)


def seen_by_depth_camera(slope: float) -> Array:
    """Which pixels of the colour image show something that the depth camera sees too."""
    ray_x, ray_y = rays(COLOR_CAMERA)
    depth, box = view(COLOR_CAMERA, BASELINE, slope)
    x, y = BASELINE + ray_x * depth, ray_y * depth
    u, v = x / depth * DEPTH_CAMERA.fx + DEPTH_CAMERA.cx, y / depth * DEPTH_CAMERA.fy + DEPTH_CAMERA.cy
    inside = (u > -0.5) & (u < 159.5) & (v > -0.5) & (v < 119.5)
    return inside & (box | ~hits_box(0.0, x / depth, y / depth))


@pytest.mark.parametrize("slope", [0.7, -0.7, 0.0])
def test_depth_is_what_stands_before_the_colour_camera(tmp_path: Path, slope: float) -> None:
    sample = RgbdSequence(write(tmp_path, slope=slope), **TWO_CAMERAS)[0]
    warped = sample.depth.double().numpy()
    truth, box = view(COLOR_CAMERA, BASELINE, slope)
    assert sample.intrinsics == COLOR_CAMERA
    inner = shrunk(box)
    assert inner.sum() > 1000
    assert np.abs(warped - BOX_DISTANCE)[inner].max() < 1e-6  # no wall shines through
    wall = shrunk(~box) & (warped > 0)
    assert wall.sum() > 9000
    # The value of the nearest pixel: half a pixel of slope away from the truth at most, and not to one side.
    pixel = (np.abs(slope) + RISE) * truth**2 / (2.0 + slope * BASELINE) / DEPTH_CAMERA.fx
    assert (np.abs(warped - truth)[wall] < 0.0006 + 0.55 * pixel[wall]).all()
    assert abs((warped - truth)[wall].mean()) < 0.0005


@pytest.mark.parametrize("slope", [0.7, -0.7])
def test_surfaces_stay_closed_and_what_is_hidden_stays_empty(tmp_path: Path, slope: float) -> None:
    warped = RgbdSequence(write(tmp_path, slope=slope), **TWO_CAMERAS)[0].depth.numpy()
    seen = seen_by_depth_camera(slope)
    assert (warped[shrunk(seen)] > 0).all()
    hidden = shrunk(~seen)
    # To the right of the box, which the colour camera looks past, and around what the depth camera's view covers.
    behind = hidden & np.roll(view(COLOR_CAMERA, BASELINE, slope)[1], 7, axis=1)
    assert behind.sum() > 100
    assert (warped[hidden] == 0).all()


def test_a_magnified_surface_stays_closed() -> None:
    depth = np.full((120, 160), 2.0)
    large = Intrinsics(400.0, 300.0, 90.0, 70.0, 200, 150)
    warped = register_depth(depth, DEPTH_CAMERA, large, 0.05)
    assert warped.shape == (150, 200)
    assert (warped == 2.0).all()


def row(values: list[float], baseline: float = 0.0, focal: float = 10.0) -> list[float]:
    """One row of depths warped into a camera of the same focal length."""
    camera = Intrinsics(focal, focal, 0.0, 0.0, len(values), 1)
    return register_depth(np.array([values]), camera, camera, baseline)[0].tolist()


def test_the_nearest_wins_and_the_shift_goes_with_its_distance() -> None:
    # 10 px * 0.2 m is 1 px to the left at 2 m and 2 px at 1 m.
    assert row([2, 2, 2, 1, 2, 2], 0.2) == [2, 1, 0, 2, 2, 0]
    assert row([2, 2, 1, 2, 2, 2], -0.2) == [0, 2, 2, 0, 1, 2]


def test_only_cracks_in_a_surface_are_closed() -> None:
    # 100 px m / z moves a pixel by 50 px at 2 m, a neighbour that is 3 % farther by 48.5 px, 6 % by 47.2 px.
    around: tuple[list[float], list[float]] = [0.0] * 60, [0.0] * 8
    surface = row([*around[0], 2.0, 2.06, *around[1]], 2.0, 50.0)
    edge = row([*around[0], 2.0, 2.12, *around[1]], 2.0, 50.0)
    assert surface[9:14] == pytest.approx([0.0, 2.0, 2.0, 2.06, 0.0])
    assert edge[9:16] == pytest.approx([0.0, 2.0, 0.0, 0.0, 0.0, 2.12, 0.0])


def test_unknown_depth_draws_nothing(tmp_path: Path) -> None:
    write(tmp_path, slope=0.0)
    values = measured(0.0)
    values[40:80, 40:120] = 65535
    values[100:] = 0
    assert cv2.imwrite(str(tmp_path / "frame-000000.depth.png"), values)
    warped = RgbdSequence(tmp_path, **TWO_CAMERAS)[0].depth.numpy()
    known = warped[warped > 0]
    assert known.min() == BOX_DISTANCE
    assert known.max() < 2.5
    middle = warped[45:75, 50:95]
    assert (middle == 0).all()
    assert (warped[100:] == 0).all()
    nothing = register_depth(np.full((120, 160), np.nan), DEPTH_CAMERA, COLOR_CAMERA, BASELINE)
    assert not nothing.any()


def test_the_size_must_be_the_cameras() -> None:
    with pytest.raises(ValueError, match=r"shape \(60, 80\), its intrinsics are for 160x120"):
        register_depth(np.ones((60, 80)), DEPTH_CAMERA, COLOR_CAMERA, 0.0)


def test_registered_depth_is_served_as_it_is(tmp_path: Path) -> None:
    dataset = RgbdSequence(write(tmp_path, frames=11))
    sample = dataset[10]
    assert (len(dataset), sample.name) == (11, "frame-000010")
    assert sample.image[1, 0, 0] == pytest.approx(10, abs=4)
    assert torch.equal(sample.depth, torch.from_numpy(read_depth(tmp_path / "frame-000010.depth.png")))
    assert sample.intrinsics == DEPTH_CAMERA
    assert not sample.has_labels
    pose = dataset.pose(10)
    assert pose is not None
    assert np.array_equal(pose, POSE)


def test_the_pose_is_the_colour_cameras(tmp_path: Path) -> None:
    pose = RgbdSequence(write(tmp_path), **TWO_CAMERAS).pose(0)
    assert pose is not None
    # Where the depth camera's (0.1, 0, 0) is in the world; a point keeps its place, told in either camera.
    assert pose[:3, 3].tolist() == pytest.approx([0.5, 0.15, 1.0])
    assert pose @ [0.2, 0.3, 2.0, 1.0] == pytest.approx(POSE @ [0.3, 0.3, 2.0, 1.0])


@pytest.mark.parametrize("text", [None, "nan " * 16, "-inf " * 16])
def test_a_pose_may_be_unknown(tmp_path: Path, text: str | None) -> None:
    dataset = RgbdSequence(write(tmp_path))
    path = tmp_path / "frame-000000.pose.txt"
    if text is None:
        path.unlink()
    else:
        path.write_text("\n".join([" ".join(text.split()[:4])] * 4))
    assert dataset.pose(0) is None
    assert dataset.problems(0) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("1 0 0\n0 1 0\n0 0 1\n", "it holds 3x3 numbers; a pose is a 4x4 matrix"),
        ("1 0 0 0\n0 one 0 0\n", "a pose is a 4x4 matrix of numbers"),
        ("2 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "off the identity by 3"),
        ("-1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "det R is -1"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1\n", r"the last row is \[0.0, 0.0, 1.0, 1.0\]"),
    ],
)
def test_a_pose_that_is_none(tmp_path: Path, change: str, complaint: str) -> None:
    dataset = RgbdSequence(write(tmp_path))
    (tmp_path / "frame-000000.pose.txt").write_text(change)
    with pytest.raises(SourceError, match=complaint):
        dataset.pose(0)
    (problem,) = dataset.problems(0)
    assert problem.path.endswith("frame-000000.pose.txt")


def write_polygons(path: Path, frame: str, size: tuple[int, int] = (160, 120)) -> str:
    shapes = [{"label": "floor", "polygon": [[0, 60], [159, 60], [159, 119], [0, 119]]}]
    content = {"label_set": "nyu40", "image_size": size, "source": "a test", "frames": {frame: shapes}}
    path.write_text(json.dumps(content))
    return str(path)


def test_polygons_label_some_frames(tmp_path: Path) -> None:
    polygons = write_polygons(tmp_path / "polygons.json", "frame-000001")
    dataset = RgbdSequence(write(tmp_path / "kitchen", frames=2), polygons=polygons, label_set=NYU13)
    bare, labelled = dataset[0], dataset[1]
    assert (bare.has_labels, labelled.has_labels) == (False, True)
    assert (bare.labels == 255).all()
    assert (labelled.labels[:60] == 255).all()
    assert (labelled.labels[60:] == NYU13.ids(["floor"])[0]).all()
    assert dataset.meta.label_set is NYU40


def test_polygons_of_other_frames_or_sizes(tmp_path: Path) -> None:
    root = write(tmp_path / "kitchen")
    other = write_polygons(tmp_path / "other.json", "frame-000077")
    with pytest.raises(SourceError, match=r"none of its 1 frames is in .*kitchen, the first is 'frame-000077'"):
        RgbdSequence(root, polygons=other)
    wide = write_polygons(tmp_path / "wide.json", "frame-000000", (320, 240))
    with pytest.raises(SourceError, match="polygons of frame-000000: the labels image is 320x240, the colour"):
        RgbdSequence(root, polygons=wide)[0]


@pytest.mark.parametrize("split", ["train", "validation", "trainval"])
def test_there_is_nothing_to_learn_from(tmp_path: Path, split: str) -> None:
    with pytest.raises(ValueError, match=f"has no split '{split}': choose one of test, all"):
        RgbdSequence(write(tmp_path), split)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"color_focal": 0.0}, "color_focal is 0.0: it must be above 0 pixels"),
        ({"color_focal": float("nan")}, "color_focal is nan"),
        ({"color_focal": 525.0, "baseline": float("inf")}, "baseline is inf"),
        ({"baseline": 0.025}, "baseline is 0.025 m, but without color_focal no depth is warped"),
    ],
)
def test_a_colour_camera_that_is_none(tmp_path: Path, options: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RgbdSequence(write(tmp_path), **options)  # type: ignore[arg-type]


def test_folders_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such folder"):
        RgbdSequence(tmp_path / "none")
    write(tmp_path)
    (tmp_path / "camera-intrinsics.txt").unlink()
    with pytest.raises(SourceError, match=r"it is not read by camera-intrinsics\.txt"):
        RgbdSequence(tmp_path)


def test_it_is_opened_by_name(tmp_path: Path) -> None:
    root = write(tmp_path, frames=2)
    dataset = open_dataset(root, "all", "rgbd_sequence", color_focal=131, baseline=0, label_set="nyu13")
    assert isinstance(dataset, RgbdSequence)
    assert (len(dataset), dataset.label_set, dataset.meta.splits) == (2, NYU13, ("test", "all"))
    assert not isinstance(open_dataset(root, "all"), RgbdSequence)


def edge_contrast(dataset: RgbdSequence, index: int) -> float:
    """Mean rank, 0 to 1, of the colour gradient where the depth jumps, just on the nearer side."""
    sample = dataset[index]
    colour = sample.image.permute(1, 2, 0).numpy().astype(np.float32)
    smooth = cv2.GaussianBlur(colour, (0, 0), 1.0)
    gradient = sum((cv2.Sobel(smooth, cv2.CV_32F, *way) ** 2).sum(axis=2) for way in ((1, 0), (0, 1)))
    rank = np.argsort(np.argsort(gradient.ravel())).reshape(gradient.shape) / gradient.size
    z = sample.depth.numpy()
    jump = np.zeros(z.shape, dtype=bool)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        beside = np.roll(z, shift, axis)
        jump |= (z > 0) & (beside > 1.08 * z)
    jump[[0, -1]] = jump[:, [0, -1]] = False
    return float(rank[jump].mean())


def test_depth_edges_of_a_kitchen_lie_on_its_colour_edges(shared_data: Path) -> None:
    kitchen = shared_data / "kitchen_sequence"
    if not kitchen.is_dir():
        pytest.skip(f"no real frames: {kitchen} is absent")
    contrast = {
        camera: edge_contrast(RgbdSequence(kitchen, color_focal=camera[0], baseline=camera[1]), 60)
        for camera in ((525.0, 0.025), (525.0, -0.025), (505.0, 0.025), (545.0, 0.025), (585.0, 0.0))
    }
    best = contrast.pop((525.0, 0.025))
    assert best > max(contrast.values()) + 0.05
