"""The folder that rendered rooms are written to."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinet_core.data.folder import FolderDataset
from cinet_core.rooms.pathtraced.catalogue import Model
from cinet_core.rooms.pathtraced.frames import FolderError, RenderedFolder, RenderedFrame
from cinet_core.rooms.pathtraced.plan import UPRIGHT, Placement, PlannedView, RoomPlan

WIDTH, HEIGHT = 32, 24
POSE = ((1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 2.0), (0.0, -1.0, 0.0, 1.5), (0.0, 0.0, 0.0, 1.0))
"""Level camera that looks along world y."""

VIEW = PlannedView(30.0, 15.5, 11.5, POSE)
SETTINGS = {"seed": 3, "width": WIDTH}


def model(key: str, creator: str = "Ann") -> Model:
    return Model(key, "Bed", "Bedroom", Path("bed.obj"), (1, 2, 1), UPRIGHT, 0.0, None, creator, "CC-BY 3.0")


MODELS = {"Scopia#bed": model("Scopia#bed")}


def opened(root: Path, settings: dict[str, int] = SETTINGS, models: dict[str, Model] = MODELS) -> RenderedFolder:
    return RenderedFolder(root, settings, models)


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def plan(room: int, model: str = "Scopia#bed") -> RoomPlan:
    placement = Placement(model, "bed.obj", UPRIGHT, (1.0, 2.0, 0.5), (0.0, 0.0, 0.0), 0.0, 4)
    return RoomPlan(room, "bed", (), (), (placement,), (), (0, 0, 0), (VIEW,), 2, WIDTH, HEIGHT)


def frame(depth: float = 1.234) -> RenderedFrame:
    labels = np.full((HEIGHT, WIDTH), 4, dtype=np.uint8)
    labels[:3] = 0
    image = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), dtype=np.uint8)
    return RenderedFrame(VIEW, image, np.full((HEIGHT, WIDTH), depth, dtype=np.float32), labels)


def test_what_is_written_is_read_as_a_folder_of_frames(tmp_path: Path) -> None:
    with opened(tmp_path / "set") as folder:
        for room in range(4):
            folder.add(plan(room), [frame(), frame()])
    dataset = FolderDataset(tmp_path / "set", "all")
    assert len(dataset) == 8
    sample = dataset[0]
    color = np.asarray(cv2.imread(str(tmp_path / "set" / "00000_00.jpg")))[5, 5, ::-1]
    assert np.abs(color.astype(int) - (200, 100, 50)).max() < 8
    assert sample.depth is not None
    assert np.allclose(np.asarray(sample.depth), 1.234, atol=6e-4)
    assert sample.labels is not None
    labels = np.asarray(sample.labels)
    assert (labels[:3] == 255).all()
    assert (labels[3:] == 3).all()
    assert sample.intrinsics is not None
    assert (sample.intrinsics.fx, sample.intrinsics.cx) == (30.0, 15.5)


def test_pose_is_opengls(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        folder.add(plan(0), [frame()])
    line = json.loads((tmp_path / "frames.jsonl").read_text())
    pose = np.array(line["camera_to_world"])
    assert line["frame"] == "00000_00"
    assert line["room"] == "bed"
    assert (pose[:3, 3] == (1.0, 2.0, 1.5)).all()
    assert np.allclose(pose[:3, :3] @ (0, 0, -1), (0, 1, 0))  # looks along -z
    assert np.allclose(pose[:3, :3] @ (0, 1, 0), (0, 0, 1))  # its y is up
    assert np.linalg.det(pose) == pytest.approx(1.0)


def test_far_depth_and_sky_are_none(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        folder.add(plan(0), [frame(70.0), frame(0.0)])
    for name in ("00000_00", "00000_01"):
        depth = cv2.imread(str(tmp_path / f"{name}_depth.png"), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16
        assert (depth == 0).all()


def test_a_run_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        folder.add(plan(0), [frame()])
        folder.fail(1, "Blender died with status -9")
        folder.add(plan(3), [])
    with (tmp_path / "frames.jsonl").open("a") as file:
        file.write('{"frame": "00002_00", "ro')
    with opened(tmp_path) as again:
        assert again.done == {0, 3}  # what failed is tried again
        assert again.frames == 1
        again.add(plan(2), [frame()])
        again.add(plan(1), [frame()])
    assert [line["frame"] for line in lines_of(tmp_path / "frames.jsonl")] == ["00000_00", "00002_00", "00001_00"]
    rooms = lines_of(tmp_path / "rooms.jsonl")
    assert sorted(room["room"] for room in rooms) == [0, 1, 2, 3]
    assert not any("error" in room for room in rooms)
    with opened(tmp_path) as folder:
        assert folder.done == {0, 1, 2, 3}


def test_what_fails_again_stays_noted_once(tmp_path: Path) -> None:
    for error in ("first", "second"):
        with opened(tmp_path) as folder:
            assert folder.done == set()
            folder.fail(0, error)
    assert [room["error"] for room in lines_of(tmp_path / "rooms.jsonl")] == ["second"]


@pytest.mark.parametrize("kept", [0, 1])
def test_a_room_without_all_its_lines_is_rendered_again(tmp_path: Path, kept: int) -> None:
    """Killed between the images, after the room's line but before its frames', or between those."""
    with opened(tmp_path) as folder:
        folder.add(plan(0), [frame(), frame()])
        folder.add(plan(1), [frame()])
    lines = (tmp_path / "frames.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "frames.jsonl").write_text("".join([*lines[:kept], lines[2]]))
    with opened(tmp_path) as again:
        assert again.done == {1}
        again.add(plan(0), [frame(), frame()])
        assert again.frames == 3
    names = [line["frame"] for line in lines_of(tmp_path / "frames.jsonl")]
    assert names == ["00001_00", "00000_00", "00000_01"]
    assert sorted(line["room"] for line in lines_of(tmp_path / "rooms.jsonl")) == [0, 1]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(FolderError, match="seed 3, not 4"):
        opened(tmp_path, {**SETTINGS, "seed": 4})


def test_frames_of_another_maker_are_not_added_to(tmp_path: Path) -> None:
    (tmp_path / "frames.jsonl").write_text("")
    with pytest.raises(FolderError, match="new folder"):
        opened(tmp_path)


@pytest.mark.parametrize("text", ["", '{"seed": 3, "wi', "3"])
def test_damaged_settings_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(FolderError, match=r"settings\.json is damaged"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["frames.jsonl", "rooms.jsonl"])
@pytest.mark.parametrize("text", ['{"room"', "{}", "7", "\udcff"])
def test_a_damaged_line_is_named(tmp_path: Path, name: str, text: str) -> None:
    with opened(tmp_path) as folder:
        folder.add(plan(0), [frame()])
    with (tmp_path / name).open("a", errors="surrogateescape") as file:
        file.write(text + "\n")
    with pytest.raises(FolderError, match=rf"{name}, line 2 "):
        opened(tmp_path)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        with pytest.raises(FolderError, match="another process adds to"):
            opened(tmp_path)
        folder.add(plan(0), [frame()])
    opened(tmp_path).close()


def test_creators_of_used_models_are_named(tmp_path: Path) -> None:
    models = {key: model(key, creator) for key, creator in (("a#1", "Ann"), ("b#1", "Bob"), ("c#1", "Cyd"))}
    with opened(tmp_path, models=models) as folder:
        folder.add(plan(0, "a#1"), [frame()])
        folder.add(plan(1, "b#1"), [])  # nothing of it is shown
    text = (tmp_path / "ATTRIBUTION.md").read_text()
    assert "| a#1 | Bed | Ann | CC-BY 3.0 |" in text
    assert "Bob" not in text
    assert "Cyd" not in text


def test_creators_are_named_after_a_run_that_was_killed_before(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        folder.add(plan(0), [frame()])
    (tmp_path / "ATTRIBUTION.md").unlink()
    opened(tmp_path).close()
    assert "| Scopia#bed | Bed | Ann |" in (tmp_path / "ATTRIBUTION.md").read_text()


def test_frames_of_unknown_creators_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        folder.add(plan(0), [frame()])
    with pytest.raises(FolderError, match="Scopia#bed"):
        opened(tmp_path, models={})
    assert "| Scopia#bed |" in (tmp_path / "ATTRIBUTION.md").read_text()
