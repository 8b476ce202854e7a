"""What Blender makes of a plan; skipped where `cinet data render --setup` has not been run."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinet_core.rooms.pathtraced.catalogue import Catalogue
from cinet_core.rooms.pathtraced.installation import Installation, InstallationError
from cinet_core.rooms.pathtraced.plan import Finish, Piece, PlannedLight, PlannedView, RoomPlan
from cinet_core.rooms.pathtraced.run import RoomRenderSettings, Worker, render_rooms

WIDTH, HEIGHT, FOCAL = 80, 60, 70.0
WALL, FLOOR, CABINET, CEILING = 1, 2, 3, 22


@pytest.fixture
def installation() -> Installation:
    found = Installation.default()
    try:
        found.check()
    except InstallationError as error:
        pytest.skip(str(error))
    return found


def room() -> RoomPlan:
    """4 x 4 x 2.6 m with a cabinet before the far wall; the camera looks down and is rolled and off centre."""
    finishes = (Finish("planks"), Finish("paint"), Finish("tiles", roughness=0.2), Finish("wood"))
    pieces = (
        Piece("box", (2, 2, -0.05), (2.2, 2.2, 0.05), FLOOR, 0),
        Piece("box", (2, 4.1, 1.3), (2.2, 0.1, 1.4), WALL, 1),
        Piece("box", (-0.1, 2, 1.3), (0.1, 2.2, 1.4), WALL, 1),
        Piece("box", (4.1, 2, 1.3), (0.1, 2.2, 1.4), WALL, 2),
        Piece("box", (2, -0.1, 1.3), (2.2, 0.1, 1.4), WALL, 1),
        Piece("box", (2, 2, 2.65), (2.2, 2.2, 0.05), CEILING, 1),
        Piece("box", (2, 3, 0.4), (0.5, 0.3, 0.4), CABINET, 3),
    )
    forward = np.array([0.1, 1.0, -0.35])
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.05, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(forward, right), forward, (1.9, 0.4, 1.4)
    view = PlannedView(FOCAL, 37.0, 31.5, tuple(tuple(row) for row in pose.tolist()))
    lamp = PlannedLight("area", (2, 2, 2.5), (0, 0, -1), (0.5, 0.5), 60, (1, 0.9, 0.8))
    return RoomPlan(0, "test", finishes, pieces, (), (lamp,), (0.1, 0.1, 0.1), (view,), 1, WIDTH, HEIGHT, 4)


def unproject(depth: np.ndarray, view: PlannedView) -> np.ndarray:
    """(H, W, 3) world points, if depth runs along the camera's z."""
    u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    rays = np.stack([(u - view.cx) / view.fx, (v - view.cy) / view.fx, np.ones_like(u)], axis=-1)
    pose = np.array(view.pose)
    return (rays * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]


def test_depth_and_labels_are_where_the_plan_has_them(installation: Installation, tmp_path: Path) -> None:
    plan = room()
    with Worker(installation, 1, tmp_path / "log", tmp_path) as worker:
        answer = worker.ask(plan)
        broken = worker.ask(
            RoomPlan(1, "x", (), (Piece("torus", (0, 0, 0), (1, 1, 1), 1, 0),), (), (), (0, 0, 0), (), 1)
        )
    assert "torus" in broken["error"]
    (view,) = answer["views"]
    with np.load(view["file"]) as traced:
        light, depth, labels = traced["light"], traced["depth"], traced["labels"]
    assert set(np.unique(labels)) == {WALL, FLOOR, CABINET}
    points = unproject(depth, plan.views[0])
    assert np.abs(points[labels == FLOOR][:, 2]).max() < 1e-3
    cabinet = points[labels == CABINET]
    assert (np.abs(cabinet - (2, 3, 0.4)) < np.array((0.5, 0.3, 0.4)) + 1e-3).all()
    walls = points[labels == WALL]
    off = np.stack([np.abs(walls[:, 1] - 4), np.abs(walls[:, 0]), np.abs(walls[:, 0] - 4)]).min(axis=0)
    assert off.max() < 1e-3
    assert np.isfinite(light).all()
    assert light.mean() > 0.01


def test_rooms_are_rendered_and_kept(installation: Installation, tmp_path: Path) -> None:
    settings, reports = RoomRenderSettings(1, 1, 48, 36, 1), []
    for _ in range(2):
        failed = render_rooms(tmp_path, range(2), settings, installation, 1, lambda *counts: reports.append(counts))
        assert failed == 0
    lines = [json.loads(line) for line in (tmp_path / "frames.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == ["00000_00", "00001_00"]
    assert reports == [(1, 1), (1, 2), (0, 2), (0, 2)]
    for line in lines:
        image = cv2.imread(str(tmp_path / f"{line['frame']}.jpg"))
        assert image.shape == (36, 48, 3)
        assert image.std() > 5
    rooms = [json.loads(line) for line in (tmp_path / "rooms.jsonl").read_text().splitlines()]
    used = {key for room in rooms for key in room["models"]}
    assert used
    models, table = Catalogue(installation.models).models, (tmp_path / "ATTRIBUTION.md").read_text()
    for key in used:
        assert f"| {key} | {models[key].name} | {models[key].creator} | {models[key].licence} |" in table
