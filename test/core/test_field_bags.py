"""Bags from the field, through the commands: the right image with the right depth, or a message that names both.

The rows of the table `bags/` in ../shared/cases/README.md, made here anew; and the shared files where they are.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags")

import field_bags
import made_bags
from driver_bags import DRIVERS, NOT_REGISTERED, azure, orbbec, realsense
from field_bags import HEIGHT, WIDTH, Row, colour, depth_mm

from cinet_core.bags.reader import BagReader
from cinet_core.bags.rgbd import RgbdBag
from cinet_core.cli import main

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "make_cases.py"


def cinet_bag(*arguments: object) -> int:
    return main(["bag", *map(str, arguments)])


def frames_of(folder: Path) -> list[str]:
    return [json.loads(line)["frame"] for line in (folder / "frames.jsonl").read_text().splitlines()]


def written(folder: Path, frame: str) -> tuple[np.ndarray, np.ndarray]:
    """Image as RGB, and depth in millimetres."""
    image = cv2.imread(str(folder / f"{frame}.jpg"), cv2.IMREAD_COLOR)[..., ::-1]
    return image, cv2.imread(str(folder / f"{frame}_depth.png"), cv2.IMREAD_UNCHANGED)


def check_frames(folder: Path, numbers: range, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """The folder holds the colour images and the depth of these frames."""
    names = frames_of(folder)
    assert [int(name[-6:]) for name in names] == list(numbers)
    for name, number in zip(names, numbers, strict=True):
        image, depth = written(folder, name)
        assert np.abs(image.astype(int) - colour(number, size)).mean() < 5  # JPEG
        np.testing.assert_array_equal(depth, depth_mm(number, size))


def test_depth_as_png_before_colour_as_jpeg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("/camera/aligned_depth_to_color/image_raw/compressed", "png16|16UC1; png compressed "),
        Row("/camera/color/image_raw/compressed", "jpeg|rgb8; jpeg compressed bgr8"),
        Row("/camera/color/camera_info", "info"),
    ]
    bag = field_bags.write(tmp_path / "bag", rows, frames=3)
    assert cinet_bag("extract", bag, tmp_path / "out") == 0
    check_frames(tmp_path / "out", range(3))
    assert "images of /camera/color/image_raw/compressed, depth of /camera/aligned" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "size", "left_out"),
    [
        ("RealSense, aligned", (64, 48), "/camera/camera/infra1/image_rect_raw (infrared, mono8 64x48)"),
        (
            "Azure Kinect",
            (128, 72),
            "/rgb_to_depth/image_raw (colour warped into the depth camera's view, bgra8 64x58)",
        ),
        ("OAK-D", (128, 72), "/oak/left/image_raw (grey, mono8 128x72)"),
    ],
)
def test_the_colour_camera_and_its_depth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, size: tuple[int, int], left_out: str
) -> None:
    bag = field_bags.write(tmp_path / "bag", DRIVERS[name].rows, frames=3)
    assert cinet_bag("extract", bag, tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert f"images of {DRIVERS[name].image}, depth of {DRIVERS[name].depth}" in said
    assert "  not taken: " in said
    assert left_out in said
    _, depth = written(tmp_path / "out", frames_of(tmp_path / "out")[1])
    np.testing.assert_array_equal(depth, depth_mm(1, size))


@pytest.mark.parametrize(
    "rows", [orbbec("camera_depth_optical_frame"), realsense("/camera", False)], ids=["same", "focal"]
)
def test_depth_of_another_camera_is_refused_and_taken_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[Row]
) -> None:
    bag = field_bags.write(tmp_path / "bag", rows, frames=2)
    assert cinet_bag("extract", bag, tmp_path / "out") == 2
    refusal = capsys.readouterr().err
    assert NOT_REGISTERED in refusal
    assert "depth is in camera_depth_optical_frame, the images in camera_color_optical_frame" in refusal
    assert "aligned_depth_to_color" in refusal
    assert not (tmp_path / "out").exists()
    assert cinet_bag("extract", bag, tmp_path / "taken", "--allow-unregistered") == 0
    assert "WARNING: depth of /camera/depth/" in capsys.readouterr().err
    assert len(list((tmp_path / "taken").glob("*_depth.png"))) == 2
    assert cinet_bag("extract", bag, tmp_path / "colour", "--without-depth") == 0
    assert "frames have no depth: " in capsys.readouterr().out
    assert len(frames_of(tmp_path / "colour")) == 2
    assert not list((tmp_path / "colour").glob("*_depth.png"))


def test_depth_of_another_aspect_costs_no_colour_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("/cam/depth/image", "16UC1", (64, 36)),
        Row("/cam/rgb/image", "rgb8"),
        Row("/cam/rgb/camera_info", "info"),
    ]
    bag = field_bags.write(tmp_path / "bag", rows)
    assert cinet_bag("extract", bag, tmp_path / "out") == 2
    assert "depth is 64x36, the images 64x48, another aspect" in capsys.readouterr().err
    assert cinet_bag("extract", bag, tmp_path / "out", "--without-depth") == 0
    assert len(frames_of(tmp_path / "out")) == 2
    assert "frames have no depth: " in capsys.readouterr().out


def test_depth_that_a_resize_rounded_is_of_one_aspect(tmp_path: Path) -> None:
    rows = [Row("/cam/depth", "16UC1", (43, 24)), Row("/cam/rgb/image", "rgb8", (128, 72))]
    with BagReader(field_bags.write(tmp_path / "bag", rows)) as reader:
        depths = [frame.depth for frame in RgbdBag(reader)]
    assert [depth.shape for depth in depths if depth is not None] == [(72, 128)] * 2


@pytest.mark.parametrize(("unit", "said"), [(10, "the median depth is 14.9 m"), (0, "no valid depth in 2 of 2 frames")])
def test_depth_of_a_wrong_unit_or_without_a_measurement_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: int, said: str
) -> None:
    rows = [Row("/cam/depth", "16UC1"), Row("/cam/rgb/image", "rgb8"), Row("/cam/rgb/camera_info", "info")]
    found = field_bags.messages(rows)
    for topic, _, message in found:
        if topic == "/cam/depth":
            message.data = (unit * message.data.view(np.uint16)).view(np.uint8)
    bag = made_bags.write(tmp_path / "bag", found, "mcap")
    assert cinet_bag("extract", bag, tmp_path / "out") == 0
    assert f"WARNING: {said}" in capsys.readouterr().err
    assert cinet_bag("extract", field_bags.write(tmp_path / "sound", rows), tmp_path / "out") == 0
    assert "WARNING: the median depth" not in capsys.readouterr().err


STAMPS: dict[str, tuple[Callable[[int], int], str]] = {
    "zero": (lambda number: 0, "are all 0"),
    "constant": (lambda number: 5 * 10**9, "are all the same"),
    "mostly zero": (lambda number: 0 if number > 1 else number + 10**15, "are 0 in 6 of 8 messages"),
    "whole minutes": (lambda number: 60 * 10**9 * (1 + number // 4), "are only 2 different ones in 8 messages"),
}


@pytest.mark.parametrize("name", STAMPS)
def test_stamps_that_are_no_time_give_way_to_the_time_of_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    stamp, said = STAMPS[name]
    rows = [
        Row("/zed/rgb/image", "rgb8"),
        Row("/zed/rgb/camera_info", "info"),
        Row("/zed/depth/depth_registered", "16UC1", skip=(0,)),
    ]
    bag = made_bags.write(tmp_path / "bag", field_bags.messages(rows, 8, stamp), "mcap")
    assert cinet_bag("extract", bag, tmp_path / "out") == 0
    check_frames(tmp_path / "out", range(1, 8))  # depth begins a frame late: image k has depth k, and the first none
    printed = capsys.readouterr()
    assert printed.err.count("WARNING: the header stamps of /zed/rgb/image") == 1
    assert f"{said}: messages are paired by their time of recording" in printed.err
    assert "1 images have no depth" in printed.out


@pytest.mark.parametrize("zero", [{0, 1}, {1, 4, 6}])
def test_stamps_of_which_some_are_0_do_not_mix_frames_up(tmp_path: Path, zero: set[int]) -> None:
    rows = [Row("/cam/rgb/image", "rgb8"), Row("/cam/depth/image", "16UC1", skip=(min(zero),))]
    found = field_bags.messages(rows, 8, lambda k: 0 if k in zero else made_bags.START + k * made_bags.PERIOD)
    with BagReader(made_bags.write(tmp_path / "bag", found)) as reader:
        bag = RgbdBag(reader)
        pairs = [(frame.index, round(1000 * float(frame.depth[0, 0]))) for frame in bag if frame.depth is not None]
        assert pairs == [(number, 1000 + 10 * number) for number in range(8) if number != min(zero)]
        assert sum("are 0 or occur twice" in note for note in bag.notes) == 2
        assert (bag.stamp(7) - bag.stamp(0)) == pytest.approx(7 * made_bags.PERIOD, abs=10_000)


def test_stamps_of_two_clocks_give_way_to_the_time_of_recording(tmp_path: Path) -> None:
    rows = [Row("/cam/image_raw", "rgb8"), Row("/cam/depth", "16UC1")]
    messages = field_bags.messages(rows, 5)
    for topic, _, message in messages:
        if topic == "/cam/depth":  # seconds since the sensor's start
            message.header.stamp.sec -= made_bags.START // 10**9 - 12
    with BagReader(made_bags.write(tmp_path / "bag", messages)) as reader:
        bag = RgbdBag(reader)
        assert len(bag) == 5
        assert "are of two clocks" in bag.notes[0]
        assert [round(float(frame.depth[0, 0]) * 1000) for frame in bag] == [1000 + 10 * n for n in range(5)]  # type: ignore[index]
        assert bag.stamp(1) - bag.stamp(0) == made_bags.PERIOD


def test_sound_stamps_are_kept(tmp_path: Path) -> None:
    messages = field_bags.messages([Row("/cam/image_raw", "rgb8"), Row("/cam/depth", "16UC1")], 5)
    late = [(topic, time + (70_000_000 if topic == "/cam/depth" else 0), message) for topic, time, message in messages]
    with BagReader(made_bags.write(tmp_path / "bag", late)) as reader:  # recorded late, stamped well
        bag = RgbdBag(reader)
        assert len(bag) == 5
        assert bag.notes == []
        assert bag.stamp(0) == made_bags.START


@pytest.mark.parametrize("text", ["bgr8", "rgb8", "jpeg", "rgb8; jpeg compressed bgr8"])
def test_red_is_left_whatever_an_ordinary_jpeg_is_called(tmp_path: Path, text: str) -> None:
    rows = [Row("/cam/image_raw/compressed", f"jpeg|{text}"), Row("/cam/camera_info", "info")]
    bag = field_bags.write(tmp_path / "bag", rows)
    assert cinet_bag("extract", bag, tmp_path / "out", "--without-depth") == 0
    with BagReader(bag) as reader:
        (frame, *_) = RgbdBag(reader, need_depth=False)
    for image in (frame.prepared.image, cv2.imread(str(next((tmp_path / "out").glob("*.jpg"))))[..., ::-1]):
        left, right = image[20, 10].astype(int), image[20, -10].astype(int)
        assert left[0] > 150 > left[2]
        assert right[2] > 150 > right[0]


def test_a_jpeg_with_red_for_blue_is_not_kept_as_a_file(tmp_path: Path) -> None:
    rows = [Row("/cam/image_raw/compressed", "swapped|rgb8; jpeg compressed rgb8"), Row("/cam/camera_info", "info")]
    assert cinet_bag("extract", field_bags.write(tmp_path / "bag", rows), tmp_path / "out", "--without-depth") == 0
    image, _ = written(tmp_path / "out", frames_of(tmp_path / "out")[1])
    assert np.abs(image.astype(int) - colour(1)).mean() < 6


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/direct_drive/camera/image_raw", False),
        ("/rectified_cam/image_raw", False),
        ("/camera/image_rect_color", True),
    ],
)
def test_rect_counts_only_in_the_last_parts(tmp_path: Path, topic: str, rectified: bool) -> None:
    info = made_bags.camera_info(made_bags.START, d=(-0.3, 0.1, 0.0, 0.0, 0.0))
    messages = [
        (topic, made_bags.START, made_bags.image(made_bags.START, made_bags.rgb_image(1))),
        (f"{topic.rpartition('/')[0]}/camera_info", made_bags.START, info),
    ]
    with BagReader(made_bags.write(tmp_path / "bag", messages)) as reader:
        (frame,) = RgbdBag(reader, need_depth=False)
    assert np.array_equal(frame.prepared.image, made_bags.rgb_image(1)) == rectified
    assert (frame.prepared.valid is None) == rectified


def test_run_takes_the_colour_camera_and_says_what_it_leaves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: Path
) -> None:
    bag = field_bags.write(tmp_path / "bag", azure(), frames=1)
    arguments = ("--device", "cpu", "--weights", weights, "--outputs", "semantic/image_raw")
    assert cinet_bag("run", bag, tmp_path / "out", *arguments) == 0
    said = capsys.readouterr().out
    assert "images of /rgb/image_raw with /rgb/camera_info" in said
    assert "not taken: " in said
    assert "/ir/image_raw (infrared, mono16 64x58)" in said
    rows = [Row("/cam/image_raw", "rgb8", zero=True), Row("/cam/camera_info", "info", zero=True)]
    bag = field_bags.write(tmp_path / "zero", rows, frames=3)
    assert cinet_bag("run", bag, tmp_path / "stamped", *arguments) == 0
    assert capsys.readouterr().err.count("header stamps of /cam/image_raw are 0, and so are those of the outputs") == 1


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CASES.is_file():
        pytest.skip("../shared/cases is not beside this checkout")
    out = tmp_path_factory.mktemp("cases")
    arguments, sys.argv = sys.argv, [str(CASES), str(out)]
    try:
        runpy.run_path(str(CASES), run_name="__main__")
    finally:
        sys.argv = arguments
    return out / "bags"


SHARED = {
    "depth_png_first": (
        "/camera/color/image_raw/compressed", "/camera/aligned_depth_to_color/image_raw/compressed", range(6)
    ),
    "infrared_first": ("/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw", range(6)),
    "kinect_order": ("/rgb/image_raw", "/depth_to_rgb/image_raw", range(6)),
    "stamps_zero_depth_late": ("/zed/rgb/image", "/zed/depth/depth_registered", range(1, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_the_shared_bags_with_depth(cases: Path, name: str) -> None:
    image, depth, numbers = SHARED[name]
    with BagReader(cases / name) as reader:
        bag = RgbdBag(reader)
        assert bag.depth is not None
        assert (bag.image.topic, bag.depth.topic) == (image, depth)
        frames = list(bag)
    assert [frame.index for frame in frames] == list(numbers)
    for frame in frames:
        assert frame.depth is not None
        # the image's blue ramp and the depth are of the same instant
        assert abs(int(frame.prepared.image[0, 0, 2]) - 10 * frame.index) < 16
        assert round(float(frame.depth[0, 0]) * 1000) == 1000 + 5 * frame.index
        assert frame.prepared.intrinsics is not None
        assert frame.prepared.intrinsics.fx == pytest.approx(140.0)
    notes = " ".join(bag.notes)
    assert ("/camera/infra1/image_rect_raw (infrared" in notes) == (name == "infrared_first")
    assert ("paired by their time of recording" in notes) == (name == "stamps_zero_depth_late")


def test_the_shared_bags_of_one_camera(cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with BagReader(cases / "jpeg_named_bgr8") as reader:
        (frame, *_) = RgbdBag(reader, need_depth=False)
    red, green, blue = (frame.prepared.image[40, 35 + 45 * number].astype(int) for number in range(3))
    assert red[0] > 150 > red[2]
    assert green[1] > 150
    assert blue[2] > 150 > blue[0]
    with BagReader(cases / "direct_in_the_name") as reader:
        (frame, *_) = RgbdBag(reader, need_depth=False)
    assert frame.prepared.camera is not None
    assert frame.prepared.camera.distorted
    with BagReader(cases / "fisheye_five") as reader:
        assert RgbdBag(reader, need_depth=False).image.topic == "/camera/fisheye1/image_raw"
    assert cinet_bag("extract", cases / "unregistered", tmp_path / "out") == 2
    refusal = capsys.readouterr().err
    assert "depth is in camera_depth_optical_frame, the images in camera_color_optical_frame" in refusal
