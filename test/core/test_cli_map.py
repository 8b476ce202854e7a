"""``cinet map``, as it is called: files, metrics and renderings of the synthetic room and of a real kitchen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinet_core.cli import main
from cinet_core.mapping.semantic_map import SemanticMap

SMALL = ["--option", "width=160", "--option", "height=120", "--voxel", "0.05", "--min-weight", "0"]


def call(*arguments: str) -> int:
    return main(["map", *arguments])


def test_files_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a" / "map"
    what = ["--depth", "sensor", "--weights", "none", "--every", "6", "--loop", "2", "--compare"]
    status = call("synthetic", str(out), *what, *SMALL)
    told = capsys.readouterr()
    assert status == 0, told.err
    assert sorted(path.name for path in out.iterdir()) == ["above.png", "map.json", "map.npz", "map.ply", "within.png"]
    report = json.loads((out / "map.json").read_text())
    assert report["frames"] == 16
    assert report["skipped"] == {"no_pose": 0, "no_depth": 0}
    assert report["distance_m"]["to_reference"]["median"] < 0.05
    assert report["distance_m"]["from_reference"]["p90"] < 0.1
    assert {"wall", "floor", "sofa"} <= set(report["classes"])
    assert report["frames_per_second"] > 0
    loaded = SemanticMap.load(out / "map.npz")
    assert loaded.frames == 16
    assert len(loaded.surface(0.0)) == report["points"]
    for name in ("above.png", "within.png"):
        image = np.asarray(Image.open(out / name))
        assert image.shape[1] == 1280
        assert len(np.unique(image[60:400, 700:1240].reshape(-1, 3), axis=0)) > 5  # classes' colours


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere", "--depth", "sensor", "--weights", "none"], "there is no such folder"),
        (["synthetic", "--weights", "none"], "predicts no depth"),
        (["synthetic", "--depth", "sensor", "--weights", "none", "--voxel", "0"], "voxel_size is 0.0"),
        (["synthetic", "--depth", "sensor", "--weights", "none", "--option", "color=3"], "no option 'color'"),
        (["synthetic", "--depth", "sensor", "--weights", "none", "--max-depth", "0.2", "--limit", "1"], "none of 1"),
        (["synthetic", "--depth", "sensor", "--weights", "missing.safetensors"], "missing.safetensors"),
    ],
)
def test_what_cannot_start_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert call(arguments[0], str(tmp_path / "out"), *arguments[1:]) == 2
    told = capsys.readouterr().err
    assert told.splitlines()[-1].startswith("cinet map: ")
    assert text in told


def test_predicted_depth_goes_through_the_network(tmp_path: Path) -> None:
    arguments = ["--weights", "random", "--device", "cpu", "--limit", "2", *SMALL]
    assert call("synthetic", str(tmp_path), *arguments) == 0
    report = json.loads((tmp_path / "map.json").read_text())
    assert report["weights"] == {"name": "random", "sha256": "random"}
    assert report["depth"] == "predicted"


def test_a_real_kitchen_is_where_open3d_has_it(shared_data: Path, tmp_path: Path) -> None:
    cameras = ["--option", "color_focal=525", "--option", "baseline=0.025"]
    arguments = ["--depth", "sensor", "--weights", "none", "--every", "60", "--min-weight", "0", "--compare"]
    assert call(str(shared_data / "kitchen_sequence"), str(tmp_path), *arguments, *cameras) == 0
    report = json.loads((tmp_path / "map.json").read_text())
    assert report["points"] > 15_000
    for way in ("to_reference", "from_reference"):
        assert report["distance_m"][way]["median"] < 0.02
        assert report["distance_m"][way]["p90"] < 2 * 0.02
