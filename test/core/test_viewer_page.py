"""The viewer's parts that need no recording library: clouds, the page's relay, and what is said where it is missing."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from cinet_core.geometry import Intrinsics, project
from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.viewer import Recording, ViewerError, ViewerServer
from cinet_core.viewer.cloud import thinned_cloud
from cinet_core.viewer.page import Page

CAMERA = Intrinsics.from_fov(64, 48, 60.0)


def test_points_are_those_of_the_pixels_and_no_more_than_asked_for() -> None:
    depth = np.full((48, 64), 2.0, dtype=np.float32)
    labels = np.arange(48 * 64, dtype=np.int64).reshape(48, 64) % 40
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    depth[0, 0] = np.nan
    for most in (1, 7, 100, 48 * 64):
        points, classes, colors = thinned_cloud(depth, labels, image, CAMERA, most)
        assert len(points) == len(classes) == len(colors) <= most
        u, v = np.rint(project(points, CAMERA)).astype(int).T
        assert (classes == labels[v, u]).all()
        assert (colors == image[v, u]).all()
    assert len(points) == 48 * 64 - 1


def test_no_point_beside_a_depth_edge() -> None:
    depth = np.full((48, 64), 1.0, dtype=np.float32)
    depth[:, 32:] = 3.0
    cloud = thinned_cloud(depth, np.zeros((48, 64), np.uint8), np.zeros((48, 64, 3), np.uint8), CAMERA, depth.size)
    columns = set(np.rint(project(cloud.points, CAMERA)[:, 0]).astype(int))
    assert columns == set(range(64)) - {31, 32}


def test_clouds_of_wrong_sizes_are_refused() -> None:
    depth = np.ones((48, 64), dtype=np.float32)
    labels, image = np.zeros((48, 64), dtype=np.uint8), np.zeros((48, 64, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"labels are \(4, 4\)"):
        thinned_cloud(depth, labels[:4, :4], image, CAMERA, 10)
    with pytest.raises(ValueError, match="at least 1 point"):
        thinned_cloud(depth, labels, image, CAMERA, 0)


def test_without_the_library_one_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ViewerError, match=r"pip install 'cinet\[viewer\]'"):
        Recording(NYU40, address="rerun+http://127.0.0.1:1/proxy")
    with pytest.raises(ViewerError, match=r"pip install 'cinet\[viewer\]'"):
        ViewerServer()


class _Library(BaseHTTPRequestHandler):
    """In place of the library's web server: a page, and nothing else."""

    def do_GET(self) -> None:
        if self.path != "/":
            self.send_error(404)
            return
        content = b"<html>page</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def page() -> Iterator[tuple[int, HTTPServer]]:
    """Port of a page, and the server behind it."""
    library = HTTPServer(("127.0.0.1", 0), _Library)
    thread = threading.Thread(target=library.serve_forever)
    thread.start()
    source = f"http://127.0.0.1:{library.server_port}"
    served = Page("127.0.0.1", 0, source, "url=there", "http://127.0.0.1:9876")
    yield served.port, library
    served.close()
    library.shutdown()
    thread.join()
    library.server_close()


def ask(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse()


def test_the_page_may_talk_to_this_machine_only(page: tuple[int, HTTPServer]) -> None:
    answer = ask(page[0], "/?url=there")
    assert (answer.status, answer.read()) == (200, b"<html>page</html>")
    rules = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'self'"
    for sources in rules.values():
        for source in sources.split():
            assert source.startswith("'") or source in ("data:", "blob:", "http://127.0.0.1:9876"), source


def test_the_bare_address_leads_to_the_data(page: tuple[int, HTTPServer]) -> None:
    answer = ask(page[0], "/")
    assert (answer.status, answer.headers["Location"]) == (302, "/?url=there")


def test_what_is_not_there_and_a_library_that_has_ended(page: tuple[int, HTTPServer]) -> None:
    port, library = page
    assert ask(port, "/absent").status == 404
    library.shutdown()
    library.server_close()
    assert ask(port, "/?url=there").status == 502


def test_synthetic_poses_are_those_of_the_rendered_views() -> None:
    from cinet_core.data.frame_sources import SYNTHETIC_FRAMES
    from cinet_core.viewer.poses import source_poses

    poses = source_poses("synthetic")
    assert poses is not None
    assert poses.world_up == "z"
    rendered = SyntheticRoom(width=16, height=16).render(7, SYNTHETIC_FRAMES)
    np.testing.assert_array_equal(poses.of("synthetic_000007"), rendered.camera_to_world)


def test_sources_without_poses(tmp_path) -> None:
    from cinet_core.viewer.poses import source_poses

    assert source_poses(str(tmp_path)) is None
