"""`import cinet_core` as a library: whatever is an image or a camera goes in, predictions that help come out."""

from __future__ import annotations

import importlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_network import tiny_checkpoint

import cinet_core
from cinet_core.data.frame_files import SourceError
from cinet_core.depth_image import depth_millimetres
from cinet_core.inference.image_input import rgb_image
from cinet_core.inference.prediction import RANDOM_WARNING, Prediction
from cinet_core.inference.predictor import Predictor

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "docs" / "example_room.jpg"
HEIGHT, WIDTH = 48, 64
CAMERA = cinet_core.Intrinsics(60.0, 61.0, 31.0, 24.0, WIDTH, HEIGHT)
CALIBRATION = """
image_width: {width}
image_height: {height}
camera_matrix: {{rows: 3, cols: 3, data: [60.0, 0, 31.0, 0, 61.0, 24.0, 0, 0, 1]}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [{k1}, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [60.0, 0, 31.0, 0, 0, 61.0, 24.0, 0, 0, 0, 1, 0]}}
"""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(tiny_checkpoint(), device="cpu", network_size=(HEIGHT, WIDTH))


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def same(first: Prediction, second: Prediction) -> None:
    np.testing.assert_array_equal(first.depth, second.depth)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.confidence, second.confidence)
    assert first.intrinsics == second.intrinsics


def forms(rgb: np.ndarray, folder: Path) -> dict[str, object]:
    path = folder / "image.png"
    Image.fromarray(rgb).save(path)
    alpha = np.full((*rgb.shape[:2], 1), 7, np.uint8)
    tensor = torch.from_numpy(rgb)
    return {
        "path": path,
        "text": str(path),
        "pil": Image.fromarray(rgb),
        "pil with alpha": Image.fromarray(np.dstack([rgb, alpha])),
        "array": rgb,
        "alpha": np.dstack([rgb, alpha]),
        "float32": rgb.astype(np.float32) / 255,
        "float64": rgb / 255.0,
        "float16": (rgb / 255.0).astype(np.float16),
        "channels first": rgb.transpose(2, 0, 1),
        "not contiguous": np.ascontiguousarray(rgb[:, ::-1])[:, ::-1],
        "read only": np.frombuffer(rgb.tobytes(), np.uint8).reshape(rgb.shape),
        "tensor": tensor,
        "tensor C, H, W": tensor.permute(2, 0, 1),
        "float tensor": (tensor.permute(2, 0, 1) / 255).requires_grad_(),
    }


def test_every_form_of_an_image_is_the_same_image(rgb: np.ndarray, tmp_path: Path) -> None:
    for name, form in forms(rgb, tmp_path).items():
        found = rgb_image(form).rgb  # type: ignore[arg-type]
        assert found.dtype == np.uint8, name
        assert found.flags.c_contiguous or name == "not contiguous", name
        np.testing.assert_array_equal(found, rgb, err_msg=name)


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1), (1, HEIGHT, WIDTH)])
def test_grey_is_three_times_the_same(shape: tuple[int, ...]) -> None:
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(shape)
    expected = np.repeat(grey.reshape(HEIGHT, WIDTH, 1), 3, axis=2)
    np.testing.assert_array_equal(rgb_image(grey).rgb, expected)
    np.testing.assert_array_equal(rgb_image(torch.from_numpy(grey)).rgb, expected)
    np.testing.assert_array_equal(rgb_image(Image.fromarray(grey.reshape(HEIGHT, WIDTH))).rgb, expected)


def test_bfloat16_tensor(rgb: np.ndarray) -> None:
    found = rgb_image((torch.from_numpy(rgb) / 255).bfloat16()).rgb
    assert np.abs(found.astype(int) - rgb).max() <= 1


