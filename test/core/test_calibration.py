"""Calibration: temperature and factor are found, become part of the weights, and leave every label as it was."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from cinet_core.checkpoint import load_checkpoint, save_checkpoint
from cinet_core.cli import main
from cinet_core.evaluation.calibration import calibrate, fit_factor, fit_temperature
from cinet_core.inference.graph import DeployableGraph
from cinet_core.metrics.calibration import ConfidenceMetrics
from test.support.tiny_network import trained_checkpoint

ROOMS = {"length": 4, "validation_length": 2, "test_length": 2, "width": 64, "height": 48, "shadows": False}
TASKS = ["depth", "segmentation", "uncertainty"]


def drawn_labels(logits: torch.Tensor) -> torch.Tensor:
    return torch.multinomial(logits.softmax(dim=1), 1, generator=torch.Generator().manual_seed(1)).squeeze(1)


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 3.0])
def test_temperature_undoes_what_logits_are_stretched_by(overconfidence: float) -> None:
    logits = 2 * torch.randn(20_000, 5, generator=torch.Generator().manual_seed(0))
    labels = drawn_labels(logits)
    assert fit_temperature(overconfidence * logits, labels) == pytest.approx(overconfidence, rel=0.05)


def test_calibration_error_is_what_confidence_is_off_by() -> None:
    logits = 2 * torch.randn(20_000, 5, generator=torch.Generator().manual_seed(0))
    labels = drawn_labels(logits)
    found = {}
    for stretch in (1.0, 3.0):
        confidence, predicted = (stretch * logits).softmax(dim=1).max(dim=1)
        metric = ConfidenceMetrics()
        metric.update(confidence, predicted == labels)
        found[stretch] = metric.compute()
    assert found[1.0]["calibration_error"] < 0.02
    assert found[3.0]["calibration_error"] == pytest.approx(
        found[3.0]["mean_confidence"] - found[3.0]["accuracy"], abs=0.01
    )
    assert found[3.0]["accuracy"] == found[1.0]["accuracy"]
    assert math.isnan(ConfidenceMetrics().compute()["calibration_error"])
    with pytest.raises(ValueError, match=r"outside of 0\.\.1"):
        ConfidenceMetrics().update(torch.tensor([1.2]), torch.tensor([True]))


def test_factor_is_the_mean_of_errors_by_their_scale() -> None:
    truth = torch.tensor([1.0, 2.0])
    assert fit_factor(truth * math.exp(0.2), truth, torch.tensor([0.1, 0.2])) == pytest.approx(1.5)


def test_a_calibrated_checkpoint_answers_the_same_with_another_certainty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = trained_checkpoint(tasks=TASKS)
    save_checkpoint(tmp_path / "net.safetensors", made.model, made.metadata)
    found = calibrate("synthetic", tmp_path / "net.safetensors", tmp_path / "calibrated.safetensors", options=ROOMS)
    assert found.uncertainty_factor is not None
    assert found.fitted_on.endswith("validation, 2 frames")
    assert found.checked_on is not None
    assert found.checked_on.endswith("test, 2 frames")
    assert found.after["calibration_error"] < found.before["calibration_error"]
    assert found.after["depth_nll"] < found.before["depth_nll"]
    assert found.after["accuracy"] == found.before["accuracy"]
    before, after = (load_checkpoint(tmp_path / f"{name}.safetensors") for name in ("net", "calibrated"))
    assert after.metadata.metrics["calibration"] == found.to_dict()
    image = torch.randint(0, 256, (1, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    cameras = torch.tensor([[80.0, 80.0, 31.5, 23.5]])
    outputs = []
    for checkpoint in (before, after):
        graph = DeployableGraph(checkpoint.model, checkpoint.metadata.camera, (48, 64), (48, 64))
        with torch.inference_mode():
            outputs.append(graph(image, cameras))
    one, other = outputs
    torch.testing.assert_close(one["depth"], other["depth"], equal_nan=True)
    assert (one["labels"] == other["labels"]).float().mean() > 0.999  # where two are as good as equal, rounding decides
    torch.testing.assert_close(
        other["depth_uncertainty"], found.uncertainty_factor * one["depth_uncertainty"], rtol=1e-4, atol=0.0
    )
    again = calibrate("synthetic", tmp_path / "calibrated.safetensors", options=ROOMS, check=None)
    assert again.path is None
    assert again.uncertainty_factor == pytest.approx(1.0, rel=0.01)

    arguments = ["calibrate", str(tmp_path / "net.safetensors"), "--data", "synthetic", "--check", "none"]
    assert main([*arguments, *(f"--option={name}={json.dumps(value)}" for name, value in ROOMS.items())]) == 0
    printed = capsys.readouterr().out
    assert f"temperature {found.temperature:.3f}, uncertainty factor {found.uncertainty_factor:.3f}" in printed
    assert "expected calibration error" in printed
    assert "nothing written" in printed
    assert main(["calibrate", str(tmp_path / "none.safetensors"), "--data", "synthetic"]) == 2
