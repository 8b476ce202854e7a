"""Recordings and the live viewer, with the real library: what was recorded is read back with its own reader."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("rerun", reason="the extra viewer (rerun-sdk) is not installed")

from recorded import Recorded  # test/support

from cinet_core.cli import main
from cinet_core.geometry import Intrinsics, project
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.viewer import FrameTime, Recording, ViewerError, ViewerServer

WIDTH, HEIGHT, FRAMES = 64, 48, 3
CAMERA = Intrinsics.from_fov(WIDTH, HEIGHT, 60.0)
START = 1_700_000_000_000_000_000
STEP = 66_666_667  # nanoseconds, no multiple of a microsecond


def image_of(number: int) -> np.ndarray:
    """One colour, which JPEG keeps."""
    return np.full((HEIGHT, WIDTH, 3), (40 * number, 100, 200), dtype=np.uint8)


def depth_of(number: int) -> np.ndarray:
    depth = np.full((HEIGHT, WIDTH), 1.0 + number, dtype=np.float32)
    depth[:8] = np.nan
    return depth


def labels_of(number: int) -> np.ndarray:
    labels = np.full((HEIGHT, WIDTH), number, dtype=np.uint8)
    labels[-1] = UNLABELLED
    return labels


def pose_of(number: int) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = (number, 0.5, 0.0)
    return pose


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Three frames with their poses and a map, as they are read back."""
    path = tmp_path_factory.mktemp("recording") / "walk.rrd"
    with Recording(NYU40, file=path, about="# a walk", dated=True, cloud_points=500, cloud_color="camera") as recording:
        for number in range(FRAMES):
            frame_time = FrameTime(number, START + number * STEP)
            recording.log_pose(frame_time, pose_of(number))
            recording.log_frame(frame_time, image_of(number), depth_of(number), labels_of(number), CAMERA)
            recording.log_milliseconds(frame_time, {"network": 0.25, "latency": math.nan})
            recording.log_hertz(frame_time, {"out": 4.0})
        recording.log_map(frame_time, np.arange(12.0).reshape(4, 3), np.array([0, 1, 2, 255]), 0.01)
    return Recorded(path)


def test_entities_are_where_the_layout_looks_for_them(recorded: Recorded) -> None:
    assert recorded.entities >= {
        f"/{path}"
        for path in (
            *("world", "world/camera", "world/camera/image", "world/camera/cloud", "world/map", "world/trajectory"),
            *(f"world/camera/image/{name}" for name in ("rgb", "labels", "depth")),
            *("legend", "about", "milliseconds/network", "hertz/out"),
        )
    }
    assert "/milliseconds/latency" not in recorded.entities, "a latency that is not known is no point of the plot"


def test_everything_of_a_frame_has_its_exact_stamp(recorded: Recorded) -> None:
    assert str(recorded.clocks["stamp"]) == "timestamp[ns]"
    stamps = [START + number * STEP for number in range(FRAMES)]
    for name in (
        "camera",
        "camera/image",
        "camera/image/rgb",
        "camera/image/labels",
        "camera/image/depth",
        "camera/cloud",
    ):
        rows = sorted(recorded.rows[f"/world/{name}"], key=lambda row: row["frame"])
        assert [(row["frame"], row["stamp"]) for row in rows] == list(enumerate(stamps)), name


def test_images_are_the_given_ones(recorded: Recorded) -> None:
    photographs = recorded.photographs("/world/camera/image/rgb")
    for number, photograph in enumerate(photographs):
        assert np.abs(photograph.astype(int) - image_of(number)).max() <= 3
    labels = recorded.images("/world/camera/image/labels", "SegmentationImage", "u1")
    depths = recorded.images("/world/camera/image/depth", "DepthImage", "<f2")
    assert len(photographs) == len(labels) == len(depths) == FRAMES
    for number in range(FRAMES):
        np.testing.assert_array_equal(labels[number], labels_of(number))
        np.testing.assert_array_equal(depths[number], depth_of(number))
    (matrix,) = recorded.values("/world/camera/image", "Pinhole:image_from_camera")[0]
    np.testing.assert_allclose(np.reshape(matrix, (3, 3)).T, CAMERA.matrix(), rtol=1e-6)


def test_a_colour_soon_stands_for_one_depth(recorded: Recorded) -> None:
    ranges = [value[0] for value in recorded.values("/world/camera/image/depth", "DepthImage:depth_range")]
    assert [near for near, _ in ranges] == [1.0] * FRAMES
    assert ranges[-1][1] == pytest.approx(3.1)


