"""``cinet bag run`` on real bags: everything is copied, every output is there, and a kill costs nothing."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags")

import made_bags

from cinet_core.bags import run as run_module
from cinet_core.bags.definitions import message_store
from cinet_core.bags.outputs import ALL_TOPICS, BY_DEFAULT
from cinet_core.checkpoint import load_checkpoint
from cinet_core.cli import main
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import NYU40
from cinet_core.messages.planes import read_compressed_depth, read_depth
from cinet_core.messages.topics import TOPICS, topics_of
from cinet_core.model.config import DEFAULT_TASKS

FOREIGN = TOPICS.keys() - topics_of(DEFAULT_TASKS)
OWN = [topic for topic in BY_DEFAULT if topic not in FOREIGN]  # what these weights have
PER_FRAME = len(OWN) - 2  # without the latched ones
_load_once = functools.cache(load_checkpoint)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_bags.write(tmp_path_factory.mktemp("bags") / "in", made_bags.camera(5), "mcap")


@pytest.fixture
def cinet_bag(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command; the weights' file is read once for all of them."""
    monkeypatch.setattr("cinet_core.checkpoint.load_checkpoint", _load_once)

    def run(command: str, *arguments: object) -> int:
        device = ["--device", "cpu", "--weights", weights] if command == "run" else []
        return main(["bag", command, *map(str, arguments), *map(str, device)])

    return run


def split(contents: list, added: bool) -> list:
    """Those of the outputs, or the others."""
    names = {f"/{name}" for name in ALL_TOPICS}
    return [item for item in contents if (item[0] in names) == added]


def timeless(contents: list) -> Counter:
    """Messages without what differs between two runs: the statistics' durations."""
    return Counter((topic, kind, time, b"" if topic == "/stats" else data) for topic, kind, time, data in contents)


def messages(contents: list, topic: str) -> list:
    store = message_store()
    return [store.deserialize_cdr(data, kind) for name, kind, _, data in contents if name == topic]


@pytest.mark.parametrize(("storage", "compress"), [("sqlite3", False), ("mcap", True)])
def test_everything_is_copied_and_every_output_added(
    tmp_path: Path, cinet_bag: Callable[..., int], storage: str, compress: bool
) -> None:
    source = made_bags.write(tmp_path / "in", made_bags.camera(3, compress), storage)
    out = tmp_path / "out.bag"
    assert cinet_bag("run", source, out, "--batch", 2) == 0
    found = made_bags.contents(out)
    assert split(found, False) == made_bags.contents(source)
    assert [time for _, _, time, _ in found] == sorted(time for _, _, time, _ in found)
    added = split(found, True)
    assert Counter(topic for topic, _, _, _ in added) == Counter(
        {f"/{name}": 1 if name in ("semantic/classes", "semantic/label_info") else 3 for name in OWN}
    )
    assert {(topic, kind) for topic, kind, _, _ in added} == {(f"/{name}", ALL_TOPICS[name]) for name in OWN}
    assert [entry.suffix for entry in sorted(out.iterdir())] == [".yaml", ".db3" if storage == "sqlite3" else ".mcap"]
    for name in ("depth_registered/image_rect", "points", "stats", "semantic/camera_info"):
        stamps = [item.header.stamp.sec * 10**9 + item.header.stamp.nanosec for item in messages(found, f"/{name}")]
        assert stamps == [made_bags.START + number * made_bags.PERIOD for number in range(3)]
        times = [time for topic, _, time, _ in found if topic == f"/{name}"]
        assert times == [stamp + 1000 for stamp in stamps]  # recorded with its image


