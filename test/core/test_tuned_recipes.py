"""The tuned recipes of the two data sets of the paper, from their files' real layout to a report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")
pytest.importorskip("h5py", reason="the .mat files are HDF5: needs the extra `train`")
pytest.importorskip("scipy.io", reason="metadata of SUN RGB-D is MATLAB 5: needs the extra `train`")

import h5py
from nyu_file import write_nyu
from sun_files import write_sun
from tiny_network import TINY

from cinet_core.checkpoint import load_checkpoint
from cinet_core.cli import main
from cinet_core.data.nyu_depth_v2 import FILE_NAME, official_test_images
from cinet_core.data.registry import open_dataset
from cinet_core.model import get_config
from cinet_core.training.recipe_file import read_recipe
from cinet_core.training.settings import Recipe
from cinet_core.training.train import find_learning_rate

RECIPES = Path(__file__).resolve().parents[2] / "config" / "train"
# The network, the size of its input and the length of the run; nothing of what the recipes decide.
SMALL: dict[str, Any] = {
    "data.width": 64,
    "data.height": 48,
    "data.workers": 0,
    "data.samples_per_epoch": 8,
    "data.validation_limit": 1,
    "data.statistics_samples": 2,
    "model.overrides": {**TINY, "encoder_stride": 16},
    "model.pretrained_encoder": False,
    "stages.attention.epochs": 1,
    "stages.consistency.epochs": 1,
    "optimizer.batch_size": 4,
    "optimizer.warmup_steps": 1,
    "run.accelerator": "cpu",
    "run.pictures": 0,
    "run.log_every": 1,
}


@pytest.fixture(scope="module")
def nyu_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wall 2.5 m away with the label 21 of 894; the first test image has a floor in its lower half."""
    values = {"images": 90, "labels": 21, "depths": 2.5, "rawDepths": 2.5}
    path = write_nyu(tmp_path_factory.mktemp("nyu") / FILE_NAME, unwritten=values)
    first = min(official_test_images())
    with h5py.File(path, "r+") as file:
        file["images"][first] = np.random.default_rng(0).integers(0, 256, (3, 640, 480), np.uint8)
        file["labels"][first, :, 240:] = 11
    return path


@pytest.fixture(scope="module")
def sun_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sun(tmp_path_factory.mktemp("sun"))


def tuned(name: str, root: Path, **values: object) -> Recipe:
    return read_recipe(RECIPES / f"{name}.yaml", values={"data.root": str(root), **SMALL, **values})


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [("nyu_resnet101_tuned", "nyu", {}), ("sun_resnet101_tuned", "sun", {"validation_fraction": 0.4})],
)
def test_a_rehearsal(name: str, kind: str, options: dict[str, float], tmp_path: Path, request: Any) -> None:
    root, output = request.getfixturevalue(f"{kind}_root"), tmp_path / "run"
    values = {**SMALL, "data.root": str(root), "data.options": options, "run.output": str(output)}
    arguments = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]
    assert main(["train", "--config", str(RECIPES / f"{name}.yaml"), *arguments]) == 0
    checkpoint = load_checkpoint(output / "best.safetensors")
    assert all(torch.isfinite(value).all() for value in checkpoint.model.state_dict().values())
    with (output / "metrics.csv").open(newline="") as file:
        logged = list(csv.DictReader(file))
    assert {"train/total", "train/attention", "train/consistency"} <= {row["name"] for row in logged}
    assert {float(row["value"]) for row in logged if row["name"] == "stage"} == {2.0, 3.0}
    report = tmp_path / "report.json"
    arguments = ["--data", str(root), "--limit", "1", "--device", "cpu", "--tta", "flip", "--output", str(report)]
    assert main(["eval", str(output / "best.safetensors"), *arguments]) == 0
    found = json.loads(report.read_text())
    protocols = {score["protocol"] for score in found["evaluation"]["depth"]}
    assert protocols == ({"paper", "eigen"} if kind == "nyu" else {"full"})
    assert all(score["metrics"]["silog"] is not None for score in found["evaluation"]["depth"])
    assert found["published"]


@pytest.mark.parametrize(("name", "training"), [("nyu", 795 * 0.9), ("sun", 5285 * 0.95)])
def test_learning_rates_add_up_to_what_works(name: str, training: float) -> None:
    """About 200 over all steps where the paper's have 20 to 35; a poly stage of n steps at rate r has n r / 1.9."""

    def summed(recipe: Recipe) -> float:
        stages = (recipe.stages.ideal, recipe.stages.attention, recipe.stages.consistency)
        steps = training / recipe.optimizer.batch_size
        return sum(
            stage.epochs * steps * stage.learning_rate / (1.9 if stage.schedule == "poly" else 1.0) for stage in stages
        )

    literal, better = (
        read_recipe(RECIPES / f"{name}_resnet101{end}.yaml", values={"data.root": "somewhere"})
        for end in ("", "_tuned")
    )
    assert 20 < summed(literal) < 36
    assert 180 < summed(better) < 220
    assert better.losses.weights.segmentation >= 1
    assert (better.optimizer.algorithm, better.model.pretrained_encoder) == ("sgd", True)
    assert get_config(better.model.config).encoder == "resnet101.tv_in1k"
    assert (better.data.width, better.data.height, better.data.label_set) == (640, 480, literal.data.label_set)


def test_a_range_test_ends_where_the_loss_diverges(nyu_root: Path) -> None:
    recipe = tuned("nyu_resnet101_tuned", nyu_root, **{"optimizer.gradient_clip": 0.0})
    found = find_learning_rate(recipe, steps=12)
    ratios = np.divide(found.rates[1:], found.rates[:-1])
    assert found.rates[0] == pytest.approx(1e-5)
    assert ratios == pytest.approx(1e5 ** (1 / 11))
    assert len(found.losses) == len(found.rates) <= 12
    assert found.suggested == found.rates[int(np.argmin(found.losses))] / 10
    with pytest.raises(ValueError, match="in 1 steps"):
        find_learning_rate(recipe, steps=1)


def test_the_range_test_of_the_command(nyu_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**SMALL, "data.root": str(nyu_root), "run.output": str(tmp_path / "run")}
    arguments = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]
    with pytest.MonkeyPatch.context() as patch:
        from cinet_core.training import train

        patch.setattr(train, "measure_rates", lambda preparation, steps: train.RateRange((1e-3, 1e-2), (2.0, 1.0)))
        assert main(["train", "--config", str(RECIPES / "nyu_resnet101_tuned.yaml"), "--find-lr", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "1.00e-02" in printed
    assert "least loss: 1.0e-03" in printed
    assert not [*tmp_path.rglob("*.safetensors"), *tmp_path.rglob("*.ckpt")]


def test_the_file_is_read_as_the_real_one_is(nyu_root: Path) -> None:
    sample = open_dataset(nyu_root, "test", "nyu_depth_v2")[0]
    assert sample.image.shape == (3, 480, 640)
    assert sample.depth.unique().tolist() == [2.5]
    assert sample.labels.unique().tolist() == [0, 1]  # wall and floor