def test_the_cloud_is_the_frame_unprojected(recorded: Recorded) -> None:
    clouds = recorded.values("/world/camera/cloud", "Points3D:positions")
    classes = recorded.values("/world/camera/cloud", "Points3D:class_ids")
    for number in range(FRAMES):
        points = np.array(clouds[number])
        assert 250 < len(points) == len(classes[number]) <= 500
        u, v = np.rint(project(points, CAMERA)).astype(int).T
        np.testing.assert_allclose(points[:, 2], depth_of(number)[v, u])
        np.testing.assert_array_equal(classes[number], labels_of(number)[v, u])
        assert set(recorded.values("/world/camera/cloud", "Points3D:colors")[number]) == {packed(40 * number, 100, 200)}


def test_map_poses_and_the_way_between_them(recorded: Recorded) -> None:
    (positions,) = recorded.values("/world/map", "Points3D:positions")
    np.testing.assert_array_equal(positions, np.arange(12.0).reshape(4, 3))
    assert recorded.values("/world/map", "Points3D:class_ids") == [[0, 1, 2, UNLABELLED]]
    places = [value[0] for value in recorded.values("/world/camera", "Transform3D:translation")]
    np.testing.assert_array_equal(places, [pose_of(number)[:3, 3] for number in range(FRAMES)])
    pieces = [value[0] for value in recorded.values("/world/trajectory", "LineStrips3D:strips")]
    np.testing.assert_array_equal(pieces, [places[:2], places[1:]])


def test_classes_have_their_names_and_colours(recorded: Recorded) -> None:
    (context,) = recorded.values("/", "AnnotationContext:context")
    told = {entry["class_id"]: entry["class_description"]["info"] for entry in context[0]}
    assert set(told) == {*range(40), UNLABELLED}
    for number, (name, color) in enumerate(zip(NYU40.classes, NYU40.colors.tolist(), strict=True)):
        assert (told[number]["label"], told[number]["color"]) == (name, packed(*color))


def packed(red: int, green: int, blue: int) -> int:
    """An opaque colour as the library keeps it."""
    return red << 24 | green << 16 | blue << 8 | 255


def test_plots_and_text(recorded: Recorded) -> None:
    assert recorded.values("/milliseconds/network", "Scalars:scalars") == [[250.0]] * FRAMES
    assert recorded.values("/hertz/out", "Scalars:scalars") == [[4.0]] * FRAMES
    assert recorded.values("/about", "TextDocument:text") == [["# a walk"]]


def test_without_a_clock_there_are_only_frame_numbers_and_without_a_camera_no_cloud(tmp_path: Path) -> None:
    path = tmp_path / "still.rrd"
    with Recording(NYU40, file=path) as recording:
        recording.log_frame(FrameTime(4), image_of(0), depth_of(0), labels_of(0), None)
    recorded = Recorded(path)
    assert "stamp" not in recorded.clocks
    assert [row["frame"] for row in recorded.rows["/world/camera/image/rgb"]] == [4]
    assert not recorded.entities & {"/world/camera/cloud", "/world/camera/image"}


def test_a_file_that_was_ended_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "short.rrd"
    with Recording(NYU40, file=path) as recording:
        recording.log_hertz(FrameTime(0), {"in": 1.0})
        recording.end_file()
        size = path.stat().st_size
        recording.log_frame(FrameTime(1), image_of(0), depth_of(0), labels_of(0), None)
    assert path.stat().st_size == size
    assert recorded_rates(path) == [[1.0]]


def recorded_rates(path: Path) -> list[list[float]]:
    return Recorded(path).values("/hertz/in", "Scalars:scalars")


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ViewerError, match="needs a file, a live viewer, or both"):
        Recording(NYU40)
    with pytest.raises(ViewerError, match="cannot be written"):
        Recording(NYU40, file=tmp_path / "absent" / "walk.rrd")
    with Recording(NYU40, file=tmp_path / "walk.rrd") as recording:
        with pytest.raises(ValueError, match="one size is needed"):
            recording.log_frame(FrameTime(0), image_of(0), depth_of(0)[1:], labels_of(0), None)
        with pytest.raises(ValueError, match=r"must be \(4, 4\) and finite"):
            recording.log_pose(FrameTime(0), np.full((4, 4), np.nan))


