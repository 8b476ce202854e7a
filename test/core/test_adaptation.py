"""``cinet adapt``: what is learnt from and what is judged on, the guard, the report, and the whole on a bag."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from tiny_network import trained_checkpoint

pytest.importorskip("rosbags")
pytest.importorskip("lightning")

from cinet_core.adaptation.divide import divide, sparse_depth
from cinet_core.adaptation.figures import Change, changes, refusals
from cinet_core.adaptation.interpolation import farthest, write_between
from cinet_core.adaptation.recipe import BASE, adaptation_recipe
from cinet_core.adaptation.settings import AdaptationSettings
from cinet_core.adaptation.steps import AdaptationError, Steps
from cinet_core.checkpoint import load_checkpoint, save_checkpoint
from cinet_core.cli import main
from cinet_core.data.folder_writer import FolderWriter
from cinet_core.data.recording import RecordedAnchors
from cinet_core.data.registry import open_dataset
from cinet_core.data.trust import TrustedFrame
from cinet_core.geometry import Intrinsics
from cinet_core.model_metadata import read_metadata
from scripts.fleet.robot_bags import strange, walk, write_bag

ROOT = Path(__file__).parents[2]
WIDTH, HEIGHT = 64, 48
CAMERA = Intrinsics(60.0, 60.0, 31.5, 23.5, WIDTH, HEIGHT)


def part_with(folder: Path, rooms: int, frames: int = 2) -> Path:
    """A labelled part: the left half of depth by a sensor, the right by agreement; a label of each source in a row."""
    writer = FolderWriter(folder)
    sources = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    sources[0, :, :32], sources[0, :, 32:] = 1, 3
    sources[1, 0], sources[1, 1], sources[1, 2] = 4, 3, 2
    image = bytes(cv2.imencode(".jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes())
    for room in range(rooms):
        for number in range(frames):
            writer.add(
                f"{folder.name}-{room:04d}_{number:06d}",
                image,
                CAMERA,
                depth=np.full((HEIGHT, WIDTH), 2.0),
                labels=np.full((HEIGHT, WIDTH), 5, np.uint8),
                trusted=TrustedFrame(np.full((2, HEIGHT, WIDTH), 255, np.uint8), sources),
                measured=RecordedAnchors(scan=np.array([[0.0, 0.1, 3.0], [0.5, 0.1, 3.0]])),
            )
    return folder


class TestDivision:
    def test_whole_rooms_are_held_out_and_nothing_is_learnt_from_them(self, tmp_path: Path) -> None:
        parts = [part_with(tmp_path / name, rooms) for name, rooms in (("a", 4), ("b", 6))]
        found = divide(parts, tmp_path / "out", 0.3)
        train = {path.stem for path in (tmp_path / "out" / "train").glob("*.jpg")}
        held = {path.stem for path in (tmp_path / "out" / "sensor").glob("*.jpg")}
        assert len(train) + len(held) == 20
        assert {name.rpartition("_")[0] for name in held} == set(found.rooms)
        assert not {name.rpartition("_")[0] for name in train} & set(found.rooms)
        assert (found.train_frames, found.held_out_frames) == (len(train), len(held))
        assert found.figures == {"sensor": len(held), "anchors": len(held), "agreed": len(held)}
        assert (tmp_path / "out" / "train" / f"{min(train)}_trust.png").is_file()
        assert divide(parts, tmp_path / "out", 0.3) == found, "again, over what was there"

    def test_each_figure_has_its_own_truth(self, tmp_path: Path) -> None:
        divide([part_with(tmp_path / "a", 2)], tmp_path / "out", 0.5)

        def first(name: str) -> Any:
            return open_dataset(tmp_path / "out" / name, "all", "folder")[0]

        for name, side, row in (("sensor", slice(0, 32), 0), ("agreed", slice(32, 64), 1)):
            known = first(name).depth.numpy() > 0
            assert known[:, side].all()
            assert known.sum() == known.size // 2
            assert np.flatnonzero((first(name).labels.numpy() == 5).any(axis=1)).tolist() == [row]
        anchors = first("anchors")
        assert anchors.depth.numpy()[anchors.depth.numpy() > 0].tolist() == [3.0, 3.0]
        assert not anchors.has_labels

    def test_labels_that_a_network_taught_itself_are_no_truth(self, tmp_path: Path) -> None:
        divide([part_with(tmp_path / "a", 2)], tmp_path / "out", 0.5, judge_labels=False)
        assert not list((tmp_path / "out" / "agreed").glob("*_label.png"))
        assert list((tmp_path / "out" / "sensor").glob("*_label.png")), "those of the recording are"

    def test_points_become_the_nearest_depth_of_their_pixel(self) -> None:
        points = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 1.0], [0, 0, -1.0], [9.0, 0, 1.0], [0.0, 0.0, 0.05]])
        depth = sparse_depth(points, CAMERA)
        assert depth.shape == (HEIGHT, WIDTH)
        assert depth.sum() == depth[24, 32] == 1.0

    @pytest.mark.fault(
        area="input",
        injected="recordings to adapt to that are of one room, or of which no frame could be labelled",
        expected="refused before anything is learnt, with what to give",
    )
    def test_what_cannot_be_divided_is_refused(self, tmp_path: Path, observed: Callable[[str], None]) -> None:
        with pytest.raises(AdaptationError, match=r"of one room cannot be divided .*--room-seconds"):
            divide([part_with(tmp_path / "a", 1)], tmp_path / "out", 0.3)
        (tmp_path / "none").mkdir()
        with pytest.raises(AdaptationError, match="no frame"):
            divide([tmp_path / "none"], tmp_path / "out", 0.3)
        observed("refused, both named")


class TestGuard:
    def test_what_is_worse_by_more_than_it_may_be_is_named(self) -> None:
        before = {"sensor": {"frames": 9.0, "abs_rel": 0.2, "mean_iou": 0.5, "delta1": 0.5}, "rooms": {"abs_rel": 0.1}}
        after = {
            "sensor": {"frames": 9.0, "abs_rel": 0.203, "mean_iou": 0.485, "delta1": 0.1},
            "rooms": {"abs_rel": 0.2},
        }
        found = changes(before, after)
        assert [(c.test_set, c.figure) for c in found if c.worse] == [
            ("sensor", "abs_rel"), ("sensor", "mean_iou"), ("sensor", "delta1"), ("rooms", "abs_rel"),
        ]  # fmt: skip
        (labels, rooms) = refusals(found, 0.02, 1.0)
        assert labels == "labels on sensor: mean IoU 50.0 -> 48.5 %, more than 1 points worse"
        assert rooms.startswith("depth on rooms: abs rel 0.1000 -> 0.2000")
        assert refusals(found, 1.0, 2.0) == []

    def test_what_is_no_number_is_refused(self) -> None:
        found = [Change("sensor", "abs_rel", 0.2, float("nan")), Change("sensor", "mean_iou", 0.2, float("nan"))]
        assert len(refusals(found, 10.0, 100.0)) == 2

    def test_scale_is_worse_where_it_is_further_from_one(self) -> None:
        assert Change("anchors", "scale_ratio", 1.1, 0.8).worse
        assert not Change("anchors", "scale_ratio", 1.5, 0.9).worse


class TestInterpolation:
    def test_every_weight_is_on_the_way(self, tmp_path: Path) -> None:
        ends = [trained_checkpoint(seed) for seed in (3, 4)]
        before, after = (tmp_path / name for name in ("before.safetensors", "after.safetensors"))
        for path, made in zip((before, after), ends, strict=True):
            with torch.no_grad():
                for number, buffer in enumerate(made.model.buffers()):
                    if buffer.is_floating_point():
                        buffer += 0.1 * number + ends.index(made)
            save_checkpoint(path, made.model, replace(made.metadata, licence=path.stem))
        write_between(before, after, 0.25, tmp_path / "mixed.safetensors")
        found = load_checkpoint(tmp_path / "mixed.safetensors")
        assert (found.metadata.licence, found.metadata.metrics["interpolation"]) == ("after", 0.25)
        first, last = (made.model.state_dict() for made in ends)
        for name, value in found.model.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(value, 0.75 * first[name] + 0.25 * last[name], msg=name)

    def test_networks_without_a_way_between_them_are_refused(self, tmp_path: Path) -> None:
        paths = [tmp_path / f"{number}.safetensors" for number in range(2)]
        for path, label_set in zip(paths, ("nyu40", "nyu13"), strict=True):
            made = trained_checkpoint(label_set=label_set)
            save_checkpoint(path, made.model, made.metadata)
        with pytest.raises(ValueError, match=r"no weights between them: segmentation_head.* differ"):
            write_between(*paths, 0.5, tmp_path / "mixed.safetensors")
        with pytest.raises(ValueError, match=r"part of the way is 1\.5"):
            write_between(paths[0], paths[0], 1.5, tmp_path / "mixed.safetensors")
        assert not (tmp_path / "mixed.safetensors").exists()

    @pytest.mark.parametrize(
        ("depth", "labels", "found"),
        [
            ({0.3: 0.19, 0.6: 0.18, 1.0: 0.17}, {}, (1.0, True)),
            # It falls and rises again: the farthest is no worse than before, but on the far slope.
            ({0.2: 0.193, 0.4: 0.190, 0.6: 0.1915, 0.8: 0.198, 1.0: 0.2015}, {}, (0.6, True)),
            ({0.5: 0.2015, 1.0: 0.21}, {}, (0.5, True)),
            ({0.5: 0.22, 1.0: 0.25}, {}, (0.5, False)),
            ({0.3: 0.19, 0.6: 0.19, 1.0: 0.19}, {0.3: 0.397, 0.6: 0.396, 1.0: 0.38}, (0.6, True)),
            # Labels that get better all the way need not be near their best.
            ({0.3: 0.18, 0.6: 0.19, 1.0: 0.2}, {0.3: 0.41, 0.6: 0.45, 1.0: 0.5}, (0.3, True)),
        ],
    )
    def test_it_goes_as_far_as_is_borne(
        self, depth: dict[float, float], labels: dict[float, float], found: tuple[float, bool]
    ) -> None:
        before = {"rooms": {"abs_rel": 0.2, "mean_iou": 0.4}}
        scored = {part: {"rooms": {"abs_rel": depth[part], "mean_iou": labels.get(part, 0.4)}} for part in depth}
        assert farthest(before, scored, 0.02, 1.0) == found

    def test_rooms_without_depth_are_borne_by_their_labels(self) -> None:
        scored = {0.5: {"rooms": {"mean_iou": 0.398}}, 1.0: {"rooms": {"mean_iou": 0.39}}}
        assert farthest({"rooms": {"mean_iou": 0.4}}, scored, 0.02, 1.0) == (0.5, True)


def test_a_step_is_done_again_where_something_before_it_changed(tmp_path: Path) -> None:
    log: list[str] = []

    def run(facts: dict[str, int]) -> None:
        steps = Steps(tmp_path)
        for name in ("one", "two", "three"):
            place = tmp_path / name

            def work(name: str = name, place: Path = place) -> dict[str, Any]:
                log.append(name)
                place.mkdir()
                return {"name": name}

            assert steps.do(name, facts.get(name), work, [place]) == {"name": name}
        assert steps.costs.keys() == {"one", "two", "three"}

    run({})
    run({})
    assert log == ["one", "two", "three"]
    run({"two": 1})
    assert log[3:] == ["two", "three"]
    shutil.rmtree(tmp_path / "three")
    run({"two": 1})
    assert log[5:] == ["three"]


def test_the_recipe_keeps_what_the_weights_know(tmp_path: Path) -> None:
    metadata = replace(trained_checkpoint().metadata, depth_range=(0.2, 14.0), licence="ours")
    settings = AdaptationSettings(values={"stages.attention.epochs": 2}, rehearsal=0.25)
    recipe = adaptation_recipe(settings, metadata, tmp_path / "frames", 3, tmp_path / "out" / "training")
    data = recipe.data
    assert (data.width, data.height, data.canonical_focal) == (WIDTH, HEIGHT, 52.5)
    assert (data.depth_range, recipe.licence) == ((0.2, 14.0), "ours")
    assert (recipe.stages.attention.epochs, recipe.stages.consistency.epochs) == (2, 20)
    assert [(other.root, other.probability) for other in data.mix] == [("synthetic", 0.25)]
    assert data.options == {"test_fraction": 0.0, "validation_fraction": 0.15}
    assert recipe.optimizer.frozen_statistics == "network"


@pytest.mark.parametrize(
    ("settings", "score"),
    [
        ({}, "delta1"),
        ({"teachers": ("default",)}, "delta1"),
        ({"teachers": ("default", "other=other.onnx")}, "joint"),
        ({"label": ("--views", "2", "--keep-labels")}, "joint"),
        ({"values": {"run.score": "abs_rel"}}, "abs_rel"),
    ],
)
def test_labels_choose_the_weights_where_they_tell_something_new(tmp_path: Path, settings: dict, score: str) -> None:
    metadata = trained_checkpoint().metadata
    recipe = adaptation_recipe(AdaptationSettings(**settings), metadata, tmp_path, 3, tmp_path / "out" / "training")
    assert recipe.run.score == score


def test_the_recipe_is_that_of_fine_tuning() -> None:
    """An installation without the file trains as who has it."""
    given = yaml.safe_load((ROOT / "config" / "train" / "fine_tune.yaml").read_text())
    assert {name: given[name] for name in BASE} == BASE


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"held_out": 0.0}, "held_out is 0.0"),
        ({"rehearsal": 1.0}, "rehearsal is 1.0"),
        ({"frames": 0}, "frames is 0"),
        ({"worse": -0.1}, "worse is -0.1"),
        ({"interpolation": (1.0, 0.0)}, r"interpolation is \(1\.0, 0\.0\)"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        AdaptationSettings(**values)


@pytest.fixture(scope="module")
def robots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A robot's bag with sensor depth, of which every 0.4 s are a room; a bag that is none; and weights."""
    root = tmp_path_factory.mktemp("robots")
    bag = write_bag(root / "robot", walk(5, 0, 16, (WIDTH, HEIGHT), strange, scale=2.0), depth=True)
    (root / "broken.mcap").write_text("no bag")
    made = trained_checkpoint()
    save_checkpoint(root / "tiny.safetensors", made.model, made.metadata)
    return {"bag": bag, "broken": root / "broken.mcap", "weights": root / "tiny.safetensors", "out": root / "out"}


