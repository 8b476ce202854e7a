from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cinet_core.data.frame_files import SourceError
from cinet_core.data.sun_rgbd import SunRgbd, metres
from cinet_core.evaluation.evaluate import protocols_for
from cinet_core.label_sets import NYU40, SUN37

pytest.importorskip("h5py", reason="labels are HDF5: needs the extra `train`")
pytest.importorskip("scipy.io", reason="metadata is MATLAB 5: needs the extra `train`")

from sun_files import (
    FOLDERS,
    HEIGHT,
    TOOLBOX_FILES,
    TRAIN,
    WIDTH,
    record_of,
    rotated,
    write_labels,
    write_metadata,
    write_split,
    write_sun,
)


@pytest.fixture
def sun(tmp_path: Path) -> Path:
    return write_sun(tmp_path)


def names(dataset: SunRgbd) -> list[str]:
    return [dataset.name(index) for index in range(len(dataset))]


def test_a_frame(sun: Path) -> None:
    sample = SunRgbd(sun, "test")[0]
    assert sample.name == "kv1_NYUdata_NYU0001"
    assert sample.image.shape == (3, HEIGHT, WIDTH)
    assert sample.image.max() <= 2  # JPEG of black
    # depth: bits turned back, cut at 8 m, 0 is unknown
    assert sample.depth[0, :4].tolist() == pytest.approx([0, 0.001, 8.0, 8.0])
    assert sample.depth[1:].unique().tolist() == pytest.approx([1.5])
    # labels: stored transposed, 0 is none, 37 classes
    assert sample.labels[0, :5].tolist() == [255, 0, 36, 4, 255]
    assert sample.labels[HEIGHT - 1, 0] == 0
    assert sample.intrinsics is not None
    k = sample.intrinsics
    assert (k.fx, k.fy, k.cx, k.cy, k.width, k.height) == (500.0, 505.0, 11.5, 7.5, WIDTH, HEIGHT)


def test_rows_of_labels_and_metadata_correspond(sun: Path) -> None:
    dataset = SunRgbd(sun, "all")
    for number in range(len(FOLDERS)):
        sample = dataset[number]
        assert sample.name == "_".join(FOLDERS[number].split("/")[1:])
        assert sample.labels[HEIGHT - 1, 0] == number
        assert sample.depth[5, 5].item() == pytest.approx(1.5 + number / 1000)
        assert sample.intrinsics is not None
        assert sample.intrinsics.fx == 500 + number


def test_depth_with_holes(sun: Path) -> None:
    depth = SunRgbd(sun, "test", depth="raw")[0].depth
    assert (depth[8:] == 0).all()
    assert (depth[1:8] > 0).all()


def test_scores_say_which_depth_they_are_of(sun: Path) -> None:
    for depth in ("filled", "raw"):
        dataset = SunRgbd(sun, "test", depth=depth)  # type: ignore[arg-type]
        assert dataset.meta.benchmark == "sun_rgbd"
        assert [str(protocol) for protocol in protocols_for(dataset)] == [
            f"full: {depth} depth, any size, no crop, 0 < d < 8 m, pixel-pooled"
        ]


def test_bit_rotation_is_undone_for_every_value() -> None:
    millimetres = np.arange(65536, dtype=np.uint32).astype(np.uint16)
    expected = np.minimum(millimetres / 1000.0, 8.0)
    np.testing.assert_allclose(metres(rotated(millimetres)), expected, rtol=1e-6)


def test_the_split_is_the_toolbox_s(sun: Path) -> None:
    test, training = names(SunRgbd(sun, "test")), names(SunRgbd(sun, "trainval"))
    assert test == ["kv1_NYUdata_NYU0001", "realsense_lg_2014_10_24-14_38_21-1311000103"]
    assert len(training) == 4
    assert not set(test) & set(training)


def test_frames_of_a_scan_stay_together(sun: Path) -> None:
    scan = {"xtion_sun3ddata_mit_32_d507_d507_2_0000031", "xtion_sun3ddata_mit_32_d507_d507_2_0000045"}
    sides = []
    for seed in range(8):
        train = set(names(SunRgbd(sun, "train", validation_fraction=0.4, seed=seed)))
        validation = set(names(SunRgbd(sun, "validation", validation_fraction=0.4, seed=seed)))
        assert train | validation == set(names(SunRgbd(sun, "trainval")))
        assert not train & validation
        assert len(scan & train) in (0, 2)
        sides.append(len(scan & train))
    assert set(sides) == {0, 2}  # the seed does decide


def test_classes_are_the_first_of_the_forty(sun: Path) -> None:
    own, mapped = (SunRgbd(sun, "test", label_set=target)[0].labels for target in (None, NYU40))
    assert SUN37.classes == NYU40.classes[:37]
    assert torch.equal(own, mapped)