@pytest.mark.parametrize(
    ("image", "kind", "says"),
    [
        (np.full((48, 64, 3), 200.0, np.float32), ValueError, "values from 200 to 200.*divide by 255"),
        (np.full((48, 64, 3), -1.5), ValueError, "undo its normalisation"),
        (np.full((48, 64, 3), np.nan), ValueError, "replace what is not finite"),
        (np.zeros((48, 64, 3), np.uint16), TypeError, "uint16.*must be uint8"),
        (np.zeros((48, 64, 3), np.int64), TypeError, "int64.*must be uint8"),
        (np.zeros((48, 64, 3), bool), TypeError, "bool.*must be uint8"),
        (np.zeros((48, 64, 2), np.uint8), ValueError, r"\(48, 64, 2\).*1, 3 or 4 channels"),
        (np.zeros((3, 64, 3), np.uint8), ValueError, r"\(3, 64, 3\).*both ends"),
        (np.zeros((20, 48, 64), np.uint8), ValueError, "several images as a list"),
        (np.zeros(64, np.uint8), ValueError, r"\(64,\)"),
        (b"image", TypeError, "bytes.*give a path"),
        (None, TypeError, "NoneType.*give a path"),
        (Path("nowhere.png: there is no such file"), SourceError, "nowhere.png"),
        (ROOT, SourceError, "folder.*list of image files"),
        (Image.fromarray(np.zeros((48, 64), np.float32)), SourceError, "32-bit numbers"),
    ],
)
def test_what_is_no_image_is_refused(predictor: Predictor, image: object, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        predictor(image)  # type: ignore[call-overload]


def test_too_small_image_is_refused(predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        predictor(np.zeros((8, 64, 3), np.uint8))


def test_every_form_of_a_camera_is_the_same_camera(predictor: Predictor, rgb: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "camera_info.yaml"
    path.write_text(CALIBRATION.format(width=WIDTH, height=HEIGHT, k1=0.0))
    expected = predictor.predict(rgb, CAMERA)
    k = CAMERA.matrix()
    cameras = [CAMERA, CAMERA.resized(2 * WIDTH, 2 * HEIGHT), k, k.tolist(), torch.from_numpy(k), path, str(path)]
    for camera in [*cameras, (60.0, 61.0, 31.0, 24.0), np.array([60, 61, 31, 24])]:
        same(predictor(rgb, camera), expected)


def test_field_of_view(predictor: Predictor, rgb: np.ndarray) -> None:
    same(predictor(rgb, fov=57), predictor.predict(rgb, cinet_core.Intrinsics.from_fov(WIDTH, HEIGHT, 57)))


@pytest.mark.parametrize(
    ("camera", "kind", "says"),
    [
        (57.0, ValueError, "fov=57.0"),
        ((1.0, 2.0, 3.0), ValueError, r"\(3,\)"),
        ([[60, 1, 31], [0, 61, 24], [0, 0, 1]], ValueError, "skew 1"),
        ([[60, 0, 0], [0, 61, 0], [31, 24, 1]], ValueError, "K must be"),
        ((0.0, 61.0, 31.0, 24.0), ValueError, "fx is 0.0"),
        (cinet_core.Intrinsics(60, 60, 24, 24, 48, 48), SourceError, "48x48.*64x48"),
        ("nowhere.yaml", SourceError, "nowhere.yaml"),
        (object(), TypeError, "camera is object"),
    ],
)
def test_what_is_no_camera_is_refused(
    predictor: Predictor, rgb: np.ndarray, camera: object, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        predictor(rgb, camera)  # type: ignore[call-overload]


def test_camera_and_field_of_view_exclude_each_other(predictor: Predictor, rgb: np.ndarray) -> None:
    with pytest.raises(ValueError, match="leave one out"):
        predictor(rgb, CAMERA, fov=57)


def test_distorted_image_is_rectified_and_masked(rgb: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "lens.yaml"
    path.write_text(CALIBRATION.format(width=WIDTH, height=HEIGHT, k1=0.3))
    checkpoint = tiny_checkpoint()
    with Predictor(checkpoint, device="cpu", network_size=(HEIGHT, WIDTH)) as predictor:
        prediction = predictor(rgb, path)
    with Predictor(checkpoint, device="cpu", network_size=(HEIGHT, WIDTH), output_size=(24, 32)) as predictor:
        half = predictor(rgb, path)
    assert prediction.image is not None
    assert (prediction.image != rgb).any()
    outside = prediction.labels == cinet_core.UNLABELLED
    assert 0.01 < outside.mean() < 0.9
    assert np.isnan(prediction.depth[outside]).all()
    assert (prediction.confidence[outside] == 0).all()
    assert half.labels.shape == (24, 32)
    assert abs((half.labels == cinet_core.UNLABELLED).mean() - outside.mean()) < 0.05


def test_exif_turns_image_and_camera(predictor: Predictor, rgb: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        from_pil = predictor(opened, CAMERA)
    from_path = predictor(tmp_path / "turned.png", CAMERA)
    same(from_pil, from_path)
    assert from_path.depth.shape == (WIDTH, HEIGHT)
    assert from_path.intrinsics is not None
    assert (from_path.intrinsics.fx, from_path.intrinsics.fy) == (CAMERA.fy, CAMERA.fx)


def test_batches_keep_order_sizes_and_cameras(predictor: Predictor, rgb: np.ndarray) -> None:
    images = [rgb, rgb[:32], rgb[:32, ::-1], rgb.astype(np.float32) / 255, Image.fromarray(rgb)]
    cameras = [CAMERA, None, None, None, (60, 61, 31, 24)]
    found = predictor(images, cameras, batch=2)
    assert [one.depth.shape for one in found] == [(48, 64), (32, 64), (32, 64), (48, 64), (48, 64)]
    for prediction, image, camera in zip(found, images, cameras, strict=True):
        alone = predictor(image, camera)  # type: ignore[call-overload]
        np.testing.assert_allclose(prediction.depth, alone.depth, rtol=1e-4)
        assert prediction.intrinsics == alone.intrinsics
    assert predictor([]) == []
    stacked = predictor(np.stack([rgb, rgb]), [CAMERA] * 2)
    assert [one.intrinsics for one in stacked] == [CAMERA, CAMERA]
    assert [one.intrinsics for one in predictor((rgb, rgb), CAMERA)] == [CAMERA, CAMERA]
    assert [one.intrinsics for one in predictor([rgb] * 4, [None] * 4)] == [None] * 4
    with pytest.raises(ValueError, match="2 images came with 3 cameras"):
        predictor([rgb, rgb], [CAMERA] * 3)
    with pytest.raises(ValueError, match="batch is 0"):
        predictor([rgb], batch=0)


def test_prediction_helps(predictor: Predictor, rgb: np.ndarray) -> None:
    prediction = predictor(rgb, CAMERA)
    valid = np.isfinite(prediction.depth)
    points = prediction.points()
    assert points.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(points[..., 2][valid], prediction.depth[valid])
    np.testing.assert_array_equal(prediction.colors(), prediction.label_set.palette[prediction.labels])
    assert prediction.class_names == cinet_core.get_label_set("nyu40").classes
    shares = prediction.class_shares()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    text = repr(prediction)
    assert len(text) < 200
    assert "64x48" in text
    assert next(iter(shares)) in text
    assert "camera unknown" not in text


def test_prediction_without_a_camera_says_so(predictor: Predictor, rgb: np.ndarray, tmp_path: Path) -> None:
    prediction = predictor(rgb)
    assert "camera unknown" in repr(prediction)
    with pytest.raises(ValueError, match=r"fov=\.\.\."):
        prediction.points()
    assert "cloud" not in prediction.save(tmp_path, kinds=("cloud", "labels"))


def test_panel_in_a_notebook_warns_of_random_weights(rgb: np.ndarray) -> None:
    with cinet_core.load("random", device="cpu", network_size=(HEIGHT, WIDTH)) as predictor:
        prediction = predictor(rgb, CAMERA)
    png = prediction._repr_png_()
    assert png is not None
    shown = np.asarray(Image.open(io.BytesIO(png)))
    np.testing.assert_array_equal(shown, prediction.panel())
    assert RANDOM_WARNING.split(":")[0] in repr(prediction)
    assert tuple(shown[1, 1]) == (176, 24, 32)
    assert Prediction(prediction.outputs, None, {})._repr_png_() is None


def test_save_writes_what_other_programs_read(predictor: Predictor, rgb: np.ndarray, tmp_path: Path) -> None:
    prediction = predictor(rgb, CAMERA)
    written = prediction.save(tmp_path / "new", "room")
    assert {kind: path.name for kind, path in written.items()} == {
        "panel": "room_panel.png",
        "depth": "room_depth.png",
        "labels": "room_labels.png",
        "cloud": "room_cloud.ply",
    }
    np.testing.assert_array_equal(np.asarray(Image.open(written["labels"])), prediction.labels)
    np.testing.assert_array_equal(np.asarray(Image.open(written["depth"])), depth_millimetres(prediction.depth))
    header = written["cloud"].read_bytes()[:400]
    assert f"element vertex {np.isfinite(prediction.depth).sum()}".encode() in header
    assert list(prediction.save(tmp_path / "few", kinds=["depth"])) == ["depth"]
    with pytest.raises(ValueError, match=r"'points'.*panel, depth, labels, normals, boundaries, cloud"):
        prediction.save(tmp_path, kinds=["points"])


def test_predictor_closes_at_the_end(rgb: np.ndarray) -> None:
    with cinet_core.load("random", device="cpu", network_size=(HEIGHT, WIDTH)) as predictor:
        assert "RANDOM WEIGHTS" in repr(predictor)
    with pytest.raises(RuntimeError, match="closed"):
        predictor(rgb)


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"weights": "nowhere.safetensors"}, cinet_core.CheckpointError, "nowhere.safetensors"),
        ({"weights": "default", "config": "lite"}, ValueError, "a file knows its own"),
        ({"weights": "random", "backend": "caffe"}, ValueError, "caffe"),
        ({"weights": "random", "threads": 0}, ValueError, "threads is 0"),
    ],
)
def test_load_refuses(arguments: dict[str, str], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        cinet_core.load(**arguments)  # type: ignore[arg-type]


def test_the_version_stands_in_one_place() -> None:
    assert cinet_core.__version__ not in (ROOT / "setup.py").read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split()[-1] == cinet_core.__version__


def test_names_are_all_there() -> None:
    for package in (cinet_core, importlib.import_module("cinet_core.model")):
        assert set(package.__all__) <= set(dir(package))
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            package.nothing  # noqa: B018


def homes() -> list[str]:
    """The modules that define what is public."""
    found = {getattr(getattr(cinet_core, name), "__module__", None) for name in cinet_core.__all__}
    return ["cinet_core", *sorted(home for home in found if home and home.startswith("cinet_core."))]


def test_every_public_module_says_what_is_public() -> None:
    for home in homes():
        module = importlib.import_module(home)
        public = {name for name in cinet_core.__all__ if getattr(getattr(cinet_core, name), "__module__", "") == home}
        assert public <= set(module.__all__), home


def test_the_lines_in_the_readme_run(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## From Python")[2]
    found = re.search(r"```python\n(.+?)```", section, re.DOTALL)
    assert found is not None
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    done = subprocess.run([sys.executable, "-c", found[1]], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<Prediction 320x240, depth ")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".png", ".ply"}
