"""scripts/demo.py: what it leaves behind, and what it does not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from demo_process import TIMEOUT, is_alone, start
from PIL import Image

from cinet_core.checkpoint import random_checkpoint, save_checkpoint


def test_it_leaves_panel_cloud_and_figures_that_account_for_every_frame(tmp_path: Path) -> None:
    demo = start(tmp_path, "--seconds", "2")
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0, output
    figures = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    frames = figures["frames"]
    assert 0 <= frames["received"] - frames["used"] - frames["dropped"] <= 2, "waiting and in work"
    assert all(row["messages"] > 0 for row in figures["topics"].values())
    assert not figures["random_weights"], "the weights that ship are the default"
    assert "random weights" not in output
    with Image.open(tmp_path / "panel.png") as panel:
        assert panel.size[0] > 1000
    assert b"property float confidence" in (tmp_path / "cloud.ply").read_bytes()[:400]
    assert is_alone(demo)


def test_without_valid_depth_no_cloud_of_an_earlier_run_is_passed_off(tmp_path: Path) -> None:
    random = random_checkpoint("lite")
    # the untrained network sees everything at some 2.4 m
    metadata = dataclasses.replace(random.metadata, depth_range=(0.1, 0.2))
    weights = tmp_path / "near.safetensors"
    save_checkpoint(weights, random.model, metadata)
    (tmp_path / "cloud.ply").write_bytes(b"of an earlier run")
    demo = start(tmp_path, "--seconds", "1", "--weights", str(weights))
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0, output
    assert "no cloud.ply" in output
    assert not (tmp_path / "cloud.ply").exists()
    assert (tmp_path / "panel.png").exists()