def test_goes_to_another_process(sun: Path) -> None:
    dataset = SunRgbd(sun, "test")
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[1].depth, dataset[1].depth)


@pytest.mark.parametrize("name", TOOLBOX_FILES)
def test_missing_toolbox_file(sun: Path, name: str) -> None:
    (sun / "SUNRGBDtoolbox" / name).unlink()
    with pytest.raises(SourceError, match=f"{name}: there is no such file; unpack SUNRGBDtoolbox.zip"):
        SunRgbd(sun, "test")


@pytest.mark.parametrize("name", TOOLBOX_FILES)
def test_truncated_toolbox_file(sun: Path, name: str) -> None:
    path = sun / "SUNRGBDtoolbox" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=f"{name}: it .*; unpack SUNRGBDtoolbox.zip"):
        SunRgbd(sun, "test")


def test_a_download_may_break_off_anywhere(sun: Path) -> None:
    path = sun / "SUNRGBDtoolbox" / "traintestSUNRGBD" / "allsplit.mat"
    content = path.read_bytes()
    for kept in range(0, len(content) - 8, 37):
        path.write_bytes(content[:kept])
        with pytest.raises(SourceError, match=r"allsplit\.mat: "):
            SunRgbd(sun, "test")


def test_toolbox_file_of_the_other_matlab_version(sun: Path) -> None:
    metadata, labels = (sun / "SUNRGBDtoolbox" / "Metadata" / name for name in ("SUNRGBDMeta.mat", "SUNRGBD2Dseg.mat"))
    content = metadata.read_bytes()
    metadata.write_bytes(labels.read_bytes())
    with pytest.raises(SourceError, match=r"SUNRGBDMeta.mat: it is not a MATLAB 5 file"):
        SunRgbd(sun, "test")
    metadata.write_bytes(content)
    labels.write_bytes(content)
    with pytest.raises(SourceError, match=r"SUNRGBD2Dseg.mat: it is not a MATLAB 7.3"):
        SunRgbd(sun, "test")


def test_files_that_do_not_belong_together(sun: Path) -> None:
    toolbox = sun / "SUNRGBDtoolbox"
    write_split(toolbox / "traintestSUNRGBD" / "allsplit.mat", TRAIN, [0])
    with pytest.raises(SourceError, match=r"SUNRGBD/realsense/\S+ is in neither of alltrain and alltest"):
        SunRgbd(sun, "test")
    write_split(toolbox / "traintestSUNRGBD" / "allsplit.mat", TRAIN, [0, 4])
    write_labels(toolbox / "Metadata" / "SUNRGBD2Dseg.mat", [np.zeros((HEIGHT, WIDTH), np.uint8)] * 5)
    with pytest.raises(SourceError, match=r"holds labels of 5 images, SUNRGBDMeta\.mat names 6"):
        SunRgbd(sun, "test")


def test_a_path_outside_the_root_is_refused(sun: Path) -> None:
    record = record_of(0, "SUNRGBD/../../etc")
    write_metadata(sun / "SUNRGBDtoolbox" / "Metadata" / "SUNRGBDMeta.mat", [record])
    with pytest.raises(SourceError, match="not below"):
        SunRgbd(sun, "test")


def test_broken_frames_are_named(sun: Path) -> None:
    dataset = SunRgbd(sun, "all")
    image = sun / FOLDERS[0] / "image" / "0.jpg"
    image.write_bytes(image.read_bytes()[:200])
    depth = sun / FOLDERS[0] / "depth_bfx" / "0_abs.png"
    depth.unlink()
    with pytest.raises(SourceError, match=f"{image}: "):
        dataset[0]
    assert {problem.path for problem in dataset.problems(0)} == {str(image), str(depth)}
    assert dataset.problems(1) == []

    cv2.imwrite(str(sun / FOLDERS[1] / "depth_bfx" / "1_abs.png"), np.zeros((8, 8), np.uint16))
    with pytest.raises(SourceError, match="the depth image is 8x8, the colour image 24x16; register"):
        dataset[1]
    cv2.imwrite(str(sun / FOLDERS[2] / "depth_bfx" / "2_abs.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(SourceError, match=r"2_abs.png: depth has type uint8 and shape \(16, 24, 3\).*SUNRGBD.zip"):
        dataset[2]


def test_labels_beyond_the_classes_are_refused(sun: Path) -> None:
    labels = [np.full((HEIGHT, WIDTH), 38, np.uint8)] * 6
    write_labels(sun / "SUNRGBDtoolbox" / "Metadata" / "SUNRGBD2Dseg.mat", labels)
    with pytest.raises(SourceError, match=r"seglabel of image 1: .* largest value 38"):
        SunRgbd(sun, "all")[0]
