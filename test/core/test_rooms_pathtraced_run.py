"""Rooms as they are rendered, with a program in Blender's place that dies, answers half, or goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from box_catalogue import make_catalogue

from cinet_core.rooms.pathtraced.artwork import Artwork
from cinet_core.rooms.pathtraced.catalogue import Catalogue
from cinet_core.rooms.pathtraced.furnish import furnished_room
from cinet_core.rooms.pathtraced.installation import Installation
from cinet_core.rooms.pathtraced.plan import RoomPlan
from cinet_core.rooms.pathtraced.run import RoomRenderSettings, Worker, WorkerError, render_rooms
from cinet_core.rooms.pathtraced.supports import ModelError

RENDERER = """#!{python}
import json, os, sys
import numpy as np
folder = sys.argv[5]
for line in sys.stdin:
    plan = json.loads(line)
    if plan["room"] == 1 and os.path.exists({broken!r}):
        print('{{"room": 1, "vi', end="", flush=True)
        sys.exit(9)
    file = os.path.join(folder, "view.npz")
    height, width = plan["height"], plan["width"]
    flat = np.ones((height, width))
    np.savez(file, light=np.ones((height, width, 3), np.float32), depth=flat, labels=flat.astype(np.uint8))
    print(json.dumps({{"room": plan["room"], "views": [{{"view": 0, "file": file}}]}}), flush=True)
"""
"""Stands for Blender: dies in the middle of its answer on room 1 while a file is there."""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return make_catalogue(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def artwork(tmp_path_factory: pytest.TempPathFactory) -> Artwork:
    return Artwork(tmp_path_factory.mktemp("artwork"))


@pytest.fixture
def renderer(catalogue: Catalogue, tmp_path: Path) -> Installation:
    found = Installation(tmp_path / "cache")
    found.python.parent.mkdir(parents=True)
    found.python.write_text(RENDERER.format(python=sys.executable, broken=str(tmp_path / "broken")))
    found.python.chmod(0o755)
    found.ready.touch()
    found.models.symlink_to(catalogue.root)
    return found


def test_rooms_lost_to_a_dead_renderer_are_tried_again(
    renderer: Installation, artwork: Artwork, tmp_path: Path
) -> None:
    (renderer.root / "artwork1").symlink_to(artwork.folder)
    settings, reports, output = RoomRenderSettings(5, 1, 16, 12, 1), [], tmp_path / "frames"

    def run() -> int:
        return render_rooms(output, range(3), settings, renderer, 1, lambda *counts: reports.append(counts))

    (tmp_path / "broken").touch()
    assert run() == 1
    assert run() == 1
    (tmp_path / "broken").unlink()
    assert run() == 0
    assert reports == [(1, 1), (0, 1), (1, 2), (0, 2), (0, 2), (0, 2), (0, 2), (1, 3), (0, 3)]
    rooms = [json.loads(line) for line in (output / "rooms.jsonl").read_text().splitlines()]
    assert [(room["room"], room.get("error")) for room in rooms] == [(0, None), (2, None), (1, None)]
    for key in {key for room in rooms for key in room["models"]}:
        assert f"| {key} |" in (output / "ATTRIBUTION.md").read_text()


def test_an_answer_that_breaks_off_is_a_death(
    renderer: Installation, catalogue: Catalogue, artwork: Artwork, tmp_path: Path
) -> None:
    plans = [furnished_room(room, 5, catalogue, artwork, 4) for room in range(2)]
    (tmp_path / "broken").touch()
    with Worker(renderer, 1, tmp_path / "log", tmp_path) as worker:
        assert worker.ask(plans[1]) == {"error": "Blender died with status 9"}
        assert worker.ask(plans[0])["room"] == 0
        for _ in range(2):
            worker.ask(plans[1])
        with pytest.raises(WorkerError, match="3 times in a row"):
            worker.ask(plans[1])


def test_a_room_with_a_damaged_model_fails_alone(
    renderer: Installation, artwork: Artwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (renderer.root / "artwork1").symlink_to(artwork.folder)

    def broken(room: int, *arguments: object) -> RoomPlan:
        if room == 0:
            raise ModelError("bookcase.obj is damaged")
        return furnished_room(room, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("cinet_core.rooms.pathtraced.run.furnished_room", broken)
    output = tmp_path / "frames"
    assert render_rooms(output, range(2), RoomRenderSettings(5, 1, 16, 12, 1), renderer, 1, lambda *_: None) == 1
    rooms = [json.loads(line) for line in (output / "rooms.jsonl").read_text().splitlines()]
    assert rooms[0]["error"] == "bookcase.obj is damaged"
    assert rooms[1]["frames"] == 1


def test_a_terminated_run_leaves_nothing_behind(renderer: Installation, artwork: Artwork, tmp_path: Path) -> None:
    (renderer.root / "artwork1").symlink_to(artwork.folder)
    scratch, output = tmp_path / "scratch", tmp_path / "frames"
    scratch.mkdir()
    command = [sys.executable, "-m", "cinet_core.cli", "data", "render", str(output), "--cache", str(renderer.root)]
    options = ["--rooms", "100000", "--views", "1", "--size", "16", "12"]
    with subprocess.Popen([*command, *options], env={**os.environ, "TMPDIR": str(scratch)}) as process:
        try:
            deadline = time.monotonic() + 60
            while not any(output.glob("*.jpg")):
                assert process.poll() is None
                assert time.monotonic() < deadline, "no frame was rendered"
                time.sleep(0.05)
            assert any(scratch.iterdir())
            process.terminate()
            assert process.wait(20) == 128 + signal.SIGTERM
        finally:
            process.kill()  # or leaving the block would wait for its last room
    assert not any(scratch.iterdir())
