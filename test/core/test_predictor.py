"""The predictor: any image size and camera, batches, devices, and errors that say what to do."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_network import tiny_checkpoint

from cinet_core.checkpoint import Checkpoint
from cinet_core.geometry import Intrinsics
from cinet_core.inference.predictor import MAX_CACHED_SIZES, Prediction, Predictor

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return tiny_checkpoint()


@pytest.fixture(scope="module")
def predictor(checkpoint: Checkpoint) -> Predictor:
    return Predictor(checkpoint, device="cpu", network_size=(48, 64))


def make_image(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_same(first: Prediction, second: Prediction, rtol: float = 1e-5) -> None:
    np.testing.assert_allclose(first.depth, second.depth, rtol=rtol)
    assert (first.labels == second.labels).mean() > 0.999
    assert np.abs(first.confidence.astype(int) - second.confidence).max() <= 1
    assert first.intrinsics == second.intrinsics


@pytest.mark.parametrize("size", [(480, 640), (16, 16), (37, 51), (720, 405), (17, 300)])
def test_prediction_has_the_images_size_and_camera(predictor: Predictor, size: tuple[int, int]) -> None:
    height, width = size
    camera = Intrinsics.from_fov(width, height, 60)
    result = predictor.predict(make_image(height, width), camera)
    assert result.depth.shape == result.labels.shape == result.confidence.shape == size
    assert (result.depth.dtype, result.labels.dtype, result.confidence.dtype) == (np.float32, np.uint8, np.uint8)
    assert result.intrinsics == camera
    assert result.labels.max() < 40
    assert result.seconds["network"] > 0


def test_intrinsics_are_those_of_the_output_size(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, "cpu", network_size=(48, 64), output_size=(60, 80))
    camera = Intrinsics(500, 510, 320, 250, 640, 480)
    result = predictor.predict(make_image(480, 640), camera)
    assert result.depth.shape == (60, 80)
    assert result.intrinsics == Intrinsics(62.5, 63.75, 40, 31.25, 80, 60)


def test_unknown_camera_is_taken_to_be_the_canonical_one(predictor: Predictor) -> None:
    """f_net = f_c at a 64x48 input of a 128x96 image needs f = 2 * 262.5 there."""
    image = make_image(96, 128)
    assumed = predictor.predict(image)
    assert assumed.intrinsics is None
    known = predictor.predict(image, Intrinsics(525, 525, 64, 48, 128, 96))
    np.testing.assert_allclose(assumed.depth, known.depth, rtol=1e-6)


def test_depth_is_proportional_to_the_focal_length(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, "cpu", network_size=(48, 64), depth_range=(1e-6, 1e6))
    image = make_image(96, 128)
    near, far = (predictor.predict(image, Intrinsics(f, f, 64, 48, 128, 96)).depth for f in (100, 300))
    np.testing.assert_allclose(far, 3 * near, rtol=1e-5)


def test_network_runs_at_about_its_training_size_with_the_images_aspect(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, "cpu")
    assert predictor.network_size(480, 640) == predictor.network_size(120, 160) == (240, 320)
    height, width = predictor.network_size(720, 1280)
    assert height % 8 == width % 8 == 0
    assert width / height == pytest.approx(16 / 9, rel=0.03)
    assert height * width == pytest.approx(240 * 320, rel=0.05)


def test_batch_equals_single_images(predictor: Predictor) -> None:
    images = [make_image(60, 80, seed) for seed in range(3)]
    cameras = [Intrinsics.from_fov(80, 60, 70), None, Intrinsics.from_fov(80, 60, 50)]
    together = predictor.predict_batch(images, cameras)
    assert len(together) == 3
    for image, camera, result in zip(images, cameras, together, strict=True):
        assert_same(result, predictor.predict(image, camera))


def test_results_stay_as_they_are_when_the_next_image_comes(predictor: Predictor) -> None:
    first = predictor.predict(make_image(60, 80, 1))
    kept = first.depth.copy()
    predictor.predict(make_image(60, 80, 2))
    np.testing.assert_array_equal(first.depth, kept)


@pytest.mark.filterwarnings("error")
def test_image_may_be_read_only_or_a_view_and_is_left_alone(predictor: Predictor) -> None:
    """What arrives from a message: memory that is not ours to write, rows with padding, channels reversed."""
    image = make_image(60, 80)
    expected = predictor.predict(image)
    frozen = np.frombuffer(image.tobytes(), dtype=np.uint8).reshape(image.shape)
    assert_same(predictor.predict(frozen), expected)
    padded = np.zeros((60, 100, 3), dtype=np.uint8)
    padded[:, :80] = image
    assert_same(predictor.predict(padded[:, :80]), expected)
    reversed_channels = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
    assert_same(predictor.predict(reversed_channels), expected)
    np.testing.assert_array_equal(padded[:, :80], image)


def test_graphs_of_many_sizes_do_not_pile_up(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, "cpu", network_size=(16, 16))
    first = predictor.predict(make_image(20, 20))
    for side in range(21, 21 + 2 * MAX_CACHED_SIZES):
        predictor.predict(make_image(side, side))
    assert len(predictor._backends) == MAX_CACHED_SIZES
    assert_same(predictor.predict(make_image(20, 20)), first)


def test_focal_length_outside_the_training_is_named(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, "cpu")
    low, high = checkpoint.metadata.camera.focal_range
    for focal, expected in ((low, None), (high, None), (low / 2, "outside"), (high * 2, "outside")):
        warning = predictor.focal_warning(Intrinsics(2 * focal, 2 * focal, 320, 240, 640, 480))
        assert warning is None if expected is None else expected in (warning or "")


def test_it_says_what_it_is(checkpoint: Checkpoint, predictor: Predictor) -> None:
    assert (predictor.device, predictor.backend_name, predictor.model_hash) == ("cpu", "torch", "random")
    assert predictor.label_set.name == "nyu40"
    assert predictor.metadata is checkpoint.metadata


@pytest.mark.parametrize(
    ("image", "error", "match"),
    [
        (np.zeros((32, 32, 3), dtype=np.float32), TypeError, "float32"),
        (np.zeros((32, 32, 3), dtype=np.uint16), TypeError, "uint16"),
        ([[0, 0, 0]], TypeError, "list"),
        (torch.zeros(32, 32, 3, dtype=torch.uint8), TypeError, "Tensor"),
        (np.zeros((32, 32), dtype=np.uint8), ValueError, r"\(32, 32\)"),
        (np.zeros((32, 32, 4), dtype=np.uint8), ValueError, r"\(32, 32, 4\)"),
        (np.zeros((15, 32, 3), dtype=np.uint8), ValueError, "at least 16"),
        (np.zeros((0, 0, 3), dtype=np.uint8), ValueError, "at least 16"),
    ],
)
def test_unusable_image_is_named(predictor: Predictor, image: Image, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        predictor.predict(image)


def test_unusable_batch_is_named(predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="0 images"):
        predictor.predict_batch([], [])
    with pytest.raises(ValueError, match="2 images came with 1"):
        predictor.predict_batch([make_image(32, 32)] * 2, [None])
    with pytest.raises(ValueError, match="one size"):
        predictor.predict_batch([make_image(32, 32), make_image(32, 48)], [None, None])
    with pytest.raises(ValueError, match="640x480, the image is 32x48"):
        predictor.predict(make_image(48, 32), Intrinsics.from_fov(640, 480, 60))


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "tpu"},
        {"device": "cuda:99"},
        {"device": ""},
        {"network_size": (8, 64)},
        {"output_size": (0, 5)},
        {"depth_range": (5.0, 1.0)},
        {"depth_range": (math.nan, 1.0)},
        {"depth_range": (0.1, math.inf)},
    ],
)
def test_unusable_settings_are_named(checkpoint: Checkpoint, settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Predictor(checkpoint, **settings)  # type: ignore[arg-type]


def test_missing_device_names_those_there_are(checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match="this machine has cpu"):
        Predictor(checkpoint, "cuda:99")


def test_auto_takes_the_fastest_kind_of_device(checkpoint: Checkpoint) -> None:
    assert Predictor(checkpoint, "auto").device == ("cuda:0" if torch.cuda.is_available() else "cpu")


def test_weights_are_gone_before_the_last_backend_empties_the_cache(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, "cpu", network_size=(16, 16))
    found: list[bool] = []

    class Watching:
        def close(self) -> None:
            found.append(hasattr(predictor, "_engine"))

    predictor._backends[(1, 1)] = Watching()  # type: ignore[assignment]
    predictor.close()
    assert found == [False]


def test_closed_predictor_refuses(checkpoint: Checkpoint) -> None:
    predictor = Predictor(checkpoint, "cpu", network_size=(16, 16))
    predictor.predict(make_image(32, 32))
    predictor.close()
    predictor.close()
    with pytest.raises(RuntimeError, match="closed"):
        predictor.predict(make_image(32, 32))


@pytest.mark.gpu
def test_cuda_gives_the_cpus_answer_and_frees_its_memory(
    checkpoint: Checkpoint, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    images, cameras = [make_image(60, 80, seed) for seed in range(2)], [Intrinsics.from_fov(80, 60, 70), None]
    first = Predictor(checkpoint, "cuda", network_size=(48, 64))
    first.predict_batch(images, cameras)
    first.close()
    before = torch.cuda.memory_allocated()  # cuBLAS keeps the workspace of its first call
    on_gpu = Predictor(checkpoint, "cuda", network_size=(48, 64))
    for _ in range(3):
        results = on_gpu.predict_batch(images, cameras)
    for ours, expected in zip(results, predictor.predict_batch(images, cameras), strict=True):
        assert_same(ours, expected, rtol=1e-3)
        assert set(ours.seconds) == {"upload", "network", "download"}
    on_gpu.close()
    assert torch.cuda.memory_allocated() == before
    assert checkpoint.model.image_mean.device.type == "cpu"
