"""``cinet scale``: is the scale that it finds the one that was put in?"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("rosbags")

import made_bags
from made_bags import HEIGHT, PERIOD, START, WIDTH

from cinet_core.cli import main
from cinet_core.evaluation.depth_scale import RatioHistogram, ScaleStudy
from cinet_core.inference.predictor import Prediction, Predictor
from cinet_core.messages.settings import OutputSettings
from cinet_core.parameters import read_file


def scale(*arguments: object) -> int:
    return main(["scale", "--device", "cpu", *map(str, arguments)])


def study(scales: list[float], timed: bool = True, period: float = 1.0) -> ScaleStudy:
    """Truth is the prediction times these."""
    found = ScaleStudy(max_depth=10.0, timed=timed)
    predicted = torch.linspace(0.5, 3.0, 400).reshape(20, 20)
    for number, value in enumerate(scales):
        assert found.add(str(number), number * period, predicted, (predicted * value).float())
    return found


def test_the_scale_that_was_put_in_is_found() -> None:
    report = study([1.25] * 20).report()
    assert report.scale == pytest.approx(1.25, rel=1e-6)
    assert report.quartiles == pytest.approx((1.25, 1.25))
    assert report.spread == pytest.approx(0.0, abs=1e-6)
    assert report.slope == pytest.approx(0.0, abs=1e-6)
    assert report.metrics["as predicted"]["abs_rel"] == pytest.approx(0.2, abs=1e-6)
    for name in ("suggested scale", "each frame's own scale"):
        assert report.metrics[name]["abs_rel"] == pytest.approx(0.0, abs=1e-3)
        assert report.metrics[name]["delta1"] == 1.0


def test_drift_is_told_by_minute_or_by_frames() -> None:
    values = [math.exp(0.01 * number) for number in range(31)]  # 1 % a frame
    by_time = study(values, period=2.0).report()
    assert by_time.slope == pytest.approx(math.expm1(0.3), rel=1e-4)
    assert by_time.slope_unit == "minute"
    assert by_time.slope_error == pytest.approx(0.0, abs=1e-4)
    assert by_time.thirds[0] < by_time.scale < by_time.thirds[2]
    by_frame = study(values, timed=False).report()
    assert by_frame.slope == pytest.approx(math.expm1(1.0), rel=1e-4)
    assert by_frame.spread == pytest.approx(np.std(np.log(values)), rel=1e-3)
    noisy = study([1.0 + 0.05 * (-1) ** number for number in range(40)]).report()
    assert abs(noisy.slope) < 2 * noisy.slope_error


def test_the_histogram_agrees_with_the_metrics() -> None:
    generator = np.random.default_rng(0)
    truth = generator.uniform(0.5, 8.0, 5000)
    predicted = truth * np.exp(generator.normal(0.1, 0.3, 5000))
    histogram = RatioHistogram()
    histogram.add(predicted, truth)
    for factor in (1.0, 0.8):
        ratio = predicted * factor / truth
        found = histogram.metrics(factor)
        assert found["abs_rel"] == pytest.approx(np.abs(ratio - 1).mean(), abs=1e-3)
        assert found["delta1"] == pytest.approx((np.maximum(ratio, 1 / ratio) < 1.25).mean(), abs=2e-3)


def test_pixels_out_of_range_and_empty_frames_do_not_count() -> None:
    found = ScaleStudy(min_depth=1.0, max_depth=4.0)
    predicted = torch.full((4, 4), 2.0)
    truth = torch.full((4, 4), 3.0)
    truth[0], truth[1], truth[2] = 0.5, 8.0, 0.0
    assert found.add("frame", 0.0, predicted, truth)
    assert not found.add("empty", 1.0, predicted, torch.zeros(4, 4))
    report = found.report()
    assert (report.scale, len(report.frames)) == (1.5, 1)
    assert math.isnan(report.slope)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["slope"] is None
    with pytest.raises(ValueError, match="nothing can be compared"):
        ScaleStudy().report()


@pytest.fixture
def perfect_but_for_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Depth by the image's first pixel: the network is not what is tested here, but all around it."""

    def predict(self: Predictor, image: np.ndarray, intrinsics: object = None) -> Prediction:
        depth = np.full(image.shape[:2], 1.0 + image[0, 0, 0] / 100.0, np.float32)
        labels = np.zeros(image.shape[:2], np.uint8)
        return Prediction({"depth": depth, "labels": labels, "confidence": labels}, None, {})

    monkeypatch.setattr(Predictor, "predict", predict)


