"""``cinet data label`` from a recording to a labelled set, with real ONNX files and a walk whose truth is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from painted_walk import known_labels, write_teacher, write_walk

from cinet_core.cli import main
from cinet_core.data.frame_files import SourceError
from cinet_core.data.recording import RecordedAnchors, Recording
from cinet_core.data.registry import open_dataset
from cinet_core.data.trust import SOURCES, read_trust
from cinet_core.geometry import unproject
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.labelling import AgreementSettings, LabelReport, LabelSettings, label_dataset, read_report
from cinet_core.labelling.store import AnswerStore
from cinet_core.progress import Progress
from cinet_core.rooms.demo.room import SyntheticRoom

FRAMES = 7
WRONG = 3
BATHTUB = NYU40.ids(["bathtub"])[0]
PATCH = (slice(30, 60), slice(50, 90))
INNER = (slice(35, 55), slice(56, 84))
AGREEMENT = AgreementSettings(views=4, reach=4)

fault = pytest.mark.fault


def lie(number: int, inverse: np.ndarray, classes: np.ndarray) -> None:
    """In one frame the picture, and so the teacher, is wrong in a patch: a fifth too near, and of another class."""
    if number == WRONG:
        inverse[PATCH] *= 1.25
        classes[PATCH] = NYU40.ids(["ceiling"])[0]


def scan(frame: object) -> RecordedAnchors:
    camera = SyntheticRoom(seed=2, width=128, height=96).intrinsics
    points = unproject(frame.depth, camera)  # type: ignore[attr-defined]
    return RecordedAnchors(scan=points[[10, 72, 90]].reshape(-1, 3))


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("teachers")
    write_teacher(root, "metric_depth", "logits", name="both", factor=1.2)
    write_teacher(root, "inverse_depth", name="relative", factor=5.0, offset=1.5)
    write_teacher(root, "labels", name="numbers")
    return root


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded")
    write_walk(root, FRAMES, anchors=scan, paint=lie)
    return root


def settings(**changes: object) -> LabelSettings:
    return LabelSettings(**{"sensor": "ignore", "agreement": AGREEMENT, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def labelled(recorded: Path, teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LabelReport]:
    folder = tmp_path_factory.mktemp("labelled") / "set"
    report = label_dataset(recorded, folder, [teachers / "both.yaml"], settings=settings(score=True), device="cpu")
    return folder, report


def test_what_views_contradict_is_void_and_the_rest_is_right(
    labelled: tuple[Path, LabelReport], recorded: Path
) -> None:
    folder, report = labelled
    truth, found = open_dataset(recorded, "all", "recording"), Recording(folder)
    assert len(found) == FRAMES
    for place in range(FRAMES):
        sample, true = found[place], truth[place]
        known = sample.depth > 0
        error = (sample.depth[known] / true.depth[known] - 1).abs()
        # The teacher's metres are a fifth too many; the scan puts them right.
        assert error.median() < 0.06, place
        assert (
            sample.labels[sample.labels != UNLABELLED] == true.labels[sample.labels != UNLABELLED]
        ).float().mean() > 0.97
        assert sample.trust is not None
        assert ((sample.depth == 0) == (sample.trust[0] == 0)).all()
        assert ((sample.labels == UNLABELLED) == (sample.trust[1] == 0)).all()
    wrong = found[WRONG]
    assert (wrong.labels[INNER] == UNLABELLED).float().mean() > 0.9
    # Its depth is void, or put right by tracked points and the scan.
    kept = wrong.depth[INNER] > 0
    off = (wrong.depth[INNER] / truth[WRONG].depth[INNER] - 1).abs()
    assert (off[kept] < 0.1).float().mean() > 0.9
    assert kept.float().mean() < 0.9
    figures = report.figures
    assert figures["agreed"]["label_precision"] > figures["teacher"]["label_precision"]
    assert (
        figures["agreed"]["depth_precision"]
        > figures["anchored"]["depth_precision"]
        > figures["teacher"]["depth_precision"]
    )
    assert figures["agreed"]["label_coverage"] > 0.8
    assert figures["weighted"]["label_precision"] >= figures["agreed"]["label_precision"] - 0.01


def test_every_frame_says_where_its_truth_came_from(labelled: tuple[Path, LabelReport], recorded: Path) -> None:
    folder, report = labelled
    lines = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    before = [json.loads(line) for line in (recorded / "frames.jsonl").read_text().splitlines()]
    for line, old in zip(lines, before, strict=True):
        truth = line["truth"]
        assert truth["depth"].keys() <= set(SOURCES)
        assert sum(truth["depth"].values()) == pytest.approx(1.0, abs=1e-3)
        assert truth["anchors"][-1] == "scan"
        assert 0.5 < truth["depth_agreement"] <= 1.0
        assert 0 < truth["label_trust"] <= 1
        np.testing.assert_allclose(line["pose"], old["pose"], atol=1e-6)
        assert (line["frame"], line["seconds"], line["fx"]) == (old["frame"], old["seconds"], old["fx"])
        # The colour image is the very file.
        assert (folder / f"{line['frame']}.jpg").read_bytes() == (recorded / f"{line['frame']}.jpg").read_bytes()
    assert report.summary["with_anchors"]["scan"] == FRAMES
    assert report.summary["scale"] == pytest.approx(1 / 1.2, rel=0.1)
    assert read_report(folder) == report
    text = "\n".join(report.sentences())
    assert f"{FRAMES} frames, 0 left out" in text
    assert "scan on 7" in text
    assert not (folder / ".teachers").exists()


def test_a_set_that_is_complete_is_left_alone(
    labelled: tuple[Path, LabelReport], recorded: Path, teachers: Path
) -> None:
    folder, report = labelled
    again = label_dataset(recorded, folder, [teachers / "both.yaml"], settings=settings(score=True), device="cpu")
    assert again == report
    with pytest.raises(SourceError, match="other teachers, settings or frames"):
        label_dataset(recorded, folder, [teachers / "both.yaml"], settings=settings(), device="cpu")


class Killed(Progress):
    """Ends a run in the middle, as a signal would."""

    def __init__(self, what: str, done: int) -> None:
        self.what, self.done, self.now = what, done, ""

    def begin(self, what: str, total: int | None) -> None:
        self.now = what

    def advance(self, done: int) -> None:
        if (self.now, done) == (self.what, self.done):
            raise KeyboardInterrupt


@fault(
    area="machine",
    injected="`cinet data label` is killed while teachers answer, and again while frames are written",
    expected="started again it goes on, and the set is that of an undisturbed run, byte for byte",
)
def test_an_interrupted_run_goes_on_to_the_same_end(
    labelled: tuple[Path, LabelReport],
    recorded: Path,
    teachers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    observed: Callable[[str], None],
) -> None:
    folder = tmp_path / "set"
    asked: list[str] = []
    write = AnswerStore.write

    def counted(self: AnswerStore, name: str, step: str, arrays: dict) -> None:
        asked.extend([name] if step == "raw" else [])
        write(self, name, step, arrays)

    monkeypatch.setattr(AnswerStore, "write", counted)
    for killed in (Killed("teachers", 3), Killed("agreement", 4)):
        with pytest.raises(KeyboardInterrupt):
            label_dataset(
                recorded, folder, [teachers / "both.yaml"], settings=settings(score=True), device="cpu", progress=killed
            )
    with pytest.raises(SourceError, match="other teachers, settings or frames"):
        label_dataset(recorded, folder, [teachers / "both.yaml"], settings=settings(), device="cpu")
    label_dataset(recorded, folder, [teachers / "both.yaml"], settings=settings(score=True), device="cpu")
    assert len(asked) == FRAMES  # of the teachers, once each
    whole = {path.name: path.read_bytes() for path in labelled[0].iterdir()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    observed(f"{len(whole)} files equal, each frame was asked about once")


def test_relative_depth_and_votes_of_several_teachers(recorded: Path, teachers: Path, tmp_path: Path) -> None:
    given = [
        teachers / "relative.yaml",
        teachers / "numbers.yaml",
        f"{teachers / 'both.yaml'}={teachers / 'both.onnx'}",
    ]
    report = label_dataset(recorded, tmp_path / "set", given, settings=settings(score=True), device="cpu", every=2)
    assert report.frames == 4
    figures = report.figures
    assert figures["teacher"]["depth_coverage"] == 0.0  # relative depth has no metres yet
    assert figures["anchored"]["abs_rel"] < 0.06
    assert figures["agreed"]["label_precision"] > 0.97


def test_a_sensor_wins_and_labels_may_be_kept(recorded: Path, teachers: Path, tmp_path: Path) -> None:
    kept = LabelSettings(agreement=AGREEMENT, keep_labels=True)
    report = label_dataset(recorded, tmp_path / "set", [teachers / "both.yaml"], settings=kept, device="cpu", limit=3)
    assert report.summary["depth"]["sensor"] > 0.99
    assert report.summary["labels"] == {"given": 1.0}
    first = read_trust(tmp_path / "set" / "walk_000000_trust.png")
    assert set(np.unique(first.trust)) == {255}
    np.testing.assert_array_equal(
        open_dataset(tmp_path / "set", "all")[0].labels, open_dataset(recorded, "all")[0].labels
    )


def test_without_poses_nothing_is_checked_and_half_is_trusted(teachers: Path, tmp_path: Path) -> None:
    write_walk(tmp_path / "in", 2, depth=False, labels=False, poses=False)
    report = label_dataset(tmp_path / "in", tmp_path / "set", [teachers / "both.yaml"], device="cpu")
    assert report.summary["depth_agreement"] is None
    assert report.summary["with_anchors"] == {}
    assert report.summary["depth"].keys() <= {"none", "teacher"}
    assert report.summary["label_trust"] < 0.51
    assert "no other view could check depth" in "\n".join(report.sentences())


def test_our_own_network_by_the_command(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Flip and sizes averaged; the set opens for training, where the trust is served."""
    write_walk(tmp_path / "in", 3)
    arguments = [tmp_path / "in", tmp_path / "out", "--teacher", weights, "--flip", "--scale", 2.0, "--device", "cpu"]
    assert main(["data", "label", *map(str, arguments), "--sensor", "anchor"]) == 0
    assert "3 frames, 0 left out" in capsys.readouterr().out
    sample = open_dataset(tmp_path / "out", "all")[0]
    assert sample.trust is not None
    assert main(["data", "check", str(tmp_path / "out"), "--output", str(tmp_path / "sheet.png")]) == 0
    assert "WARNING" not in capsys.readouterr().err
    assert main(["data", "label", *map(str, arguments), "--sensor", "anchor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 3


@fault(
    area="input",
    injected="a recording with a broken image, one without camera, an empty folder, a folder of other images",
    expected="broken frames are left out and named; what holds no frame is refused",
)
def test_recordings_that_are_broken(
    teachers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], observed: Callable[[str], None]
) -> None:
    write_walk(tmp_path / "in", 3)
    image = tmp_path / "in" / "walk_000001.jpg"
    image.write_bytes(image.read_bytes()[:100])
    given = ["--teacher", str(teachers / "both.yaml"), "--device", "cpu"]
    assert main(["data", "label", str(tmp_path / "in"), str(tmp_path / "out"), *given]) == 1
    assert "LEFT OUT walk_000001" in capsys.readouterr().err
    assert len(open_dataset(tmp_path / "out", "all")) == 2
    (tmp_path / "empty").mkdir()
    assert main(["data", "label", str(tmp_path / "empty"), str(tmp_path / "out2"), *given]) == 2
    assert "holds no images" in capsys.readouterr().err
    assert main(["data", "label", str(tmp_path / "nowhere"), str(tmp_path / "out2"), *given]) == 2
    assert main(["data", "label", str(tmp_path / "in"), str(tmp_path / "in" / "walk_000000.jpg"), *given]) == 2
    shutil.copytree(tmp_path / "in", tmp_path / "photos")
    (tmp_path / "photos" / "frames.jsonl").unlink()
    assert main(["data", "label", str(tmp_path / "photos"), str(tmp_path / "out3"), *given]) == 2
    assert "camera is unknown" in capsys.readouterr().err
    assert main(["data", "label", str(tmp_path / "in"), str(tmp_path / "photos"), *given]) == 2
    assert "other images" in capsys.readouterr().err
    for wrong in (["--scale", "9"], ["--views", "-1"], ["--score", "--keep-labels"], ["--option", "nothing=1"]):
        assert main(["data", "label", str(tmp_path / "in"), str(tmp_path / "out4"), *given, *wrong]) == 2
    observed("left out and named; refused with a remedy")


def test_a_manifest_that_is_none(recorded: Path, teachers: Path, tmp_path: Path) -> None:
    (tmp_path / "labelling.json").write_text('{"format": "else"}')
    with pytest.raises(SourceError, match="no manifest of a labelling"):
        label_dataset(recorded, tmp_path, [teachers / "both.yaml"], device="cpu")


def test_the_painted_walk_says_what_it_means() -> None:
    """The support of these tests: all classes that green can say come back."""
    labels = np.array([[0, 1, 21, UNLABELLED, BATHTUB]], np.uint8)
    assert known_labels(labels).tolist() == [[0, 1, 21, 39, 39]]
