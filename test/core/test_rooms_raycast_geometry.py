"""Depth and labels of the synthetic rooms against Open3D's ray casting of the same solids as triangle meshes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cinet_core.geometry import Intrinsics
from cinet_core.rooms.raycast import PLAIN_SENSOR, PosedCamera, SyntheticRooms, render
from cinet_core.rooms.raycast.camera import clearance, look
from cinet_core.rooms.raycast.intersection import CROSSINGS
from cinet_core.rooms.raycast.primitives import (
    Light,
    Material,
    Parts,
    Pattern,
    Primitive,
    Scene,
    Shape,
    rotation_x,
    rotation_y,
    rotation_z,
)

GREY = Material(Pattern.PLAIN, (0.5, 0.5, 0.5))


def mesh_of(solid: Primitive):
    """A triangle mesh of a solid, round ones finely divided."""
    o3d = pytest.importorskip("open3d")
    if solid.kind == Shape.BOX:
        mesh = o3d.geometry.TriangleMesh.create_box(2, 2, 2).translate((-1, -1, -1))
    elif solid.kind == Shape.ELLIPSOID:
        mesh = o3d.geometry.TriangleMesh.create_sphere(1.0, 80)
    else:
        mesh = o3d.geometry.TriangleMesh.create_cylinder(1.0, 2.0, 160, 1)
    vertices = np.asarray(mesh.vertices) * solid.half @ solid.rotation.T + solid.center
    return vertices.astype(np.float32), np.asarray(mesh.triangles).astype(np.uint32)


def open3d_view(scene: Scene, camera: PosedCamera) -> tuple[np.ndarray, np.ndarray]:
    """z-depth and labels, from rays built with K and the pose as every user would."""
    o3d = pytest.importorskip("open3d")
    world = o3d.t.geometry.RaycastingScene()
    labels = {world.add_triangles(*mesh_of(solid)): solid.label for solid in scene.primitives}
    table = np.full(max(labels) + 2, 255)
    table[list(labels)] = list(labels.values())
    k = camera.intrinsics
    v, u = np.mgrid[: k.height, : k.width]
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1)
    rays = pixels @ np.linalg.inv(k.matrix()).T @ camera.camera_to_world[:3, :3].T
    origins = np.broadcast_to(camera.camera_to_world[:3, 3], rays.shape)
    answer = world.cast_rays(o3d.core.Tensor(np.concatenate([origins, rays], axis=-1).astype(np.float32)))
    depth, number = answer["t_hit"].numpy(), answer["geometry_ids"].numpy()
    return depth, table[np.where(number == world.INVALID_ID, table.size - 1, number)]


@pytest.mark.parametrize("seed", range(4))
def test_rooms_agree_with_open3d(seed: int) -> None:
    rooms = SyntheticRooms(3, seed=100 + seed, width=160, height=120, sensor=PLAIN_SENSOR, shadows=False)
    views = [rooms.view(index) for index in range(3)]
    rendering = rooms.render_views(views)
    for number, view in enumerate(views):
        depth, labels = open3d_view(view.scene, view.camera)
        error = np.abs(rendering.depth[number].numpy() - np.where(np.isinf(depth), 0.0, depth))
        assert (error <= 0.002).mean() >= 0.999
        assert (rendering.labels[number].numpy() == labels).mean() >= 0.995


def test_odd_sizes_and_solids_behind_the_camera() -> None:
    parts = Parts()
    parts.box((-3, -3, -0.1), (3, 3, 0), 1, GREY)
    parts.box((0.2, 0.5, 0.1), (0.9, 1.1, 0.8), 2, GREY, rotation_z(0.6) @ rotation_x(0.3))
    parts.ellipsoid((-0.4, 1.4, 0.5), (0.4, 0.2, 0.3), 3, GREY, rotation_y(0.7))
    parts.cylinder((0.1, 2.2, 0.6), 0.3, 1.2, 4, GREY, rotation_x(1.2))
    parts.ellipsoid((0.0, -1.0, 0.8), (0.5, 0.5, 0.5), 5, GREY)
    scene = Scene(tuple(parts.solids), (), (0.3, 0.3, 0.3), (3.0, 3.0, 3.0))
    camera = PosedCamera(Intrinsics(70.0, 78.0, 51.5, 33.0, 101, 67), look(np.array([0.0, 0.0, 0.9]), 1.5, -0.4, 0.1))
    rendering = render([scene], [camera], [0])
    depth, labels = open3d_view(scene, camera)
    assert rendering.images.shape == (1, 3, 67, 101)
    np.testing.assert_array_equal(rendering.labels[0] == 255, np.isinf(depth))
    assert (rendering.depth[0][rendering.labels[0] == 255] == 0).all()
    error = np.abs(rendering.depth[0].numpy() - np.where(np.isinf(depth), 0.0, depth))
    assert (error <= 0.002).mean() >= 0.999
    assert set(np.unique(labels)) == {1, 2, 3, 4, 255}
    assert (rendering.labels[0].numpy() == labels).mean() >= 0.995


@pytest.mark.parametrize("kind", Shape)
def test_crossings_lie_on_the_surface(kind: Shape) -> None:
    generator = torch.Generator().manual_seed(3)
    origin = torch.randn(3, 20000, generator=generator) * 3
    direction = torch.randn(3, 20000, generator=generator)
    enter, leave = CROSSINGS[kind](tuple(origin), tuple(direction))
    met = enter <= leave
    measure = {
        Shape.BOX: lambda p: p.abs().amax(0),
        Shape.ELLIPSOID: lambda p: p.norm(dim=0),
        Shape.CYLINDER: lambda p: torch.maximum(p[2].abs(), p[:2].norm(dim=0)),
    }[kind]
    for t in (enter, leave):
        surface = measure((origin + t * direction)[:, met])
        assert (surface - 1).abs().max() < 1e-3
    middle = measure((origin - (origin * direction).sum(0) / direction.square().sum(0) * direction)[:, ~met])
    assert 0.01 < met.float().mean() < 0.5
    if kind == Shape.ELLIPSOID:  # of the others the nearest point may lie outside although the line meets them
        assert (middle > 1 - 1e-4).all()


@pytest.mark.parametrize("axis", range(3))
def test_lines_along_an_axis_meet_what_they_should(axis: int) -> None:
    direction, beside = torch.zeros(3, 1), torch.full((3, 1), 0.3)
    direction[axis] = 1.0
    beside[axis] = -4.0
    far = beside.clone()
    far[(axis + 1) % 3] = 1.5
    for cross in CROSSINGS.values():
        enter, leave = cross(tuple(beside), tuple(direction))
        assert bool(enter <= leave)
        assert 3.0 <= float(enter) <= 3.2
        enter, leave = cross(tuple(far), tuple(direction))
        assert not bool(enter <= leave)


def test_cameras_stand_in_free_space_and_see_something() -> None:
    rooms = SyntheticRooms(24, seed=11, width=64, height=48, shadows=False)
    views = [rooms.view(index) for index in range(24)]
    medians = rooms.render_views(views).depth.flatten(1).median(1).values
    assert bool(((medians > 0.7) & (medians < 5.0)).all())
    for view in views:
        position = view.camera.camera_to_world[:3, 3]
        assert clearance(view.scene, position) >= 0.25
        assert 0.25 <= position[2] <= 1.8
        pitch = np.degrees(np.arcsin(view.camera.camera_to_world[2, 2]))
        assert -45.01 <= pitch <= 10.01


def test_a_solid_before_the_light_casts_a_shadow_of_the_right_place() -> None:
    parts = Parts()
    parts.box((-2, -2, -0.1), (2, 2, 0), 1, GREY)
    parts.box((-0.25, -0.25, 0.9), (0.25, 0.25, 1.1), 2, GREY)
    light = Light((0.0, 0.0, 2.0), (8.0, 8.0, 8.0), radius=0.01)
    scene = Scene(tuple(parts.solids), (light,), (0.02, 0.02, 0.02), (2.0, 2.0, 3.0))
    camera = PosedCamera(Intrinsics.from_fov(120, 90, 70.0), look(np.array([0.0, -2.5, 1.6]), np.pi / 2, -0.55, 0.0))
    rendering = render([scene], [camera], [0], PLAIN_SENSOR)
    depth, labels = rendering.depth[0].numpy(), rendering.labels[0].numpy()
    k = camera.intrinsics
    v, u = np.mgrid[: k.height, : k.width]
    rays = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones(u.shape)], -1) @ camera.camera_to_world[:3, :3].T
    points = camera.camera_to_world[:3, 3] + depth[..., None] * rays
    # Below, the box's lower rim reaches farthest: 0.25 m at height 0.9 under a light at 2 m gives 0.4545 m; its upper
    # rim 0.25 * 2 / 0.9 = 0.5556 m.
    reach = np.abs(points[..., :2]).max(-1)
    brightness = rendering.images[0].float().mean(0).numpy()
    floor = labels == 1
    dark, bright = brightness[floor & (reach < 0.38)], brightness[floor & (reach > 0.7) & (reach < 1.0)]
    assert len(dark) > 50
    assert np.percentile(dark, 95) < 0.6 * np.percentile(bright, 5)


def test_a_mirror_shows_what_is_behind_the_camera_and_has_its_own_depth() -> None:
    red = Material(Pattern.PLAIN, (0.9, 0.05, 0.05))
    parts = Parts()
    parts.box((-2, 2.0, -2), (2, 2.1, 2), 18, Material(Pattern.MIRROR, (0.9, 0.9, 0.9)))
    parts.box((-6, -2.1, -6), (0, -2.0, 6), 28, red)  # behind the camera, to its left
    parts.box((0, -2.1, -6), (6, -2.0, 6), 0, GREY)
    scene = Scene(tuple(parts.solids), (), (1.0, 1.0, 1.0), (4.0, 4.0, 4.0))
    camera = PosedCamera(Intrinsics.from_fov(80, 60, 60.0), look(np.zeros(3), np.pi / 2, 0.0, 0.0))
    rendering = render([scene], [camera], [0], PLAIN_SENSOR)
    image = rendering.images[0].int()
    assert (rendering.labels == 18).all()
    np.testing.assert_allclose(rendering.depth.numpy(), 2.0, atol=1e-4)
    redness = image[0] - image[1]
    assert int(redness[:, :38].min()) > 50  # left stays left in a mirror
    assert int(redness[:, 42:].abs().max()) < 10


def test_a_scene_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="0 solids"):
        Scene((), (), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    rooms, wide = SyntheticRooms(1, width=32, height=24), SyntheticRooms(1, width=64, height=24)
    with pytest.raises(ValueError, match="one size"):
        rooms.render_views([rooms.view(0), wide.view(0)])
