"""A RoomPlan as a Blender scene."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import bpy  # type: ignore[import-not-found]
import mathutils  # type: ignore[import-not-found]
import numpy as np

from cinet_core.rooms.pathtraced.blender.finishes import material_of
from cinet_core.rooms.pathtraced.blender.models import Models
from cinet_core.rooms.pathtraced.blender.nodes import FACE, METRES
from cinet_core.rooms.pathtraced.meshes import coordinates, mesh_of
from cinet_core.rooms.pathtraced.plan import Piece, PlannedLight, PlannedView, RoomPlan

LABEL = "label"
"""Object property: label of the object as a whole, for rays that ask what they hit."""


def build(plan: RoomPlan, models: Models) -> None:
    """Put everything of the plan into the empty scene."""
    groups: dict[tuple[int, int, bool, bool], list[Piece]] = defaultdict(list)
    for piece in plan.pieces:
        smooth = piece.shape in ("ellipsoid", "cushion", "folds")
        groups[piece.finish, piece.label, piece.casts_shadow, smooth].append(piece)
    for (finish, label, casts_shadow, _), pieces in groups.items():
        item = _mesh_object(pieces)
        item.data.materials.append(material_of(plan.finishes[finish], label))
        item.visible_shadow = casts_shadow
        item[LABEL] = label
    for placement in plan.models:
        models.place(placement)[LABEL] = placement.label
    for light in plan.lights:
        _light(light)
    _sky(plan)


def clear() -> None:
    """Remove a plan's objects, materials and lamps; models' meshes stay."""
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    for collection in (bpy.data.meshes, bpy.data.materials, bpy.data.lights, bpy.data.cameras, bpy.data.images):
        for block in list(collection):
            if not block.users:
                collection.remove(block)


def camera_of(view: PlannedView, width: int, height: int) -> Any:
    """A Blender camera that looks as the view does, and the scene's from now on."""
    data = bpy.data.cameras.new("view")
    data.sensor_fit, data.sensor_width = "HORIZONTAL", 36.0
    data.lens = view.fx * 36.0 / width
    # pixel centres are whole numbers here, so that the middle of the image is (width - 1) / 2
    data.shift_x = ((width - 1) / 2 - view.cx) / width
    data.shift_y = (view.cy - (height - 1) / 2) / width
    data.clip_start, data.clip_end = 0.02, 100.0
    item = bpy.data.objects.new("view", data)
    item.matrix_world = mathutils.Matrix(view.pose) @ mathutils.Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))
    bpy.context.scene.collection.objects.link(item)
    bpy.context.scene.camera = item
    return item


def _mesh_object(pieces: list[Piece]) -> Any:
    """One object for many pieces of the same look."""
    vertices, faces, surface, printed = [], list[tuple[int, ...]](), [], []
    smooth: list[bool] = []
    start = 0
    for piece in pieces:
        mesh, turn = mesh_of(piece), np.array(piece.rotation)
        center = np.array(piece.center)
        metres, places = coordinates(mesh, np.array(piece.half), turn.T @ center)
        surface.append(metres)
        printed.append(places)
        faces += [tuple(start + number for number in face) for face in mesh.faces]
        smooth += [mesh.smooth] * len(mesh.faces)
        vertices.append(mesh.vertices @ turn.T + center)
        start += len(mesh.vertices)
    data = bpy.data.meshes.new("pieces")
    data.from_pydata(np.concatenate(vertices), [], faces)
    for name, values in ((METRES, surface), (FACE, printed)):
        layer = data.uv_layers.new(name=name)
        layer.data.foreach_set("uv", np.concatenate(values).astype(np.float32).ravel())
    data.polygons.foreach_set("use_smooth", smooth)
    data.update()
    item = bpy.data.objects.new("pieces", data)
    bpy.context.scene.collection.objects.link(item)
    return item


def _light(light: PlannedLight) -> None:
    data = bpy.data.lights.new(light.kind, light.kind.upper())
    data.energy, data.color = light.power, light.color
    if light.kind == "area":
        data.shape, data.size, data.size_y = "RECTANGLE", *light.size
    elif light.kind == "sun":
        data.angle = light.size[0]
    else:
        data.shadow_soft_size = light.size[0]
    item = bpy.data.objects.new(light.kind, data)
    item.location = light.position
    toward = mathutils.Vector(light.direction)
    if toward.length > 0:
        item.rotation_euler = toward.to_track_quat("-Z", "Z" if abs(toward.z) < 0.9 * toward.length else "Y").to_euler()
    item.visible_camera = False
    bpy.context.scene.collection.objects.link(item)


def _sky(plan: RoomPlan) -> None:
    world = bpy.context.scene.world or bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*plan.sky, 1.0)
    background.inputs["Strength"].default_value = 1.0
