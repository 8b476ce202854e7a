"""Models of the catalogue as Blender meshes: read once a process, scaled, and coloured anew for every placement."""

from __future__ import annotations

import re
from typing import Any

import bpy  # type: ignore[import-not-found]
import mathutils  # type: ignore[import-not-found]

from cinet_core.rooms.pathtraced.plan import Placement

PARTS: tuple[tuple[str, int, str], ...] = (
    ("bed|sofa|chair", 18, r"pillow|cushion|coussin|oreiller|almohada|cojin"),
    ("bookshelf|shelves|cabinet", 23, r"book|livre|libro"),
)
"""Materials whose name says that they are a part of another class: on what, label, pattern."""

_LABELS = {4: "bed", 5: "chair", 6: "sofa", 10: "bookshelf", 15: "shelves", 3: "cabinet"}


class Models:
    """Meshes of models by id; the process keeps them."""

    def __init__(self) -> None:
        """Start without any."""
        self._meshes: dict[str, Any] = {}

    def place(self, placement: Placement) -> Any:
        """A new object in the scene: the placement's model with materials of its own.

        Raises:
            RuntimeError: its file cannot be read or holds no faces.
        """
        if placement.model not in self._meshes:
            self._meshes[placement.model] = _read(placement)
        mesh = self._meshes[placement.model]
        item = bpy.data.objects.new(placement.model, mesh)
        bpy.context.scene.collection.objects.link(item)
        scale = mathutils.Matrix.Diagonal((*placement.size, 1.0))
        turn = mathutils.Matrix.Rotation(placement.yaw, 4, "Z")
        item.matrix_world = mathutils.Matrix.Translation(placement.position) @ turn @ scale
        for slot in item.material_slots:
            base = slot.material
            slot.link = "OBJECT"
            slot.material = _coloured(base, placement)
        return item


def _read(placement: Placement) -> Any:
    """The model as one mesh in the unit frame: x -0.5 to 0.5, y 0 (back) to 1 (front), z 0 to 1."""
    before = set(bpy.data.objects)
    bpy.ops.wm.obj_import(filepath=placement.path, forward_axis="NEGATIVE_Z", up_axis="Y", validate_meshes=True)
    objects = [item for item in bpy.data.objects if item not in before]
    meshes = [item for item in objects if item.type == "MESH" and len(item.data.polygons)]
    if not meshes:
        raise RuntimeError(f"{placement.path} holds no faces: fetch the models again with `cinet data render --setup`")
    # the importer turns the file's axes (x right, y up, z to the viewer) by a rotation of the object
    file_to_frame = mathutils.Matrix(((-1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
    turned = file_to_frame @ mathutils.Matrix(placement.turn).to_4x4()
    for item in meshes:
        item.matrix_world = mathutils.Matrix.Identity(4)
        item.data.transform(turned)
    with bpy.context.temp_override(active_object=meshes[0], selected_editable_objects=meshes, object=meshes[0]):
        if len(meshes) > 1:
            bpy.ops.object.join()
    mesh = meshes[0].data
    corners = [vertex.co for vertex in mesh.vertices]
    low = [min(corner[axis] for corner in corners) for axis in range(3)]
    high = [max(corner[axis] for corner in corners) for axis in range(3)]
    middle = mathutils.Vector(((low[0] + high[0]) / 2, low[1], low[2]))
    spread = [max(high[axis] - low[axis], 1e-6) for axis in range(3)]
    fit = mathutils.Matrix.Diagonal((1 / spread[0], 1 / spread[1], 1 / spread[2], 1.0))
    mesh.transform(fit @ mathutils.Matrix.Translation(-middle))
    mesh.use_fake_user = True
    for item in [item for item in bpy.data.objects if item not in before]:
        bpy.data.objects.remove(item)
    for slot in mesh.materials:
        if slot is not None:
            slot.use_fake_user = True
            _repair(slot)
    return mesh


def _repair(material: Any) -> None:
    """Drop images that do not exist (they would be magenta), and let panes pass light."""
    if not material.use_nodes:
        return
    tree = material.node_tree
    for node in list(tree.nodes):
        if node.type == "TEX_IMAGE" and (node.image is None or (not node.image.has_data and not _loads(node.image))):
            tree.nodes.remove(node)
    surface = tree.nodes.get("Principled BSDF")
    if surface is not None:
        surface.inputs["Roughness"].default_value = max(0.12, surface.inputs["Roughness"].default_value)


def _loads(image: Any) -> bool:
    return image.size[0] > 0 and image.size[1] > 0


def _coloured(base: Any, placement: Placement) -> Any:
    """A copy of a material with the placement's colours and label."""
    material = base.copy() if base is not None else bpy.data.materials.new("plain")
    material.use_fake_user = False
    material.pass_index = _label(material.name, placement.label)
    surface = material.node_tree.nodes.get("Principled BSDF") if material.use_nodes else None
    if surface is None:
        return material
    tree, color = material.node_tree, surface.inputs["Base Color"]
    shift = tree.nodes.new("ShaderNodeHueSaturation")
    shift.inputs["Hue"].default_value = (0.5 + placement.hue) % 1.0
    shift.inputs["Saturation"].default_value = placement.saturation
    shift.inputs["Value"].default_value = placement.value
    if color.is_linked:
        tree.links.new(color.links[0].from_socket, shift.inputs["Color"])
    else:
        r, g, b, _ = color.default_value
        # nothing indoors is blacker than soot or whiter than fresh paint
        shift.inputs["Color"].default_value = (*(min(max(c, 0.012), 0.86) for c in (r, g, b)), 1.0)
    tree.links.new(shift.outputs["Color"], color)
    return material


def _label(name: str, label: int) -> int:
    on = _LABELS.get(label, "")
    for hosts, part, pattern in PARTS:
        if on in hosts.split("|") and re.search(pattern, name, re.IGNORECASE):
            return part
    return label