@pytest.fixture(scope="module")
def server() -> Iterator[ViewerServer]:
    with ViewerServer(port=free_port(), data_port=free_port(), memory_limit="64MiB") as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_live_viewer_stays_on_this_machine_and_reports_nothing(server: ViewerServer) -> None:
    with Recording(NYU40, address=server.address) as recording:
        recording.log_frame(FrameTime(0), image_of(0), depth_of(0), labels_of(0), CAMERA)
        recording.flush()
        with urllib.request.urlopen(f"{server.url}re_viewer_bg.wasm") as answer:
            assert "connect-src 'self' http://127.0.0.1:" in answer.headers["Content-Security-Policy"]
            assert len(answer.read()) > 1_000_000
        with urllib.request.urlopen(server.url) as answer:  # is led to the page with its data
            assert f"url={urllib.parse.quote(server.address, safe='')}" in answer.url
        process = psutil.Process(server.pid)
        told = process.environ()
        assert (told["CI"], told["XDG_CONFIG_HOME"]) == ("true", str(server.folder))
        connections = process.net_connections()
        assert len([one for one in connections if one.status == psutil.CONN_LISTEN]) == 2
        for one in connections:
            assert one.laddr.ip == "127.0.0.1"
            assert not one.raddr or one.raddr.ip == "127.0.0.1"
    # the library writes what it would send here, and does so for every page that it serves unless it is told not to
    assert [path.name for path in (server.folder / "rerun").iterdir()] == ["analytics.json"]


def test_a_port_that_is_taken(server: ViewerServer) -> None:
    taken = urllib.parse.urlsplit(server.url).port
    assert taken is not None
    with pytest.raises(ViewerError, match=f"127.0.0.1:{taken} cannot be listened at .* give another port"):
        ViewerServer(port=taken, data_port=free_port())


def test_a_host_that_is_no_address_of_this_machine() -> None:
    with pytest.raises(ViewerError, match=r"host is '0\.0\.0\.0'"):
        ViewerServer("0.0.0.0", free_port(), free_port())
    with pytest.raises(ViewerError, match="cannot be listened at"):
        ViewerServer("192.0.2.1", free_port(), free_port())


def test_the_server_ends_with_its_owner() -> None:
    server = ViewerServer(port=free_port(), data_port=free_port())
    assert server.running
    process = psutil.Process(server.pid)
    server.close()
    server.close()
    assert not process.is_running()
    assert not server.folder.exists()


FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from cinet_core.label_sets import NYU40
from cinet_core.viewer import FrameTime, Recording, UnfinishedError
from cinet_core.viewer import recording as module
module.FLUSH_TIMEOUT = 0.5
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
recording = Recording(NYU40, file=Path(sys.argv[1]))
recording.log_frame(FrameTime(0), noise, np.ones((480, 640), np.float32), noise[..., 0] % 40, None)
try:
    recording.close()
except UnfinishedError as error:
    print(error, flush=True)
    os._exit(1)
"""


def test_a_disk_that_is_full_is_said_and_holds_nothing_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "walk.rrd")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "is the disk full?" in done.stdout


def test_a_server_that_dies_is_said_and_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "walk.rrd"
    with ViewerServer(port=free_port(), data_port=free_port()) as server:
        recording = Recording(NYU40, file=path, address=server.address)
        recording.log_hertz(FrameTime(0), {"in": 1.0})
        recording.flush()
        process = psutil.Process(server.pid)
        process.kill()
        psutil.wait_procs([process], timeout=10)
        assert not server.running
        recording.log_hertz(FrameTime(1), {"in": 2.0})
        with pytest.raises(ViewerError, match="the live viewer is gone"):
            recording.close()
    assert recorded_rates(path) == [[1.0], [2.0]]


def test_cinet_view_records_a_source_with_its_poses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "walk.rrd"
    given = ["synthetic", "--device", "cpu", "--limit", "2", "--every", "5", "--save", str(path)]
    assert main(["view", *given]) == 0
    told = capsys.readouterr().out
    assert "2 frames recorded" in told
    assert f"rerun {path}" in told
    recorded = Recorded(path)
    assert str(recorded.clocks["stamp"]) == "duration[ns]"
    rows = sorted(recorded.rows["/world/camera/image/rgb"], key=lambda row: row["frame"])
    assert [(row["frame"], row["stamp"]) for row in rows] == [(0, 0), (1, round(5 / 15 * 1e9))]
    assert len(recorded.rows["/world/trajectory"]) == 1
    maps = [np.array(points) for points in recorded.values("/world/map", "Points3D:positions")]
    assert len(maps) == 2, "one after the first frame, one at the end"
    assert all(len(points) > 100 for points in maps)
    assert "classes: nyu40" in recorded.values("/about", "TextDocument:text")[0][0]


def test_cinet_view_says_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["absent.mp4"], ["synthetic", "--config", "lite"], ["synthetic", "--weights", "absent"]):
        assert main(["view", *wrong, "--save", str(tmp_path / "x.rrd")]) == 2
        assert capsys.readouterr().err.startswith("cinet view: ")
