"""A full disk, wherever something is written: an error that names the file, the old file kept, no part of a new one.

The disk is played by the kernel's limit on the size of files, which fails in the same call as a disk without space.
"""

from __future__ import annotations

import functools
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from painted_walk import write_walk
from PIL import Image
from tiny_network import tiny_checkpoint

from cinet_core.atomic_file import atomic_write, atomic_write_bytes
from cinet_core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cinet_core.cli import main
from cinet_core.rooms.pathtraced.frames import FolderError, RenderedFolder, RenderedFrame
from cinet_core.rooms.pathtraced.plan import PlannedView, RoomPlan
from cinet_core.visualize import write_image, write_ply

WIDTH, HEIGHT = 64, 48
fault = functools.partial(pytest.mark.fault, area="machine")


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def noise(*shape: int) -> np.ndarray:
    """Images of it cannot be packed."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return tiny_checkpoint()


@pytest.fixture
def weights(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.metadata)
    return path


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder with two images and their depth."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(2):
        Image.fromarray(noise(HEIGHT, WIDTH, 3)).save(folder / f"{index}.jpg")
        depth = np.full((HEIGHT, WIDTH), 2000 + index, dtype=np.uint16)
        Image.fromarray(depth).save(folder / f"{index}_depth.png")
    return folder


@pytest.mark.parametrize("size", [100, 100_000])  # within and beyond the buffer of a Python file
def test_old_file_is_kept_and_the_error_names_it(tmp_path: Path, size: int) -> None:
    path = tmp_path / "figures.json"
    atomic_write_bytes(path, b"old")
    with room_for(size // 2), pytest.raises(OSError, match=r"figures\.json"):
        atomic_write_bytes(path, bytes(size))
    assert path.read_bytes() == b"old"
    assert files_in(tmp_path) == ["figures.json"]
    atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"), atomic_write(tmp_path / "new") as file:
        file.write((tmp_path / "missing.txt").read_bytes())
    assert files_in(tmp_path) == []


@fault(
    fault="disk full: checkpoint",
    injected="no room for more than 10 kB while weights are saved over older ones",
    expected="an error that names the file; the old weights load",
)
def test_checkpoint(weights: Path, checkpoint: Checkpoint) -> None:
    with room_for(10_000), pytest.raises(OSError, match=r"tiny\.safetensors"):
        save_checkpoint(weights, checkpoint.model, checkpoint.metadata)
    load_checkpoint(weights)
    assert files_in(weights.parent) == [weights.name]


@fault(
    fault="disk full: state of a training",
    injected="no room for more than 10 kB while `last.ckpt` is replaced",
    expected="an error that names the file; the old state is kept",
)
def test_state_of_a_training(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    from cinet_core.training.checkpoints import AtomicCheckpointIO

    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    with room_for(10_000), pytest.raises(OSError, match=r"last\.ckpt"):
        AtomicCheckpointIO().save_checkpoint({"step": 2, "weights": torch.zeros(100_000)}, path)
    assert AtomicCheckpointIO().load_checkpoint(path) == {"step": 1}
    assert files_in(tmp_path) == ["last.ckpt"]


@fault(
    fault="disk full: cinet predict",
    injected="no room for more than 300 bytes in any file",
    expected="each frame an error that names its file, exit status 1, no part of a file",
)
def test_predict(
    weights: Path,
    frames: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    observed: Callable[[str], None],
) -> None:
    out = tmp_path / "out"
    command = ["predict", str(frames), "--weights", str(weights), "--device", "cpu", "--output", str(out)]
    with room_for(300):
        assert main([*command, "--write", "depth"]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("_depth.png") == 2, printed.err
    assert "2 FAILED" in printed.out
    assert files_in(out) == []
    observed("2 errors that name the files, the folder is empty")
    assert main([*command, "--write", "depth"]) == 0
    assert files_in(out) == ["0_depth.png", "1_depth.png"]


@fault(
    fault="disk full: point cloud",
    injected="no room for more than 10 kB while a cloud is written over an older one",
    expected="an error that names the file, the old file kept",
)
def test_cloud(tmp_path: Path) -> None:
    path = tmp_path / "cloud.ply"
    xyz = np.random.default_rng(0).normal(size=(30, 40, 3)).astype(np.float32)
    image = noise(30, 40, 3)
    assert write_ply(path, xyz, image, image[..., 0], image[..., 1]) == 1200
    before = path.read_bytes()
    with room_for(10_000), pytest.raises(OSError, match=r"cloud\.ply"):
        write_ply(path, xyz, image, image[..., 0], image[..., 1])
    assert path.read_bytes() == before
    assert files_in(tmp_path) == ["cloud.ply"]


def test_image(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_image(path, noise(HEIGHT, WIDTH, 3))
    before = path.read_bytes()
    with room_for(1000), pytest.raises(OSError, match=r"sheet\.png"):
        write_image(path, noise(HEIGHT, WIDTH, 3))
    assert path.read_bytes() == before
    assert files_in(tmp_path) == ["sheet.png"]
    with pytest.raises(ValueError, match=r"'\.doc' is no format of images; call the file \.png"):
        write_image(tmp_path / "sheet.doc", noise(HEIGHT, WIDTH, 3))


@fault(
    fault="disk full: cinet eval",
    injected="no room for more than 300 bytes in any file",
    expected="an error that names the file, exit status 2, no part of a file",
)
def test_eval(weights: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "figures.json"
    command = ["eval", str(weights), "--data", str(frames), "--split", "all", "--device", "cpu"]
    with room_for(300):
        assert main([*command, "--output", str(output)]) == 2
    assert "figures.json" in capsys.readouterr().err
    assert files_in(output.parent) == []


@fault(
    fault="disk full: cinet data check",
    injected="no room for more than 300 bytes in any file",
    expected="an error that names the file, exit status 2, no part of a file",
)
def test_data_check(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "sheet.png"
    with room_for(300):
        assert main(["data", "check", str(frames), "--split", "all", "--output", str(output)]) == 2
    assert "sheet.png" in capsys.readouterr().err
    assert files_in(output.parent) == []


@fault(
    fault="disk full: cinet data label",
    injected="no room for more than 10 kB in any file, which a teacher's answer exceeds",
    expected="an error that names the file, exit status 2; with room it goes on",
)
def test_data_label(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_walk(tmp_path / "in", 2, width=WIDTH, height=HEIGHT)
    command = [
        "data",
        "label",
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        "--teacher",
        str(weights),
        "--device",
        "cpu",
    ]
    with room_for(10_000):
        assert main(command) == 2
    assert "walk_000000.raw.npz" in capsys.readouterr().err
    assert main(command) == 0
    assert "2 frames, 0 left out" in capsys.readouterr().out


@fault(
    fault="disk full: cinet data select",
    injected="no room for more than 3 kB in any file, which the contact sheet exceeds",
    expected="an error that names the file, exit status 2; with room it goes on",
)
def test_data_select(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_walk(tmp_path / "in", 2, width=WIDTH, height=HEIGHT)
    command = ["data", "select", str(tmp_path / "in"), str(tmp_path / "out"), "--weights", str(weights)]
    with room_for(3_000):
        assert main(command) == 2
    assert "contact_sheet.png" in capsys.readouterr().err
    assert not (tmp_path / "out" / "selection.json").exists()
    assert main(command) == 0
    assert (tmp_path / "out" / "selection.json").exists()


@fault(
    fault="disk full: cinet data render",
    injected="no room for more than 300 bytes in any file while a room is added",
    expected="an error that names the file; the next run renders the room again",
)
def test_data_render(tmp_path: Path) -> None:
    pose = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    view = PlannedView(30.0, 31.5, 23.5, pose)
    plan = RoomPlan(0, "bed", (), (), (), (), (0, 0, 0), (view,), 2, WIDTH, HEIGHT)
    frame = RenderedFrame(
        view, noise(HEIGHT, WIDTH, 3), noise(HEIGHT, WIDTH).astype(np.float32) / 64, noise(HEIGHT, WIDTH) % 41
    )
    with RenderedFolder(tmp_path, {}, {}) as folder:
        with room_for(300), pytest.raises((FolderError, OSError), match="00000_00"):
            folder.add(plan, [frame])
        assert not folder.done
    with RenderedFolder(tmp_path, {}, {}) as folder:
        assert not folder.done
        folder.add(plan, [frame])
        assert folder.done == {0}
