"""scripts/demo.py: what it leaves behind, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from demo_process import Demo
from fork_server import ForkServer
from PIL import Image as PillowImage
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from cinet_core.label_sets import NYU40
from cinet_ros.msg import PerceptionStats, SemanticClass, SemanticClasses

REPOSITORY = Path(__file__).resolve().parents[2]


def test_it_leaves_panel_cloud_and_figures_that_account_for_every_frame(
    node_server: ForkServer, tmp_path: Path
) -> None:
    demo = Demo(node_server, tmp_path, "--seconds", "2")
    status, output = demo.finish()
    assert status == 0, output
    summary = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    frames = summary["frames"]
    assert 0 <= frames["received"] - frames["used"] - frames["dropped"] <= 2, "waiting and in work"
    assert all(row["messages"] > 0 for row in summary["topics"].values())
    assert not summary["random_weights"], "the weights that ship are the default"
    assert "random weights" not in output
    with PillowImage.open(tmp_path / "panel.png") as panel:
        assert panel.size[0] > 1000
    assert b"property float confidence" in (tmp_path / "cloud.ply").read_bytes()[:400]
    assert demo.is_alone()


def image(encoding: str, values: np.ndarray) -> Image:
    """A message with these pixels."""
    return Image(height=values.shape[0], width=values.shape[1], encoding=encoding, data=values.tobytes())


@pytest.mark.parametrize("metres", [np.nan, 2.0])
def test_without_valid_depth_no_cloud_of_an_earlier_run_is_passed_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], metres: float
) -> None:
    monkeypatch.syspath_prepend(REPOSITORY)
    from scripts.demo import write_images

    depth, labels = np.full((48, 64), metres, np.float32), np.full((48, 64), 3, np.uint8)
    points = np.full((48, 64, 8), metres, np.float32)
    info = CameraInfo(height=48, width=64, k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0])
    frame = {
        "depth_registered/image_rect": image("32FC1", depth),
        "depth_registered/camera_info": info,
        "semantic/image_raw": image("mono8", labels),
        "semantic/confidence": image("mono8", labels),
        "rgb/image_rect": image("rgb8", np.zeros((48, 64, 3), np.uint8)),
        "points": PointCloud2(height=48, width=64, data=points.tobytes()),
        "stats": PerceptionStats(),
    }
    classes = [SemanticClass(id=index, name=name) for index, name in enumerate(NYU40.classes)]
    listener = SimpleNamespace(complete=frame, classes=SemanticClasses(label_set="nyu40", classes=classes))
    (tmp_path / "cloud.ply").write_bytes(b"of an earlier run")
    written = write_images(listener, tmp_path)
    assert (tmp_path / "panel.png").exists()
    if np.isnan(metres):
        assert written == ["panel.png"]
        assert not (tmp_path / "cloud.ply").exists()
        assert "no cloud.ply" in capsys.readouterr().out
    else:
        assert written == ["panel.png", "cloud.ply"]
        assert len((tmp_path / "cloud.ply").read_bytes()) > 48 * 64 * 12
