"""What the commands do, as functions: plain objects come back, and nothing is printed."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from tiny_network import tiny_checkpoint

import cinet_core
from cinet_core.checkpoint import save_checkpoint
from cinet_core.inference.onnx_file import PACKAGES


class Listener(cinet_core.Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.total = 0
        self.done: list[int] = []

    def begin(self, what: str, total: int) -> None:
        assert what
        self.total = total

    def advance(self, done: int) -> None:
        self.done.append(done)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    checkpoint = tiny_checkpoint()
    save_checkpoint(path, checkpoint.model, checkpoint.metadata)
    return path


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Three colour images with depth of one to two metres."""
    pytest.importorskip("rosbags")
    import made_bags

    messages = []
    for number in range(3):
        stamp = made_bags.START + number * made_bags.PERIOD
        depth = np.full((made_bags.HEIGHT, made_bags.WIDTH), 1000 + 500 * number, np.uint16)
        messages += [
            ("/cam/image_raw", stamp, made_bags.image(stamp, made_bags.rgb_image(number))),
            ("/cam/camera_info", stamp, made_bags.camera_info(stamp)),
            ("/cam/depth", stamp + 5, made_bags.image(stamp, depth, "16UC1")),
        ]
    return made_bags.write(tmp_path / "walk", messages, "mcap")


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> object:
    yield
    assert capfd.readouterr() == ("", "")


def test_evaluate(weights: Path) -> None:
    listener = Listener()
    report = cinet_core.evaluate(
        "synthetic",
        weights,
        options={"test_length": 3, "width": 48, "height": 36},
        device="cpu",
        limit=2,
        progress=listener,
    )
    assert (listener.total, listener.done) == (2, [1, 2])
    assert report.evaluation.counts.frames == 2
    assert 0 <= report.evaluation.metrics()["mean_iou"] <= 1
    assert len(report.sha256) == 64
    assert "only 2 of the split's 3" in "".join(report.warnings())
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.sha256 = ""  # type: ignore[misc]


@pytest.mark.skipif(any(importlib.util.find_spec(one) is None for one in PACKAGES), reason="no onnx")
def test_export(weights: Path, tmp_path: Path) -> None:
    graph = cinet_core.export(weights, tmp_path / "graph.onnx", image_size=(48, 64), network_size=(32, 48))
    assert graph.path.stat().st_size > 1000
    assert (graph.image_size, graph.network_size, graph.output_size) == ((48, 64), (32, 48), (48, 64))


def test_export_refuses(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image_size is 64x8: both sides must be at least 16"):
        cinet_core.export(weights, tmp_path / "graph.onnx", image_size=(8, 64))
    with pytest.raises(ValueError, match="precision is 'half'"):
        cinet_core.export(weights, tmp_path / "graph.onnx", precision="half")


def test_fuse_map(tmp_path: Path) -> None:
    listener = Listener()
    settings = cinet_core.MapSettings(depth="sensor", voxel_size=0.05, min_weight=0, every=12, limit=3)
    small = {"width": 80, "height": 60}
    fused = cinet_core.fuse_map("synthetic", settings=settings, weights=None, options=small, progress=listener)
    assert (listener.total, listener.done) == (3, [1, 2, 3])
    assert fused.written == ()
    assert fused.report.frames == fused.map.frames == len(fused.poses) == 3
    assert len(fused.points) == fused.report.points > 100
    assert sum(fused.report.classes.values()) == pytest.approx(1.0)
    assert fused.save(tmp_path / "map")[0].is_file()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"depth": "lidar"}, "depth is 'lidar': it must be one of sensor, predicted"),
        ({"every": 0}, "every is 0: it must be at least 1"),
        ({"limit": 0}, "limit is 0"),
    ],
)
def test_map_settings_refuse(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        cinet_core.MapSettings(**settings)  # type: ignore[arg-type]


def test_a_map_without_weights_needs_the_sensor() -> None:
    with pytest.raises(ValueError, match="without weights there is no predicted depth"):
        cinet_core.fuse_map("synthetic", weights=None)


def test_compare_odometry(shared_data: Path) -> None:
    listener = Listener()
    found = cinet_core.compare_odometry(
        shared_data / "kitchen_sequence",
        depths=["sensor"],
        options={"color_focal": 525, "baseline": 0.025},
        limit=3,
        progress=listener,
    )
    assert (listener.total, listener.done) == (3, [1, 2, 3])
    assert found.weights is None
    assert list(found.depth) == ["sensor"]
    assert found.depth["sensor"].poses.shape == found.truth.shape == (3, 4, 4)
    assert found.to_dict()["frames"] == len(found.names) == 3
    pytest.importorskip("matplotlib", reason="charts are an extra: pip install 'cinet[charts]'")
    assert [axes.get_xlabel() for axes in found.top_view().axes] == ["right [m]"] * 2


@pytest.mark.parametrize(
    ("changes", "says"), [({"depths": ["lidar"]}, r"depths is \['lidar'\]"), ({"every": 0}, "every is 0")]
)
def test_compare_odometry_refuses(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        cinet_core.compare_odometry("nowhere", **changes)  # type: ignore[arg-type]


def test_extract_bag(bag: Path, tmp_path: Path) -> None:
    listener = Listener()
    done = cinet_core.extract_bag(bag, tmp_path / "data", every=2, progress=listener)
    assert (listener.total, listener.done[-1]) == (2, 2)
    assert (done.written, done.existing, done.frames, done.complete) == (2, 0, 2, True)
    assert (done.image_topic, done.depth_topic, done.labels_topic) == ("/cam/image_raw", "/cam/depth", None)
    again = cinet_core.extract_bag(bag, tmp_path / "data", every=2)
    assert (again.written, again.existing) == (0, 2)
    with pytest.raises(ValueError, match=r"name is 'a/b'"):
        cinet_core.extract_bag(bag, tmp_path / "data", name="a/b")
    with pytest.raises(cinet_core.BagError, match="nowhere"):
        cinet_core.extract_bag("nowhere", tmp_path / "data")


def test_suggest_scale(bag: Path, weights: Path) -> None:
    listener = Listener()
    found = cinet_core.suggest_scale(bag, weights, device="cpu", limit=2, progress=listener)
    assert (listener.total, listener.done) == (2, [1, 2])
    assert found.scale == found.report.scale > 0
    assert found.refused == {}
    assert found.notes[0] == "/cam/image_raw against /cam/depth"
    usable = dataclasses.replace(found, report=dataclasses.replace(found.report, scale=1.25), random_weights=False)
    assert usable.problem is None
    assert usable.parameter_file().endswith("depth_scale: 1.2500\n")
    wrong = dataclasses.replace(found, report=dataclasses.replace(found.report, scale=1000.0), random_weights=False)
    with pytest.raises(ValueError, match=r"outside 0\.1 \.\. 10"):
        wrong.parameter_file()
    with pytest.raises(ValueError, match="max_depth 1 must be above min_depth 2"):
        cinet_core.suggest_scale(bag, weights, min_depth=2, max_depth=1)


def test_random_weights_suggest_nothing(bag: Path) -> None:
    found = cinet_core.suggest_scale(bag, "random", device="cpu", limit=1)
    assert found.random_weights
    assert found.problem == "random weights have no scale"