def bag(path: Path, factor: float, depth_frame: str = "camera_optical") -> Path:
    messages = []
    for number in range(6):
        stamp = START + number * PERIOD
        gray = np.full((HEIGHT, WIDTH, 3), 30 * number, np.uint8)
        depth = np.full((HEIGHT, WIDTH), (1.0 + 30 * number / 100.0) * factor * 1000, np.uint16)
        messages += [
            ("/cam/image_raw", stamp, made_bags.image(stamp, gray)),
            ("/cam/camera_info", stamp, made_bags.camera_info(stamp)),
            ("/cam/depth", stamp + 5, made_bags.image(stamp, depth, "16UC1")),
        ]
        messages[-1][2].header.frame_id = depth_frame
    return made_bags.write(path, messages, "mcap")


@pytest.mark.usefixtures("perfect_but_for_scale")
def test_a_bag_gives_a_parameter_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, metrics = tmp_path / "scale.yaml", tmp_path / "scale.json"
    assert scale(bag(tmp_path / "walk", 1.2), "--output", output, "--json", metrics) == 0
    printed = capsys.readouterr().out
    assert "scale (median of true / predicted): 1.200" in printed
    assert "/cam/image_raw against /cam/depth" in printed
    parameters = yaml.safe_load(output.read_text())["/**"]["ros__parameters"]
    assert parameters == {"depth_scale": 1.2}
    assert read_file(output, OutputSettings) == (OutputSettings(depth_scale=1.2), [])
    values = json.loads(metrics.read_text())
    assert [frame["time"] for frame in values["frames"]] == pytest.approx([0.1 * n for n in range(6)])
    assert values["metrics"]["as predicted"]["abs_rel"] == pytest.approx(1 - 1 / 1.2, abs=1e-3)


@pytest.mark.usefixtures("perfect_but_for_scale")
def test_depth_of_another_camera_gives_no_scale_unless_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, source = tmp_path / "scale.yaml", bag(tmp_path / "walk", 1.2, depth_frame="depth_optical")
    assert scale(source, "--output", output) == 2
    assert "depth is in depth_optical, the images in camera_optical" in capsys.readouterr().err
    assert not output.exists()
    assert scale(source, "--output", output, "--allow-unregistered") == 0
    assert "WARNING: depth of /cam/depth is not registered to /cam/image_raw" in capsys.readouterr().out


@pytest.mark.usefixtures("perfect_but_for_scale")
def test_no_parameter_is_suggested_that_the_node_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scale.yaml"
    assert scale(bag(tmp_path / "walk", 20.0), "--output", output, "--max-depth", 100) == 2
    assert "outside 0.1 .. 10: look at the unit of the depth" in capsys.readouterr().err
    assert scale(bag(tmp_path / "other", 1.0), "--output", output, "--weights", "random") == 2
    assert "random weights have no scale" in capsys.readouterr().err
    assert not output.exists()
    assert scale(tmp_path / "nothing", "--output", output) == 2
    assert scale(tmp_path / "walk", "--output", output, "--min-depth", 3, "--max-depth", 2) == 2
    assert "--max-depth 2 must be above --min-depth 3" in capsys.readouterr().err


def test_the_kitchen_has_a_scale_that_the_node_takes(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kitchen = shared_data / "kitchen_sequence"
    if not kitchen.is_dir():
        pytest.skip(f"no kitchen: {kitchen} is absent")
    options = ["--kind", "rgbd_sequence", "--option", "color_focal=525", "--option", "baseline=0.025"]
    output = tmp_path / "scale.yaml"
    assert scale(kitchen, *options, "--limit", 3, "--output", output) == 0
    value = yaml.safe_load(output.read_text())["/**"]["ros__parameters"]["depth_scale"]
    assert 0.5 < value < 2.0
    assert "in a 100 frames" in capsys.readouterr().out