def run(robots: dict[str, Path], *further: str) -> int:
    rooms = {"width": 64, "height": 48, "length": 2, "validation_length": 1, "test_length": 2, "shadows": "false"}
    settings = {
        "stages.attention.epochs": 6, "stages.attention.learning_rate": 0.02, "stages.consistency.epochs": 0,
        "optimizer.batch_size": 4, "optimizer.average_decay": 0.5, "data.workers": 0, "run.accelerator": "cpu",
        "optimizer.frozen_statistics": "encoder",  # those of a network that never learnt tell nothing
    }  # fmt: skip
    return main(
        [
            *("adapt", str(robots["bag"]), str(robots["broken"]), "--output", str(robots["out"])),
            *("--weights", str(robots["weights"]), "--device", "cpu", "--rehearsal", "0.3", "--held-out", "0.25"),
            *("--extract", "--room-seconds 0.4", "--label", "--views 2", "--interpolation", "1", "0.5"),
            *(word for name, value in rooms.items() for word in ("--option", f"{name}={value}")),
            *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
            *further,
        ]
    )


@pytest.mark.fault(
    area="load",
    injected="an adaptation whose weights are worse on rooms that must not get worse than they may be",
    expected="they are not written as best, those of a run before go, the report says why; exit status 1",
)
def test_from_bags_to_weights_and_again_with_a_stricter_guard(
    robots: dict[str, Path], capsys: pytest.CaptureFixture[str], observed: Callable[[str], None]
) -> None:
    out = robots["out"]
    assert run(robots, "--worse", "10", "--worse-points", "100") == 0
    report = json.loads((out / "report.json").read_text())
    found = {(c["set"], c["figure"]): c for c in report["changes"]}
    assert {name for name, _ in found} >= {"sensor", "anchors", "rooms"}
    assert report["failed"].keys() == {"broken"}
    assert report["counts"]["frames to learn from"] == 12
    assert report["counts"]["frames held out"] == report["frames"]["sensor"] == 4
    # A world twice as large as what an untrained network guesses: its scale is learnt first.
    assert found["sensor", "abs_rel"]["after"] < 2 / 3 * found["sensor", "abs_rel"]["before"]
    best = load_checkpoint(out / "best.safetensors")
    assert best.metadata.metrics["interpolation"] == 1.0, "the rooms bear all of it where they may be worse"
    assert best.metadata.camera.canonical_focal == read_metadata(robots["weights"]).camera.canonical_focal
    assert (out / "best.onnx").is_file()
    assert "What got worse" in (out / "report.md").read_text()
    trained = (out / "training" / "last.safetensors").stat().st_mtime_ns

    worst = max((c["after"] / c["before"], key) for key, c in found.items() if key[1] == "abs_rel")
    assert worst[0] > 1.02, "the guard is not tried where no figure got worse"
    assert run(robots) == 1
    assert not (out / "best.safetensors").exists()
    assert not (out / "best.onnx").exists()
    assert "REFUSED" in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["refused"]
    assert any(note.startswith("50 % of the way") for note in report["notes"])
    assert load_checkpoint(out / "calibrated.safetensors").metadata.metrics["interpolation"] == 0.5
    assert (out / "training" / "last.safetensors").stat().st_mtime_ns == trained, "only the guard was asked anew"
    observed(f"refused: abs rel on {worst[1][0]} {worst[0]:.2f} times as large")


def test_a_recipe_that_is_none_is_said_before_anything_is_done(
    robots: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run({**robots, "out": tmp_path / "out"}, "--set", "stages.attention.nonsense=3") == 2
    assert "nonsense" in capsys.readouterr().err
    assert not (tmp_path / "out" / "extracted").exists()
