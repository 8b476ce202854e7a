"""The viewer's page in a real browser: it shows the frames, and asks nobody else for anything."""

from __future__ import annotations

import io
import socket
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rerun", reason="the extra viewer (rerun-sdk) is not installed")
pytest.importorskip("aiohttp", reason="drives the browser; comes with the extra train")

from browser import chromium, visit  # test/support

from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.viewer import FrameTime, Recording, ViewerServer

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(chromium() is None, reason="needs Chromium (apt install chromium)"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_page_shows_the_frame_and_stays_on_this_machine() -> None:
    room = SyntheticRoom()
    with (
        ViewerServer(port=free_port(), data_port=free_port()) as server,
        Recording(NYU40, address=server.address) as recording,
    ):
        for number in range(3):
            view = room.render(number)
            frame_time = FrameTime(number, time.time_ns())
            recording.log_pose(frame_time, view.camera_to_world)
            recording.log_frame(frame_time, view.image, view.depth, view.labels, room.intrinsics)
        recording.flush()
        visited = visit(server.url)
    for address in visited.requested:
        if urlsplit(address).hostname != "127.0.0.1":
            assert address.startswith("https://fonts.googleapis.com/"), address  # its page asks, and is refused
            assert visited.refused >= 1
    image = np.asarray(Image.open(io.BytesIO(visited.screenshot)).convert("RGB"))
    for name in ("wall", "floor"):  # of the cloud, whose points are shaded a little
        color = NYU40.colors[NYU40.ids([name])[0]].astype(int)
        assert (np.abs(image.astype(int) - color).max(axis=2) < 12).sum() > 500, name
