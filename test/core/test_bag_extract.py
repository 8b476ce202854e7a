"""``cinet bag extract``: what a bag holds becomes a data set that training reads."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags")

import made_bags
from made_bags import HEIGHT, PERIOD, START, WIDTH

from cinet_core.cli import main
from cinet_core.data.check import check_dataset
from cinet_core.data.registry import open_dataset
from cinet_core.label_sets import NYU40


def extract(*arguments: object) -> int:
    return main(["bag", "extract", *map(str, arguments)])


def depth_of(number: int) -> np.ndarray:
    """(H, W) metres with a hole."""
    depth = np.full((HEIGHT, WIDTH), 1.0 + 0.25 * number, np.float32)
    depth[: HEIGHT // 2] += 0.5
    depth[0, :5] = np.nan
    return depth


def depth_message(number: int, stamp: int, encoding: str) -> object:
    depth = depth_of(number)
    if encoding == "32FC1":
        return made_bags.image(stamp, depth, "32FC1")
    millimetres = np.rint(np.nan_to_num(depth) * 1000).astype(np.uint16)
    if encoding == "16UC1":
        return made_bags.image(stamp, millimetres, "16UC1")
    content, name = cv2.imencode(".png", millimetres)[1].tobytes(), "16UC1"
    prefix = struct.pack("<iff", 0, 0.0, 0.0)
    if encoding == "inverse":  # 32FC1 as compressed_depth_image_transport has it
        a, b = 1000.0, -20.0
        quantised = np.where(np.isnan(depth), 0, np.rint(a / np.nan_to_num(depth, nan=1.0) + b)).astype(np.uint16)
        content, name = cv2.imencode(".png", quantised)[1].tobytes(), "32FC1"
        prefix = struct.pack("<iff", 0, a, b)
    return made_bags.types("sensor_msgs/msg/CompressedImage")(
        header=made_bags.header(stamp),
        format=f"{name}; compressedDepth png",
        data=np.frombuffer(prefix + content, np.uint8),
    )


def rgbd(frames: int, encoding: str = "16UC1", delay: int = 3_000_000, compress: bool = False) -> list:
    """A camera with depth in its own frame, and another in the sensor's."""
    found = made_bags.camera(frames, compress)
    suffix = "" if encoding in ("16UC1", "32FC1") else "/compressedDepth"
    for number in range(frames):
        stamp = START + number * PERIOD + delay
        found.append((f"/cam/aligned_depth/image{suffix}", stamp + 1, depth_message(number, stamp, encoding)))
        raw = made_bags.image(stamp, np.full((30, 90), 500, np.uint16), "16UC1")
        found.append(("/a_depth/image", stamp + 2, raw))
    return found


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "png", "inverse"])
def test_colour_depth_and_camera_come_back(tmp_path: Path, encoding: str, storage: str) -> None:
    bag = made_bags.write(tmp_path / "walk", rgbd(4, encoding), storage)
    out = tmp_path / "data"
    assert extract(bag, out) == 0
    dataset = open_dataset(out, "all")
    assert [dataset.name(number) for number in range(len(dataset))] == [f"walk-0000_{n:06d}" for n in range(4)]
    report = check_dataset(dataset)
    assert (report.readable, report.with_depth, report.with_labels, report.with_camera) == (4, 4, 0, 4)
    for number in range(4):
        sample = dataset[number]
        true = np.nan_to_num(depth_of(number))
        np.testing.assert_allclose(sample.depth.numpy(), true, atol=0.002 if encoding == "inverse" else 1e-6)
        image = sample.image.numpy().transpose(1, 2, 0).astype(int)
        assert np.abs(image - made_bags.rgb_image(number)).mean() < 4  # JPEG
        assert sample.intrinsics is not None
        assert (sample.intrinsics.fx, sample.intrinsics.cx) == (made_bags.FOCAL, (WIDTH - 1) / 2)


def test_jpeg_images_are_kept_as_they_are(tmp_path: Path) -> None:
    bag = made_bags.write(tmp_path / "walk", rgbd(2, compress=True))
    assert extract(bag, tmp_path / "data") == 0
    for number in range(2):
        kept = (tmp_path / "data" / f"walk-0000_{number:06d}.jpg").read_bytes()
        assert kept == bytes(made_bags.compressed(0, made_bags.rgb_image(number)).data)


def test_it_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = made_bags.write(tmp_path / "walk", rgbd(4))
    out = tmp_path / "data"
    assert extract(bag, out) == 0
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    # as a kill leaves it: a torn line, images without one, and some that are missing
    lines = whole["frames.jsonl"].splitlines(keepends=True)
    (out / "frames.jsonl").write_bytes(lines[0] + lines[1][:20])
    (out / "walk-0000_000003.jpg").unlink()
    (out / "walk-0000_000002_depth.png").write_bytes(b"half")
    kept = (out / "walk-0000_000000.jpg").stat().st_mtime_ns
    assert extract(bag, out) == 0
    assert "4 frames of" in (said := capsys.readouterr().out)
    assert "(1 were there)" in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
    assert (out / "walk-0000_000000.jpg").stat().st_mtime_ns == kept
    assert extract(bag, out) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole


