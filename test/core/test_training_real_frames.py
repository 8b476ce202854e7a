"""The path from real frames to weights learns: minutes long, `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")

from cinet_core.checkpoint import load_checkpoint
from cinet_core.cli import main
from cinet_core.data.registry import open_dataset
from cinet_core.evaluation.evaluate import evaluate_model
from cinet_core.training.checkpoints import FINAL_FILE

ROOT = Path(__file__).resolve().parents[2]
FRAMES = ROOT.parent / "shared" / "data" / "livingroom_frames"


@pytest.mark.soak
@pytest.mark.skipif(not FRAMES.is_dir(), reason="../shared/data/livingroom_frames is not there")
def test_fine_tuning_on_real_frames_learns_their_depth(tmp_path: Path) -> None:
    """Five real frames with depth alone, from ImageNet's encoder: learnt to 5 % in a few minutes on two cores."""
    arguments = [
        *("train", "--config", str(ROOT / "config" / "train" / "fine_tune.yaml"), f"data.root={FRAMES}"),
        *("model.checkpoint=null", f"run.output={tmp_path}", "run.accelerator=cpu", "run.devices=1", "run.pictures=0"),
        # All frames are learnt and scored: the question is whether the path learns, not whether it generalises.
        "data.options={validation_fraction: 0.0, test_fraction: 0.0}",
        # One zoom: five frames do not tell the zoom of an image from its content.
        "data.augmentation={rotation: 0.0, scale: [1.0, 1.0]}",
        *("data.width=160", "data.height=120", "data.cache=true", "data.workers=0", "data.samples_per_epoch=50"),
        *("optimizer.batch_size=5", "stages.attention.epochs=10", "stages.consistency.epochs=20"),
        *("stages.attention.learning_rate=0.02", "stages.consistency.learning_rate=0.02"),
    ]
    assert main(arguments) == 0
    checkpoint = load_checkpoint(tmp_path / FINAL_FILE)
    frames = open_dataset(FRAMES, "all", label_set=checkpoint.metadata.label_set)
    metrics = evaluate_model(checkpoint.model, checkpoint.metadata.camera, frames).metrics()
    assert metrics["full/abs_rel"] < 0.05
