"""``cinet figures``: what it writes, and how it ends."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="figures are an extra: pip install 'cinet[charts]'")

from PIL import Image
from tiny_network import trained_checkpoint

from cinet_core.checkpoint import save_checkpoint
from cinet_core.cli import main
from cinet_core.data.registry import open_dataset
from cinet_core.figures import Observer, draw_attention, write_figure
from cinet_core.figures.drawing import chosen_frames
from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.room import SyntheticRoom

TILE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of three rooms, two with depth and labels."""
    path = tmp_path_factory.mktemp("rooms")
    room = SyntheticRoom(width=96, height=72)
    for index in range(3):
        view = room.render(30 * index)
        Image.fromarray(view.image).save(path / f"room{index}_0.png")
        if index < 2:
            millimetres = (np.nan_to_num(view.depth) * 1000).astype(np.uint16)
            cv2.imwrite(str(path / f"room{index}_0_depth.png"), millimetres)
            cv2.imwrite(str(path / f"room{index}_0_label.png"), (view.labels + 1).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights")
    networks = {
        "fsm": trained_checkpoint(),
        "lsu": trained_checkpoint(sharing="lsu"),
        "base": trained_checkpoint(sharing="none", scene_understanding=False),
    }
    for name, checkpoint in networks.items():
        save_checkpoint(path / f"{name}.safetensors", checkpoint.model, checkpoint.metadata)
    return path


def run(*arguments: object) -> int:
    return main(["figures", *map(str, arguments)])


def test_the_command_writes_every_kind_of_figure(folder: Path, weights: Path, tmp_path: Path) -> None:
    common = ["--data", folder, "--split", "all", "--output", tmp_path / "new", "--tile", TILE]
    fsm, lsu = weights / "fsm.safetensors", f"theirs={weights / 'lsu.safetensors'}"
    assert run("panels", fsm, lsu, f"base={weights / 'base.safetensors'}", *common, "--frames", 3) == 0
    assert run("attention", fsm, *common, "--frames", "room2_0", "room0_0", "--pixels", "10,20") == 0
    assert run("features", fsm, lsu, *common, "--frames", "room1_0", "--reduction", "sum") == 0
    names = ["attention.png", "features_room1_0.png", "panels.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    drawn = np.asarray(Image.open(tmp_path / "new" / "attention.png"))
    dataset = open_dataset(folder, "all", label_set=NYU40)
    observers = [Observer("fsm", trained_checkpoint())]
    samples = [dataset[2], dataset[0]]
    caption = f"{dataset.meta.name}, split all"
    write_figure(tmp_path / "own.png", draw_attention(observers, samples, NYU40, caption, [(10, 20)], tile=TILE))
    np.testing.assert_array_equal(drawn, np.asarray(Image.open(tmp_path / "own.png")))


def test_a_broken_frame_is_named_and_the_others_drawn(
    folder: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    for path in folder.iterdir():
        (rooms / path.name).write_bytes(b"broken" if path.name == "room1_0.png" else path.read_bytes())
    arguments = ["panels", weights / "fsm.safetensors", "--data", rooms, "--split", "all", "--output", tmp_path / "out"]
    assert run(*arguments, "--frames", 3) == 1
    assert "room1_0.png" in capsys.readouterr().err
    assert (tmp_path / "out" / "panels.png").is_file()
    assert run(*arguments, "--frames", "room1_0") == 2
    assert "none of the 1 frames can be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["panels", "{w}/none.safetensors"], "none.safetensors"),
        (["panels", "{w}/fsm.safetensors", "{w}/fsm.safetensors"], "two checkpoints are called 'fsm'"),
        (["panels", "{w}/fsm.safetensors", "--frames", "0"], "at least 1 frame"),
        (["panels", "{w}/fsm.safetensors", "--option", "label_set=nyu13"], "the checkpoint decides it, 'nyu40'"),
        (["panels", "{w}/fsm.safetensors", "--frames", "rom1_0"], "did you mean room1_0"),
        (["attention", "nothing={w}/base.safetensors"], "nothing has no scene understanding module"),
        (["features", "nothing={w}/base.safetensors"], "nothing shares no features"),
    ],
)
def test_what_cannot_be_drawn_ends_with_2(
    arguments: list[str], message: str, folder: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [argument.replace("{w}", str(weights)) for argument in arguments]
    assert run(*filled, "--data", folder, "--split", "all", "--output", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


def test_options_reach_the_data_set(folder: Path, weights: Path, tmp_path: Path) -> None:
    arguments = ["features", weights / "fsm.safetensors", "--data", folder, "--split", "test"]
    for fraction, frames in ((0.1, 1), (0.5, 2)):
        output = tmp_path / str(fraction)
        assert run(*arguments, "--option", f"test_fraction={fraction}", "--tile", TILE, "--output", output) == 0
        assert len(list(output.iterdir())) == frames


def test_frames_are_looked_up_before_they_are_counted(folder: Path, tmp_path: Path) -> None:
    image = (folder / "room0_0.png").read_bytes()
    for name in ("00003", "00005", "1", "2", "7", "8"):
        (tmp_path / f"{name}.png").write_bytes(image)
    dataset = open_dataset(tmp_path, "all")

    def names(*wanted: str) -> list[str]:
        return [dataset.name(number) for number in chosen_frames(dataset, wanted)]

    assert names("00003") == ["00003"]
    assert names("2") == ["2"]
    assert names("8", "00005") == ["8", "00005"]
    assert len(names("3")) == 3
    assert len(chosen_frames(dataset, None)) == 4
    assert len(chosen_frames(dataset, 3)) == 3
    with pytest.raises(ValueError, match="no frame '00004': did you mean 0000"):
        names("00004")


def test_without_matplotlib_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("cinet_core.figures", "cinet_core.cli.figures"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as where it is not installed
    assert run("panels", "random", "--data", "synthetic") == 2
    assert "pip install 'cinet[charts]'" in capsys.readouterr().err


def test_pixels_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("attention", "random", "--data", "x", "--pixels", "3;4")
    assert "'3;4' is no pixel" in capsys.readouterr().err