def test_every_nth_in_rooms_and_several_bags_in_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "data"
    for name in ("one", "two"):
        bag = made_bags.write(tmp_path / name, rgbd(9))
        assert extract(bag, out, "--every", 2, "--room-seconds", 0.45) == 0
    names = sorted(path.stem for path in out.glob("*.jpg"))
    assert names == [f"{bag}-{n // 5:04d}_{n:06d}" for bag in ("one", "two") for n in (0, 2, 4, 6, 8)]
    for split, frames in (("train", 10 - 2 - 2), ("validation", 2), ("test", 2)):
        dataset = open_dataset(out, split)  # training divides it by rooms
        assert abs(len(dataset) - frames) <= 1, split


def test_stamps_too_far_apart_are_no_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = rgbd(3, delay=30_000_000)
    late = [item for item in late if not (item[0].startswith("/cam/aligned") and item[1] < START + PERIOD)]
    bag = made_bags.write(tmp_path / "walk", late)
    assert extract(bag, tmp_path / "none") == 2
    assert "not one of 3 images of /cam/image_raw has depth within 0.02 s" in capsys.readouterr().err
    assert extract(bag, tmp_path / "data", "--tolerance", 0.04) == 0
    assert "1 images have no depth within 0.04 s" in capsys.readouterr().out
    assert len(open_dataset(tmp_path / "data", "all")) == 2
    assert extract(bag, tmp_path / "all", "--without-depth", "--tolerance", 0.04) == 0
    report = check_dataset(open_dataset(tmp_path / "all", "all"))
    assert (report.readable, report.with_depth) == (3, 2)


def test_depth_of_another_camera_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = made_bags.write(tmp_path / "walk", rgbd(3))
    assert extract(bag, tmp_path / "data", "--depth-topic", "/a_depth/image") == 2
    error = capsys.readouterr().err
    assert "depth is 90x30, the images 64x48, another aspect" in error
    assert "--allow-unregistered" not in error  # which would not help
    assert extract(bag, tmp_path / "data", "--depth-topic", "/a_depth/image", "--allow-unregistered") == 1
    error = capsys.readouterr().err
    assert "3 frames left out, aspect: the depth of /a_depth/image are 90x30" in error
    assert "registered to the colour image" in error


@pytest.mark.parametrize("bits", [0, 8, 16])
def test_predicted_labels_become_labels_of_the_folder(tmp_path: Path, bits: int) -> None:
    messages = rgbd(2)
    labels = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 40
    labels[0, 0] = 255
    for number in range(2):
        stamp = START + number * PERIOD
        if bits:
            encoding = {8: "mono8", 16: "16UC1"}[bits]
            content = cv2.imencode(".png", labels.astype(f"u{bits // 8}"))[1].reshape(-1)
            compressed = made_bags.types("sensor_msgs/msg/CompressedImage")(
                header=made_bags.header(stamp), format=f"{encoding}; png compressed ", data=content
            )
            messages.append(("/semantic/image_raw/compressed", stamp + 5, compressed))
        else:
            messages.append(("/semantic/image_raw", stamp + 5, made_bags.image(stamp, labels, "mono8")))
    item, color = made_bags.types("cinet_ros/msg/SemanticClass"), made_bags.types("std_msgs/msg/ColorRGBA")
    classes = made_bags.types("cinet_ros/msg/SemanticClasses")(
        label_set="own",
        classes=[item(id=n, name=f"thing {n}", color=color(r=0.0, g=0.0, b=0.0, a=1.0)) for n in range(40)],
    )
    messages.append(("/semantic/classes", START, classes))
    out = tmp_path / "data"
    assert extract(made_bags.write(tmp_path / "walk", messages), out) == 0
    dataset = open_dataset(out, "all")
    assert dataset.label_set.classes == tuple(f"thing {n}" for n in range(40))
    np.testing.assert_array_equal(dataset[1].labels.numpy(), labels)
    assert dataset.label_set.classes != NYU40.classes


def test_distorted_depth_is_rectified_with_its_image(tmp_path: Path) -> None:
    stamp = START
    depth = np.tile(np.linspace(1, 2, WIDTH, dtype=np.float32), (HEIGHT, 1))
    messages = [
        ("/cam/image_raw", stamp, made_bags.image(stamp, made_bags.rgb_image(0))),
        ("/cam/camera_info", stamp, made_bags.camera_info(stamp, d=(0.4, 0.0, 0.0, 0.0, 0.0))),
        ("/cam/depth", stamp, made_bags.image(stamp, depth, "32FC1")),
    ]
    assert extract(made_bags.write(tmp_path / "walk", messages), tmp_path / "data") == 0
    warped = open_dataset(tmp_path / "data", "all")[0].depth.numpy()
    middle = warped[HEIGHT // 2]
    known = middle > 0
    assert not known.all()  # a barrel shows less at the sides
    assert np.abs(middle - depth[0])[known].max() > 0.01
    values = set(np.rint(depth[0] * 1000).astype(int))
    assert set(np.rint(warped[warped > 0] * 1000).astype(int)) <= values  # never mixed


def test_foreign_folders_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = made_bags.write(tmp_path / "walk", rgbd(1))
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"mine")
    assert extract(bag, photos) == 2
    assert "holds other images (holiday.jpg)" in capsys.readouterr().err
    assert extract(bag, bag / "metadata.yaml") == 2
    assert extract(made_bags.write(tmp_path / "colour", made_bags.camera(2)), tmp_path / "data") == 2
    assert "no topic with depth images" in capsys.readouterr().err
