"""``cinet data view``: labelled sets in the viewer, read back with the library's own reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rerun", reason="the extra viewer (rerun-sdk) is not installed")

from recorded import Recorded  # test/support

from cinet_core.cli import main
from cinet_core.data.folder_writer import FolderWriter
from cinet_core.data.trust import TrustedFrame
from cinet_core.geometry import Intrinsics
from cinet_core.viewer.labelled_recording import error_colors, record_labelled

WIDTH, HEIGHT, FRAMES = 64, 48, 3
CAMERA = Intrinsics.from_fov(WIDTH, HEIGHT, 60.0)


def jpeg(number: int) -> bytes:
    image = np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


def trusted(number: int) -> TrustedFrame:
    sources = np.full((2, HEIGHT, WIDTH), 1, np.uint8)
    sources[0, :, : number + 1] = 3
    return TrustedFrame(np.full((2, HEIGHT, WIDTH), 100 + number, np.uint8), sources)


def labelled(folder: Path, with_trust: bool = True) -> Path:
    writer = FolderWriter(folder)
    for number in range(FRAMES):
        pose = np.eye(4)
        pose[0, 3] = number
        keys = {"pose": pose.tolist(), "seconds": 5.0 + number, "world": "walk"}
        keys["truth"] = {"depth_agreement": 0.5, "label_agreement": None, "depth_trust": 0.25 * number}
        writer.add(
            f"walk-0000_{number:06d}",
            jpeg(number),
            CAMERA,
            depth=np.full((HEIGHT, WIDTH), 2.0),
            labels=np.full((HEIGHT, WIDTH), number, np.uint8),
            trusted=trusted(number) if with_trust else None,
            keys=keys,
        )
    return folder


def test_a_labelled_set_is_recorded_with_its_sources_and_trust(tmp_path: Path, weights: Path) -> None:
    done = record_labelled(labelled(tmp_path / "set"), tmp_path / "set.rrd", {"before": weights}, device="cpu")
    assert (done.frames, done.failed) == (FRAMES, 0)
    recorded = Recorded(tmp_path / "set.rrd")
    sources = recorded.images("/sources/depth", "SegmentationImage", "uint8")
    trust = recorded.images("/trust/labels", "DepthImage", "uint8")
    for number in range(FRAMES):
        np.testing.assert_array_equal(sources[number], trusted(number).sources[0])
        assert np.unique(trust[number]).tolist() == [100 + number]
    assert [row[0] for row in recorded.values("/agreement/depth_trust", "Scalars:scalars")] == [0.0, 0.25, 0.5]
    assert "/agreement/label_agreement" not in recorded.entities, "what could not be checked is no point of the plot"
    (depth, *_) = recorded.images("/compared/before/depth", "DepthImage", "float16")
    assert depth.shape == (HEIGHT, WIDTH)
    assert recorded.entities >= {"/compared/before/labels", "/compared/before/error", "/world/trajectory"}
    names = [item["info"]["label"] for item in str_classes(recorded)]
    assert names == ["none", "sensor", "teacher", "agreed", "given"]


def str_classes(recorded: Recorded) -> list[dict]:
    (context,) = recorded.values("/sources", "AnnotationContext:context")
    return [entry["class_description"] for entry in context[0]]


def test_an_extracted_folder_is_shown_without_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = labelled(tmp_path / "set", with_trust=False)
    assert main(["data", "view", str(folder), "--save", str(tmp_path / "x.rrd"), "--limit", "2"]) == 0
    assert "2 frames of" in capsys.readouterr().out
    recorded = Recorded(tmp_path / "x.rrd")
    assert not recorded.values("/sources/depth", "SegmentationImage:buffer")
    assert len(recorded.images("/world/camera/image/labels", "SegmentationImage", "uint8")) == 2


@pytest.mark.fault(
    area="input",
    injected="a labelled set to be viewed has a frame whose trust image is cut",
    expected="the frame is named, the others are recorded, exit status 1",
)
def test_a_broken_frame_is_named_and_the_others_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], observed: Callable[[str], None]
) -> None:
    folder = labelled(tmp_path / "set")
    path = folder / "walk-0000_000001_trust.png"
    path.write_bytes(path.read_bytes()[:40])
    assert main(["data", "view", str(folder), "--save", str(tmp_path / "x.rrd")]) == 1
    said = capsys.readouterr()
    assert "2 frames of" in said.out
    assert "walk-0000_000001_trust.png" in said.err
    observed("2 of 3 frames, one named")


def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["data", "view", "x", "--compare", "default"])
    assert "NAME=WEIGHTS" in capsys.readouterr().err
    assert main(["data", "view", str(tmp_path / "none"), "--save", str(tmp_path / "x.rrd")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_colours_of_errors_know_their_side() -> None:
    colors = error_colors(np.array([[1.1, 0.9, 8.0, np.nan]]), np.array([[1.0, 1.0, 1.0, 1.0]]))
    assert colors.dtype == np.uint8
    (far,), (near,) = colors[0, :1], colors[0, 1:2]
    assert far[0] == 255 > far[2]
    assert near[2] == 255 > near[0]
    np.testing.assert_array_equal(colors[0, 2], [255, 0, 0])