def test_compressed_images_and_the_cloud_of_fewer_points_are_added_by_name(
    tmp_path: Path, bag: Path, cinet_bag: Callable[..., int]
) -> None:
    labels, depth = "semantic/image_raw", "depth_registered/image_rect"
    names = [labels, f"{labels}/compressed", depth, f"{depth}/compressedDepth", "points_downsampled"]
    assert cinet_bag("run", bag, tmp_path / "out", "--outputs", *names) == 0
    found = made_bags.contents(tmp_path / "out")
    assert Counter(topic for topic, _, _, _ in split(found, True)) == Counter({f"/{name}": 5 for name in names})
    for raw, small in zip(messages(found, f"/{labels}"), messages(found, f"/{labels}/compressed"), strict=True):
        assert small.header == raw.header
        pixels = cv2.imdecode(np.asarray(small.data), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(pixels.reshape(-1), raw.data)
    for raw, small in zip(messages(found, f"/{depth}"), messages(found, f"/{depth}/compressedDepth"), strict=True):
        np.testing.assert_allclose(read_compressed_depth(small), read_depth(raw), rtol=0.01)
    assert all(cloud.is_dense and cloud.width > 0 for cloud in messages(found, "/points_downsampled"))


def test_the_outputs_are_the_predictors(
    tmp_path: Path, bag: Path, weights: Path, cinet_bag: Callable[..., int]
) -> None:
    from cinet_core.geometry import Intrinsics

    out = tmp_path / "out"
    parameters = tmp_path / "scale.yaml"
    parameters.write_text("/**:\n  ros__parameters: {depth_scale: 2.0, depth_encoding: 16UC1, max_rate: 5}\n")
    assert cinet_bag("run", bag, out, "--params", parameters) == 0
    found = made_bags.contents(out)
    predictor = Predictor(load_checkpoint(weights), "cpu")
    width, height, focal = made_bags.WIDTH, made_bags.HEIGHT, made_bags.FOCAL
    camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    for number in range(5):
        prediction = predictor.predict(made_bags.rgb_image(number), camera)
        depth = messages(found, "/depth_registered/image_rect")[number]
        assert (depth.encoding, depth.header.frame_id) == ("16UC1", "camera_optical")
        stored = np.frombuffer(depth.data, "<u2").reshape(height, width)
        np.testing.assert_array_equal(stored, np.rint(np.nan_to_num(prediction.depth * np.float32(2.0)) * 1000))
        labels = np.frombuffer(messages(found, "/semantic/image_raw")[number].data, np.uint8).reshape(height, width)
        np.testing.assert_array_equal(labels, prediction.labels)
        cloud = messages(found, "/points")[number]
        z = np.frombuffer(cloud.data, "<f4").reshape(height, width, 8)[..., 2]
        np.testing.assert_allclose(z, prediction.depth * 2, rtol=1e-6)
    (classes,) = messages(found, "/semantic/classes")
    assert [item.name for item in classes.classes] == list(NYU40.classes)
    stats = messages(found, "/stats")
    assert [item.frames_used for item in stats] == [1, 2, 3, 4, 5]
    assert stats[0].model_hash == predictor.model_hash
    assert np.isnan(stats[0].latency)
    info = messages(found, "/semantic/camera_info")[0]
    assert (info.k[0], info.k[2], list(info.d), info.distortion_model) == (
        focal,
        (width - 1) / 2,
        [0.0] * 5,
        "plumb_bob",
    )


def test_a_run_that_fails_goes_on_with_nothing_doubled(
    tmp_path: Path, bag: Path, cinet_bag: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cinet_bag("run", bag, tmp_path / "whole") == 0
    monkeypatch.setattr(run_module, "PART_BYTES", 1)  # a part a frame
    predict, out = Predictor.predict_batch, tmp_path / "out"
    attempts = 0
    while attempts < 6:
        attempts += 1
        calls = []

        def failing(self: Predictor, *arguments: object, calls: list = calls) -> object:
            calls.append(1)
            if len(calls) > 1:
                raise OSError("no power")
            return predict(self, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Predictor, "predict_batch", failing)
        status = cinet_bag("run", bag, out)
        assert (out / "metadata.yaml").exists() == (status == 0)
        if status == 0:
            break
    assert attempts == 5
    assert len(list(out.glob("*.mcap"))) > 3
    assert timeless(made_bags.contents(out)) == timeless(made_bags.contents(tmp_path / "whole"))
    stats = messages(made_bags.contents(out), "/stats")
    assert [item.frames_used for item in stats] == [1, 2, 3, 4, 5]
    assert cinet_bag("run", bag, out) == 0  # complete: nothing is predicted any more
    assert len(calls) == 1
    assert sorted(entry.name for entry in out.iterdir() if entry.name.startswith(".")) == []


def test_a_killed_process_goes_on(tmp_path: Path, weights: Path, cinet_bag: Callable[..., int]) -> None:
    source = made_bags.write(tmp_path / "in", made_bags.camera(60), "sqlite3")
    out = tmp_path / "out"
    program = (
        "import sys; from cinet_core.bags import run; run.PART_BYTES = 1;"
        "from cinet_core.cli import main; sys.exit(main(['bag', *sys.argv[1:]]))"
    )
    outputs = ("semantic/image_raw", "stats")
    arguments = ["run", str(source), str(out), "--device", "cpu", "--weights", str(weights), "--outputs", *outputs]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(out.glob("*.db3"))) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = len(list(out.glob("*.db3")))
    assert before >= 3
    assert not (out / "metadata.yaml").exists()
    assert cinet_bag("run", source, out, "--outputs", *outputs) == 0
    found = made_bags.contents(out)
    assert split(found, False) == made_bags.contents(source)
    assert Counter(topic for topic, *_ in split(found, True)) == {f"/{name}": 60 for name in outputs}
    assert [item.frames_used for item in messages(found, "/stats")] == list(range(1, 61))


def test_what_cannot_be_decoded_is_counted_and_copied(
    tmp_path: Path, cinet_bag: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    good = made_bags.camera(4, compress=True)
    topic, _, broken = good[3]
    broken.data = broken.data[:200]
    raw = [(topic, "sensor_msgs/msg/CompressedImage", good[6][1] + 5, b"\0\1\0\0" + bytes(30))]
    source = made_bags.write(tmp_path / "in", good, raw=raw)
    assert cinet_bag("run", source, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "2 frames left out, data: " in error or ("1 frames left out" in error and "format" in error)
    found = made_bags.contents(tmp_path / "out")
    assert split(found, False) == made_bags.contents(source)
    assert len(split(found, True)) == 3 * PER_FRAME + 2


def test_a_cut_bag_is_run_to_where_it_ends(
    tmp_path: Path, bag: Path, cinet_bag: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "cut.mcap"
    content = made_bags.storage_file(bag).read_bytes()
    source.write_bytes(content[: len(content) // 2])
    assert cinet_bag("run", source, tmp_path / "out") == 1
    assert "DAMAGED" in (error := capsys.readouterr().err)
    assert "ends in the middle of a record, at byte" in error
    found = made_bags.contents(tmp_path / "out")
    assert split(found, False) == made_bags.contents(source)
    assert len(messages(found, "/points")) >= 2


def test_without_calibration_there_is_neither_cloud_nor_camera_info(
    tmp_path: Path, cinet_bag: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    source = made_bags.write(tmp_path / "in", made_bags.camera(2, with_info=False))
    assert cinet_bag("run", source, tmp_path / "out", "--prefix", "front") == 0
    assert "the training camera's focal length is assumed" in capsys.readouterr().err
    found = made_bags.contents(tmp_path / "out")
    topics = {topic for topic, *_ in found}
    assert "/front/depth_registered/image_rect" in topics
    assert not topics & {"/front/points", "/front/semantic/camera_info"}


def test_a_calibration_that_is_lost_for_a_while_is_named(
    tmp_path: Path, cinet_bag: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning is of the image that it is about, not of a later one, which was read ahead."""
    source = made_bags.camera(8)
    infos = [message for topic, _, message in source if topic == "/cam/camera_info"]
    infos[2].k[0] = 0.0
    assert cinet_bag("run", made_bags.write(tmp_path / "in", source), tmp_path / "out", "--batch", 4) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "focal length is assumed" in line]
    assert line.startswith("WARNING: camera_info is 64x48 with K = [0, 0, 31.5")


def test_distorted_images_are_rectified(tmp_path: Path, cinet_bag: Callable[..., int]) -> None:
    time_ns = made_bags.START
    info = made_bags.camera_info(time_ns, d=(0.3, 0.1, 0.0, 0.0, 0.0))
    for topic in ("/image_raw", "/image_rect"):
        source = [(topic, time_ns, made_bags.image(time_ns, made_bags.rgb_image(1))), ("/camera_info", time_ns, info)]
        out = tmp_path / topic[1:]
        assert cinet_bag("run", made_bags.write(tmp_path / f"in{topic[1:]}", source), out) == 0
        (image,) = messages(made_bags.contents(out), "/rgb/image_rect")
        assert np.array_equal(np.frombuffer(image.data, np.uint8), made_bags.rgb_image(1).reshape(-1)) == (
            topic == "/image_rect"
        )


def test_what_cannot_start_is_one_line(
    tmp_path: Path, bag: Path, cinet_bag: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: object) -> str:
        assert cinet_bag("run", *arguments) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    out = tmp_path / "out"
    assert "there is no such bag" in refused(tmp_path / "none", out)
    assert "no images on /x; it has: /cam" in refused(bag, out, "--image-topic", "/x")
    assert "there is no output cloud: choose of" in refused(bag, out, "--outputs", "cloud")
    assert not out.exists()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    assert "was written by something else" in refused(bag, tmp_path / "taken")
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"
    assert "was written by something else" in refused(bag, bag)
    (tmp_path / "p.yaml").write_text("/**:\n  ros__parameters: {depth_scale: 30.0}\n")
    assert "depth_scale = 30.0 is outside 0.1 .. 10" in refused(bag, out, "--params", tmp_path / "p.yaml")
    assert cinet_bag("run", bag, out, "--outputs", "semantic/image_raw") == 0
    assert cinet_bag("run", bag, out, "--outputs", "points") == 2
    assert "was begun with another input or with other settings" in capsys.readouterr().err
    assert "/semantic/image_raw already: give the new topics another --prefix" in refused(out, tmp_path / "twice")


def test_the_messages_are_those_of_ros(tmp_path: Path, bag: Path, cinet_bag: Callable[..., int]) -> None:
    """rclpy reads the CDR of each output with its own code, and gets the fields that were meant."""
    serialization = pytest.importorskip("rclpy.serialization")
    from diagnostic_msgs.msg import DiagnosticArray  # noqa: F401  (a ROS installation is whole)
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2

    from cinet_ros.msg import PerceptionStats, SemanticClasses

    kinds = {
        "sensor_msgs/msg/Image": Image,
        "sensor_msgs/msg/CameraInfo": CameraInfo,
        "sensor_msgs/msg/PointCloud2": PointCloud2,
        "cinet_ros/msg/PerceptionStats": PerceptionStats,
        "cinet_ros/msg/SemanticClasses": SemanticClasses,
    }
    assert cinet_bag("run", bag, tmp_path / "out") == 0
    found = split(made_bags.contents(tmp_path / "out"), True)
    read: dict[str, list] = {}
    for topic, kind, _, data in found:
        if kind in kinds:  # vision_msgs comes with a distribution only
            message = serialization.deserialize_message(data, kinds[kind])
            assert len(serialization.serialize_message(message)) == len(data)  # what lies between fields is anything
            read.setdefault(topic, []).append(message)
    assert len(read) == len(OWN) - 1
    height, width = made_bags.HEIGHT, made_bags.WIDTH
    cloud = read["/points"][1]
    fields = [(field.name, field.offset, field.datatype, field.count) for field in cloud.fields]
    assert fields == [
        ("x", 0, 7, 1), ("y", 4, 7, 1), ("z", 8, 7, 1), ("rgb", 16, 7, 1), ("label", 20, 6, 1), ("confidence", 24, 7, 1)
    ]  # fmt: skip
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (height, width, 32, 32 * width)
    depth, color = read["/depth_registered/image_rect"][1], read["/semantic_color/image_raw"][1]
    assert (depth.encoding, depth.step, len(depth.data)) == ("32FC1", 4 * width, 4 * width * height)
    assert (color.encoding, color.step, len(color.data)) == ("rgb8", 3 * width, 3 * width * height)
    assert depth.header.stamp.nanosec == made_bags.PERIOD
    labels = np.frombuffer(bytes(read["/semantic/image_raw"][1].data), np.uint8)
    painted = np.frombuffer(bytes(color.data), np.uint8).reshape(-1, 3)
    np.testing.assert_array_equal(painted, NYU40.palette[labels])
    assert [item.id for item in read["/semantic/classes"][0].classes] == list(range(40))
    assert read["/stats"][0].stages[0].stage == "decode"
