"""What the commands do, from Python: plain arguments in, frozen results out, nothing printed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tiny_network import tiny_checkpoint

import cinet_core
from cinet_core.checkpoint import save_checkpoint
from cinet_core.inference.prediction import RANDOM_WARNING
from cinet_core.rooms.demo.room import SyntheticRoom

ROOMS = {"length": 4, "validation_length": 1, "test_length": 2, "width": 64, "height": 48}


class Heard(cinet_core.Progress):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None]] = []
        self.done: list[int] = []
        self.warnings: list[str] = []
        self.failures: list[str] = []
        self.notes: list[str] = []

    def begin(self, what: str, total: int | None) -> None:
        self.begun.append((what, total))

    def advance(self, done: int) -> None:
        self.done.append(done)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def broken(self, text: str) -> None:
        self.failures.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr().out == ""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that takes milliseconds; its weights are random and say so."""
    checkpoint = tiny_checkpoint(seed=3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.metadata)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "room"
    path.mkdir()
    room = SyntheticRoom(width=64, height=48)
    for index in range(3):
        Image.fromarray(room.render(index).image).save(path / f"view_{index}.png")
    return path


def frozen(result: object) -> bool:
    return dataclasses.is_dataclass(result) and result.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_predict_frames(folder: Path, weights: Path, tmp_path: Path, heard: Heard) -> None:
    (folder / "view_1.png").write_bytes(b"broken")
    done = cinet_core.predict_frames(
        folder, tmp_path / "out", weights, device="cpu", fov=60, kinds=("depth",), progress=heard
    )
    assert frozen(done)
    assert (done.source, done.frames, done.failed, done.folder) == ("room", 2, 1, tmp_path / "out")
    assert done.seconds > 0
    assert sorted(path.name for path in done.folder.iterdir()) == ["view_0_depth.png", "view_2_depth.png"]
    assert heard.begun == [("room", 3)]
    assert heard.done == [1, 2]
    assert RANDOM_WARNING in heard.warnings
    with pytest.raises(ValueError, match="every is 0"):
        cinet_core.predict_frames(folder, tmp_path / "out", weights, device="cpu", every=0)


def test_a_frame_that_fails_is_told_and_the_camera_once(folder: Path, weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "view_1.png")  # below the network's least size
    heard = Heard()
    done = cinet_core.predict_frames(folder, tmp_path, weights, device="cpu", kinds=("depth",), progress=heard)
    assert (done.frames, done.failed) == (2, 1)
    (failure,) = heard.failures
    assert failure.startswith("view_1: ")
    assert len([text for text in heard.warnings if "camera is unknown" in text]) == 1


def test_record_source(tmp_path: Path, weights: Path, heard: Heard) -> None:
    pytest.importorskip("rerun", reason="the extra viewer (rerun-sdk) is not installed")
    from recorded import Recorded  # test/support

    path = tmp_path / "walk.rrd"
    done = cinet_core.record_source("synthetic", path, weights, device="cpu", every=7, limit=2, progress=heard)
    assert frozen(done)
    assert (done.source, done.frames, done.failed, done.file) == ("synthetic", 2, 0, path)
    assert len(Recorded(path).rows["/world/camera/image/rgb"]) == 2
    assert heard.done == [1, 2]


def test_predict_bag(tmp_path: Path, weights: Path, heard: Heard) -> None:
    pytest.importorskip("rosbags")
    import made_bags

    from cinet_core.messages.settings import OutputSettings

    bag = made_bags.write(tmp_path / "in", made_bags.camera(3), "mcap")
    settings = OutputSettings(depth_encoding="16UC1")
    arguments = {"parameters": settings, "outputs": ["depth_registered/image_rect"], "prefix": "front", "device": "cpu"}
    done = cinet_core.predict_bag(bag, tmp_path / "out", weights, progress=heard, **arguments)
    assert frozen(done)
    assert (done.frames, done.existing, done.was_complete, done.complete) == (3, 0, False, True)
    assert done.messages == len(made_bags.contents(bag)) == heard.begun[0][1] == heard.done[-1]
    assert done.random_weights
    assert any("random weights" in text for text in heard.warnings)
    topics = {topic for topic, *_ in made_bags.contents(tmp_path / "out")}
    assert "/front/depth_registered/image_rect" in topics
    again = cinet_core.predict_bag(bag, tmp_path / "out", weights, **arguments)
    assert (again.frames, again.existing, again.was_complete) == (3, 3, True)
    with pytest.raises(cinet_core.BagError, match="there is no such bag"):
        cinet_core.predict_bag(tmp_path / "none", tmp_path / "other", weights, device="cpu")
    with pytest.raises(ValueError, match="batch is 0"):
        cinet_core.predict_bag(bag, tmp_path / "other", weights, batch=0)


def test_parameters_that_mean_nothing_for_a_bag_are_noted(tmp_path: Path, weights: Path, heard: Heard) -> None:
    pytest.importorskip("rosbags")
    import made_bags

    file = tmp_path / "perception.yaml"
    file.write_text("/**:\n  ros__parameters: {max_rate: 5.0}\n")
    bag = made_bags.write(tmp_path / "in", made_bags.camera(1), "mcap")
    cinet_core.predict_bag(bag, tmp_path / "out", weights, parameters=file, device="cpu", progress=heard)
    assert heard.notes == [f"{file}: of no meaning for a bag: max_rate"]


def test_check_data(tmp_path: Path, heard: Heard) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    found = cinet_core.check_data("synthetic", split="test", options=ROOMS, sheet=sheet, frames=1, progress=heard)
    assert frozen(found)
    assert (found.report.frames, found.report.readable, found.sound, found.sheet) == (2, 2, True, sheet)
    assert Image.open(sheet).size[0] > 64
    assert heard.done == [1, 2]
    assert cinet_core.check_data("synthetic", split="test", options=ROOMS, limit=1).sheet is None


def test_draw_figures(tmp_path: Path, weights: Path, heard: Heard) -> None:
    networks = {"ours": weights, "other": weights}
    drawn = cinet_core.draw_figures("features", networks, "synthetic", options=ROOMS, frames=2, tile=48, progress=heard)
    assert frozen(drawn)
    assert len(drawn.figures) == 2
    assert drawn.broken == ()
    for path, figure in zip(drawn.save(tmp_path / "figures"), drawn.figures.values(), strict=True):
        assert Image.open(path).size == tuple(figure.canvas.get_width_height())
    with pytest.raises(ValueError, match="there is no figure 'loss'"):
        cinet_core.draw_figures("loss", networks, "synthetic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no checkpoint to draw"):
        cinet_core.draw_figures("panels", {}, "synthetic")
