"""``cinet data select``: what is left out, what is taken, and what the report says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from painted_walk import write_walk
from PIL import Image

from cinet_core.cli import main
from cinet_core.data.frame_files import SourceError
from cinet_core.data.recording import Recording
from cinet_core.data.registry import open_dataset
from cinet_core.selection import SelectionSettings, select_frames
from cinet_core.selection.choice import choose
from cinet_core.selection.features import FrameFeatures, exposure, sharpness

fault = pytest.mark.fault


def features(number: int, angle: float = 0.0, **changes: object) -> FrameFeatures:
    """A frame whose embedding points somewhere on a circle."""
    values = {
        "sharpness": 100.0,
        "luminance": 120.0,
        "clipped": 0.0,
        "embedding": np.array([np.cos(angle), np.sin(angle)], np.float32),
        "uncertainty": 0.3,
        "median_depth": 2.0,
        "pose": None,
        "world": "w",
        **changes,
    }
    return FrameFeatures(**values)  # type: ignore[arg-type]


def taken(frames: list[FrameFeatures], count: int, **changes: float) -> list[int]:
    verdicts = choose(frames, count, SelectionSettings(**changes))  # type: ignore[arg-type]
    return [number for number, verdict in enumerate(verdicts) if verdict == "chosen"]


def test_what_cannot_be_used_is_left_out() -> None:
    frames = [features(number, number) for number in range(6)]
    frames[0] = features(0, sharpness=20.0)
    frames[1] = features(1, 1, luminance=5.0)
    frames[2] = features(2, 2, luminance=250.0)
    frames[3] = features(3, 3, clipped=0.6)
    assert choose(frames, 10, SelectionSettings()) == ["blurred", "dark", "bright", "clipped", "chosen", "chosen"]


def test_blur_is_told_by_the_frames_around() -> None:
    """A blank corridor is not blurred: all of its frames have little contrast."""
    corridor = [features(number, number, sharpness=3.0, world="corridor") for number in range(5)]
    office = [features(number, 10 + number, sharpness=300.0, world="office") for number in range(5)]
    assert taken(corridor + office, 10) == list(range(10))


def test_near_duplicates_are_taken_once() -> None:
    angles = [0.0, 0.01, 0.02, 1.0, 1.01, 2.0]
    verdicts = choose([features(number, angle) for number, angle in enumerate(angles)], 10, SelectionSettings())
    assert verdicts.count("chosen") == 3
    assert verdicts.count("duplicate") == 3


def test_few_frames_cover_the_whole() -> None:
    angles = np.linspace(0, np.pi, 41)
    chosen = taken([features(number, angle) for number, angle in enumerate(angles)], 3, uncertainty=0.0)
    assert {0, 40} <= set(chosen)
    gaps = np.diff(sorted(angles[chosen]))
    assert gaps.max() < 0.6 * np.pi


def test_uncertain_frames_come_first() -> None:
    frames = [
        features(number, np.pi / 2 * (number % 2), uncertainty=0.9 if number == 4 else 0.1) for number in range(6)
    ]
    assert taken(frames, 1) == [4]


def test_distances_and_places_tell_frames_apart() -> None:
    depths = [features(0), features(1, median_depth=4.0), features(2, median_depth=2.05)]
    assert choose(depths, 5, SelectionSettings()).count("chosen") == 2
    poses = [np.eye(4) for _ in range(4)]
    poses[1][0, 3], poses[2][0, 3] = 1.0, 1.02
    poses[3][:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    places = [features(number, pose=pose) for number, pose in enumerate(poses)]
    assert choose(places, 5, SelectionSettings()).count("chosen") == 3
    assert choose(places, 5, SelectionSettings(place=0.0)).count("chosen") == 1
    # Another world is another place, whatever its coordinates.
    worlds = [features(0, pose=np.eye(4)), features(1, pose=np.eye(4), world="other")]
    assert choose(worlds, 5, SelectionSettings()).count("chosen") == 2


def test_sharpness_and_exposure() -> None:
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 255, (60, 80, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    assert sharpness(cv2.blur(image, (9, 9))) < 0.2 * sharpness(image)
    half = np.zeros((10, 10, 3), np.uint8)
    half[:, 5:] = 128
    luminance, clipped = exposure(half)
    assert luminance == pytest.approx(64, abs=4)
    assert clipped == pytest.approx(0.5, abs=0.02)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a walk: one is blurred, one black, and the last four are one and the same."""
    root = tmp_path_factory.mktemp("recorded")
    write_walk(root, 12)
    path = root / "walk_000003.jpg"
    Image.fromarray(cv2.blur(np.asarray(Image.open(path)), (25, 25))).save(path)
    Image.new("RGB", (128, 96)).save(root / "walk_000005.jpg")
    lines = [json.loads(line) for line in (root / "frames.jsonl").read_text().splitlines()]
    for number in (9, 10, 11):
        for suffix in (".jpg", "_depth.png", "_label.png"):
            (root / f"walk_{number:06d}{suffix}").write_bytes((root / f"walk_000008{suffix}").read_bytes())
        lines[number]["pose"] = lines[8]["pose"]
    (root / "frames.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return root


def test_from_a_recording_to_a_folder(
    recorded: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    arguments = ["data", "select", str(recorded), str(out), "-n", "6", "--weights", str(weights)]
    assert main([*arguments, "--least-distance", "0.05"]) == 0
    printed = capsys.readouterr().out
    assert "of 12 frames chosen" in printed
    found = json.loads((out / "selection.json").read_text())
    verdicts = {frame["name"]: frame["verdict"] for frame in found["frames"]}
    assert verdicts["walk_000003"] == "blurred"
    assert verdicts["walk_000005"] == "dark"
    assert sum(verdicts[f"walk_{number:06d}"] == "chosen" for number in (8, 9, 10, 11)) <= 1
    assert found["after"]["frames"] == found["verdicts"]["chosen"] <= 6
    assert found["before"]["labels"]["floor"] > 0
    chosen = Recording(out)
    assert len(chosen) == found["after"]["frames"]
    for place in range(len(chosen)):
        name = chosen.name(place)
        # Links to the very files, with pose and stamp.
        assert (out / f"{name}.jpg").samefile(recorded / f"{name}.jpg")
        assert chosen.pose(place) is not None
    assert "places seen" in (out / "selection.txt").read_text()
    sheet = Image.open(out / "contact_sheet.png")
    assert sheet.size[0] > 400
    # The same again is the same; other settings are refused.
    before = (out / "selection.json").read_bytes()
    assert main([*arguments, "--least-distance", "0.05"]) == 0
    assert (out / "selection.json").read_bytes() == before
    assert len(Recording(out)) == found["after"]["frames"]
    assert main(arguments) == 2
    assert "other frames or settings" in capsys.readouterr().err


def test_several_recordings_and_a_dry_run(recorded: Path, weights: Path, tmp_path: Path) -> None:
    write_walk(tmp_path / "second", 2)
    report = select_frames([recorded, tmp_path / "second"], None, 50, weights=weights)
    assert len(report.frames) == 14
    assert len({frame.name for frame in report.frames}) == 14  # names that both have are told apart
    assert not (tmp_path / "out").exists()
    written = select_frames([recorded, tmp_path / "second"], tmp_path / "out", 50, weights=weights)
    data = open_dataset(tmp_path / "out", "all")
    assert {data.name(place) for place in range(len(data))} == {frame.name for frame in written.chosen}


def test_another_data_set_is_written_as_a_folder(weights: Path, tmp_path: Path) -> None:
    source = tmp_path / "sequence"
    source.mkdir()
    (source / "camera-intrinsics.txt").write_text("100 0 63.5 0 100 47.5 0 0 1")
    random = np.random.default_rng(0)
    for number in range(3):
        image = cv2.resize(random.integers(30, 220, (6, 8, 3), np.uint8), (128, 96), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(source / f"f{number}.color.png"), image)
        cv2.imwrite(str(source / f"f{number}.depth.png"), np.full((96, 128), 1500, np.uint16))
        np.savetxt(source / f"f{number}.pose.txt", np.eye(4))
    report = select_frames(source, tmp_path / "out", 2, weights=weights, settings=SelectionSettings(least_distance=0.0))
    assert len(report.chosen) == 2
    data = Recording(tmp_path / "out")
    assert data[0].depth.unique().tolist() == [1.5]
    assert data.pose(0) is not None


@fault(
    area="input",
    injected="recordings to select from: a broken image, an empty folder, weights that are none",
    expected="broken frames are left out and named; the rest is refused with exit status 2",
)
def test_recordings_that_are_broken(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], observed: Callable[[str], None]
) -> None:
    write_walk(tmp_path / "in", 3)
    path = tmp_path / "in" / "walk_000001.jpg"
    path.write_bytes(path.read_bytes()[:50])
    command = ["data", "select"]
    given = ["--weights", str(weights)]
    assert main([*command, str(tmp_path / "in"), str(tmp_path / "out"), *given]) == 1
    assert "LEFT OUT walk_000001" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([*command, str(tmp_path / "empty"), str(tmp_path / "out2"), *given]) == 2
    assert main([*command, str(tmp_path / "in"), str(tmp_path / "out2"), "--weights", "none.safetensors"]) == 2
    assert main([*command, str(tmp_path / "in"), str(tmp_path / "in"), *given]) == 2
    assert "were not selected" in capsys.readouterr().err
    observed("left out and named; refused")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"around": 0}, "around is 0"),
        ({"most_clipped": 0.0}, "most_clipped"),
        ({"luminance": (100.0, 50.0)}, "must rise"),
        ({"appearance": -1.0}, "appearance is -1.0"),
    ],
)
def test_settings_that_cannot_be(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SelectionSettings(**settings)


def test_numbers_that_cannot_be(recorded: Path, weights: Path) -> None:
    with pytest.raises(ValueError, match="count is 0"):
        select_frames(recorded, None, 0, weights=weights)
    with pytest.raises(ValueError, match="no source"):
        select_frames([], None, 5, weights=weights)
    with pytest.raises(SourceError):
        select_frames(recorded / "nowhere", None, 5, weights=weights)
