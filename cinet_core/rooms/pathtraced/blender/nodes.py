"""Node trees of materials, written down shortly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bpy  # type: ignore[import-not-found]

from cinet_core.rooms.pathtraced.blender.noise import CELLS, noise_image
from cinet_core.rooms.pathtraced.plan import Color, Finish

METRES, FACE = "metres", "face"
"""Names of the texture coordinates of meshes.py."""


def linear(color: Color) -> tuple[float, float, float, float]:
    """SRGB to the linear RGBA that nodes take."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color)
    return r, g, b, 1.0


class Nodes:
    """A material's node tree while it is built.

    Args:
        name: of the material.
    """

    def __init__(self, name: str) -> None:
        """Start with a principled surface."""
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.surface = self.tree.nodes["Principled BSDF"]
        self.output = self.tree.nodes["Material Output"]

    def add(self, kind: str, inputs: Mapping[str, Any] | Mapping[int, Any] | None = None, **settings: Any) -> Any:
        """Add a node; ``inputs`` are values or sockets to link."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in settings.items():
            setattr(node, name, value)
        for key, value in (inputs or {}).items():
            self.set(node.inputs[key], value)
        return node

    def set(self, socket: Any, value: Any) -> None:
        """Give a socket a value, or link another socket to it."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value

    def put(self, **inputs: Any) -> None:
        """Set inputs of the principled surface; underscores stand for spaces."""
        for key, value in inputs.items():
            self.set(self.surface.inputs[key.replace("_", " ")], value)

    def coordinates(self, finish: Finish, scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Any:
        """Metres along the surface, moved by the finish's offset and scaled."""
        uv = self.add("UVMap", uv_map=METRES).outputs["UV"]
        inputs = {"Vector": uv, "Location": (*finish.offset, 0.0), "Scale": scale}
        return self.add("Mapping", inputs).outputs["Vector"]

    def noise(self, vector: Any, scale: float, rough: float = 0.6) -> Any:
        """Fractal noise, about 0.2 to 0.8, with features of 1 / scale and finer ones."""
        size = scale / CELLS
        moved = self.add("Mapping", {"Vector": vector, "Scale": (size, size, 1.0)}).outputs["Vector"]
        return self.add("TexImage", {"Vector": moved}, image=noise_image(rough)).outputs["Color"]

    def ramp(self, value: Any, low: float, high: float) -> Any:
        """0 below low, 1 above high."""
        inputs = {"Value": value, "From Min": low, "From Max": high}
        return self.add("MapRange", inputs).outputs["Result"]

    def mix(self, share: Any, a: Any, b: Any, blend: str = "MIX") -> Any:
        """Of two colours."""
        node = self.add("Mix", data_type="RGBA", blend_type=blend)
        for socket, value in ((node.inputs[0], share), (node.inputs[6], a), (node.inputs[7], b)):
            self.set(socket, value)
        return node.outputs[2]

    def bump(self, height: Any, strength: float, distance: float = 0.002) -> None:
        """Let the surface look uneven."""
        inputs = {"Height": height, "Strength": strength, "Distance": distance}
        self.put(Normal=self.add("Bump", inputs).outputs["Normal"])

    def shine(self, finish: Finish, color: Any) -> None:
        """Colour, roughness, glow."""
        self.put(Base_Color=color, Roughness=finish.roughness, Metallic=finish.metallic)
        if finish.glow > 0:
            self.put(Emission_Color=color, Emission_Strength=finish.glow)
            # what lights the room are lamps of its own beside these surfaces; to aim at both costs paths
            self.material.cycles.emission_sampling = "NONE"
