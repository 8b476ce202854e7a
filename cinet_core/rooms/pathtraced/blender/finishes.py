"""Materials: a node tree for every kind of finish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy  # type: ignore[import-not-found]

from cinet_core.rooms.pathtraced.blender.nodes import FACE, Nodes, linear
from cinet_core.rooms.pathtraced.plan import Finish


def material_of(finish: Finish, label: int) -> Any:
    """A material whose pass index is the label.

    Raises:
        ValueError: there is no such kind of finish.
    """
    if finish.kind not in _KINDS:
        raise ValueError(f"a finish of kind {finish.kind!r}: kinds are {', '.join(_KINDS)}")
    nodes = Nodes(finish.kind)
    _KINDS[finish.kind](nodes, finish)
    nodes.material.pass_index = label
    return nodes.material


def _paint(nodes: Nodes, finish: Finish) -> None:
    where = nodes.coordinates(finish)
    stain = nodes.ramp(nodes.noise(where, 1.3), 0.3, 0.7)
    darker = tuple(c * 0.93 for c in linear(finish.color)[:3])
    nodes.shine(finish, nodes.mix(stain, linear(finish.color), (*darker, 1.0)))


def _grain(nodes: Nodes, finish: Finish, where: Any) -> Any:
    """Colour of wood whose fibres run along the first coordinate."""
    stretched = nodes.add("Mapping", {"Vector": where, "Scale": (0.7, 9.0, 1.0)}).outputs["Vector"]
    rings = nodes.noise(stretched, 0.28 / max(finish.period, 0.01))
    fibre = nodes.noise(nodes.add("Mapping", {"Vector": where, "Scale": (3.0, 160.0, 1.0)}).outputs["Vector"], 1.0)
    broad = nodes.mix(nodes.ramp(rings, 0.32, 0.68), linear(finish.color), linear(finish.accent))
    return nodes.mix(nodes.ramp(fibre, 0.35, 0.9), broad, linear(finish.accent))


def _wood(nodes: Nodes, finish: Finish) -> None:
    nodes.shine(finish, _grain(nodes, finish, nodes.coordinates(finish)))


def _cells(nodes: Nodes, finish: Finish, size: tuple[float, float], shift: float, joint: float) -> Any:
    """A brick node with cells of this size, metres, whose colours lie around the finish's."""
    a = linear(finish.color)
    b = (*(c * 0.72 for c in a[:3]), 1.0)
    inputs = {
        "Vector": nodes.coordinates(finish),
        "Color1": a,
        "Color2": b,
        "Mortar": linear(finish.accent),
        "Scale": 1.0,
        "Mortar Size": joint,
        "Mortar Smooth": 0.2,
        "Bias": -0.3,
        "Brick Width": size[0],
        "Row Height": size[1],
    }
    return nodes.add("TexBrick", inputs, offset=shift, offset_frequency=2, squash=1.0)


def _planks(nodes: Nodes, finish: Finish) -> None:
    cells = _cells(nodes, finish, (finish.period * 8, finish.period), 0.37, 0.0012)
    # every plank gets its own piece of grain: its colour shifts where the grain is looked up
    moved = nodes.add("VectorMath", {0: nodes.coordinates(finish), 1: cells.outputs["Color"]}, operation="ADD")
    grain = _grain(nodes, finish, moved.outputs["Vector"])
    tone = nodes.mix(0.55, grain, cells.outputs["Color"])
    nodes.shine(finish, nodes.mix(cells.outputs["Fac"], tone, (0.02, 0.015, 0.01, 1.0)))


def _tiles(nodes: Nodes, finish: Finish) -> None:
    cells = _cells(nodes, finish, (finish.period, finish.period), 0.0, 0.0022)
    cells.inputs["Bias"].default_value = -0.75
    cloud = nodes.ramp(nodes.noise(nodes.coordinates(finish), 5.0), 0.25, 0.8)
    nodes.shine(finish, nodes.mix(cloud, cells.outputs["Color"], linear(finish.color)))
    nodes.put(Roughness=nodes.ramp(cells.outputs["Fac"], -0.2, 1.0 - finish.roughness + 0.3))
    nodes.bump(cells.outputs["Fac"], -0.6)


def _brick(nodes: Nodes, finish: Finish) -> None:
    cells = _cells(nodes, finish, (finish.period * 3.2, finish.period), 0.5, 0.005)
    rough = nodes.noise(nodes.coordinates(finish), 60.0)
    nodes.shine(finish, nodes.mix(nodes.ramp(rough, 0.2, 1.4), cells.outputs["Color"], (0.05, 0.04, 0.03, 1.0)))
    nodes.bump(cells.outputs["Fac"], -0.9, 0.006)


def _checker(nodes: Nodes, finish: Finish) -> None:
    inputs = {
        "Vector": nodes.coordinates(finish),
        "Color1": linear(finish.color),
        "Color2": linear(finish.accent),
        "Scale": 1.0 / max(finish.period, 0.01),
    }
    nodes.shine(finish, nodes.add("TexChecker", inputs).outputs["Color"])


def _fabric(nodes: Nodes, finish: Finish) -> None:
    where = nodes.coordinates(finish)
    blot = nodes.ramp(nodes.noise(where, 90.0, 0.7), 0.2, 0.85)
    dark = (*(c * 0.62 for c in linear(finish.color)[:3]), 1.0)
    nodes.shine(finish, nodes.mix(blot, linear(finish.color), dark))
    nodes.put(Roughness=0.9, Sheen_Weight=0.25)
    nodes.bump(nodes.noise(where, 14.0), 0.35, 0.004)


def _carpet(nodes: Nodes, finish: Finish) -> None:
    where = nodes.coordinates(finish)
    pile = nodes.ramp(nodes.noise(where, 180.0, 0.8), 0.25, 0.75)
    broad = nodes.ramp(nodes.noise(where, 2.2), 0.2, 0.9)
    dark = (*(c * 0.45 for c in linear(finish.color)[:3]), 1.0)
    tone = nodes.mix(pile, linear(finish.color), dark)
    nodes.shine(finish, nodes.mix(broad, tone, linear(finish.accent)))
    nodes.put(Roughness=0.97, Sheen_Weight=0.3)
    nodes.bump(pile, 0.6, 0.006)


def _stripes(nodes: Nodes, finish: Finish) -> None:
    """Bands of uneven width along v, with pile: runners, mats, office carpets, mattress ticking."""
    where = nodes.coordinates(finish)
    across = nodes.add("Mapping", {"Vector": where, "Scale": (1.0 / max(finish.period, 0.01), 0.3, 0.0)})
    bands = nodes.noise(across.outputs["Vector"], 2.0, 0.9)
    pile = nodes.ramp(nodes.noise(where, 200.0, 0.8), 0.3, 0.8)
    tone = nodes.mix(nodes.ramp(bands, 0.44, 0.56), linear(finish.color), linear(finish.accent))
    nodes.shine(finish, nodes.mix(nodes.ramp(pile, 0.0, 2.2), tone, (0.03, 0.03, 0.03, 1.0)))
    nodes.put(Roughness=0.95)
    nodes.bump(pile, 0.4, 0.004)


def _bands(nodes: Nodes, finish: Finish) -> None:
    """Even stripes."""
    inputs = {"Vector": nodes.coordinates(finish), "Scale": 0.31 / max(finish.period, 0.01), "Distortion": 0.0}
    wave = nodes.add("TexWave", inputs, wave_profile="SIN").outputs["Fac"]
    nodes.shine(finish, nodes.mix(nodes.ramp(wave, 0.45, 0.55), linear(finish.color), linear(finish.accent)))


def _wallpaper(nodes: Nodes, finish: Finish) -> None:
    inputs = {"Vector": nodes.coordinates(finish), "Scale": 1.2 / max(finish.period, 0.02), "Randomness": 0.25}
    spots = nodes.add("TexVoronoi", inputs, feature="SMOOTH_F1").outputs["Distance"]
    motif = nodes.add("Math", {0: spots, 1: 14.0}, operation="MULTIPLY").outputs[0]
    wave = nodes.add("Math", {0: motif}, operation="SINE").outputs[0]
    nodes.shine(finish, nodes.mix(nodes.ramp(wave, -0.1, 0.3), linear(finish.color), linear(finish.accent)))


def _marble(nodes: Nodes, finish: Finish) -> None:
    where = nodes.coordinates(finish)
    veins = nodes.noise(where, 1.2 / max(finish.period, 0.05))
    thin = nodes.add("Math", {0: veins, 1: 0.5}, operation="SUBTRACT").outputs[0]
    near = nodes.add("Math", {0: thin}, operation="ABSOLUTE").outputs[0]
    nodes.shine(finish, nodes.mix(nodes.ramp(near, 0.0, 0.08), linear(finish.accent), linear(finish.color)))


def _granite(nodes: Nodes, finish: Finish) -> None:
    where = nodes.coordinates(finish)
    grains = nodes.add("TexVoronoi", {"Vector": where, "Scale": 140.0}).outputs["Color"]
    share = nodes.ramp(nodes.add("SeparateColor", {"Color": grains}).outputs[0], 0.6, 1.0)
    nodes.shine(finish, nodes.mix(share, linear(finish.color), linear(finish.accent)))


def _metal(nodes: Nodes, finish: Finish) -> None:
    nodes.put(Base_Color=linear(finish.color), Metallic=1.0)
    brushed = nodes.add("Mapping", {"Vector": nodes.coordinates(finish), "Scale": (2.0, 260.0, 1.0)}).outputs["Vector"]
    inputs = {
        "Value": nodes.noise(brushed, 1.0),
        "To Min": finish.roughness * 0.7,
        "To Max": min(1.0, finish.roughness * 1.5),
    }
    nodes.put(Roughness=nodes.add("MapRange", inputs).outputs["Result"])


def _mirror(nodes: Nodes, finish: Finish) -> None:
    nodes.put(Base_Color=linear(finish.color), Metallic=1.0, Roughness=0.015)


def _glass(nodes: Nodes, finish: Finish) -> None:
    """A pane: light passes straight; a little is reflected. (A Fresnel node on a box would go black.)"""
    clear = nodes.add("BsdfTransparent", {"Color": linear(finish.color)}).outputs[0]
    gloss = nodes.add("BsdfGlossy", {"Roughness": 0.02}).outputs[0]
    mixed = nodes.add("MixShader", {0: 0.07, 1: clear, 2: gloss}).outputs[0]
    nodes.tree.links.new(mixed, nodes.output.inputs["Surface"])


def _picture(nodes: Nodes, finish: Finish) -> None:
    _image(nodes, finish, nodes.add("UVMap", uv_map=FACE).outputs["UV"])


def _texture(nodes: Nodes, finish: Finish) -> None:
    scale = 1.0 / max(finish.period, 0.01)
    _image(nodes, finish, nodes.coordinates(finish, (scale, scale, 1.0)))


def _image(nodes: Nodes, finish: Finish, where: Any) -> None:
    image = bpy.data.images.load(finish.image, check_existing=True)
    color = nodes.add("TexImage", {"Vector": where}, image=image).outputs["Color"]
    tint = tuple(min(1.0, 2.0 * c) for c in linear(finish.color)[:3])
    nodes.shine(finish, nodes.mix(1.0, color, (*tint, 1.0), "MULTIPLY"))


def _foliage(nodes: Nodes, finish: Finish) -> None:
    leaf = nodes.ramp(nodes.noise(nodes.coordinates(finish), 60.0, 0.8), 0.35, 0.65)
    nodes.shine(finish, nodes.mix(leaf, linear(finish.color), linear(finish.accent)))
    nodes.bump(leaf, 1.0, 0.02)


_KINDS: dict[str, Callable[[Nodes, Finish], None]] = {
    "paint": _paint,
    "wood": _wood,
    "planks": _planks,
    "tiles": _tiles,
    "brick": _brick,
    "checker": _checker,
    "fabric": _fabric,
    "carpet": _carpet,
    "stripes": _stripes,
    "bands": _bands,
    "wallpaper": _wallpaper,
    "marble": _marble,
    "granite": _granite,
    "metal": _metal,
    "mirror": _mirror,
    "glass": _glass,
    "image": _picture,
    "texture": _texture,
    "foliage": _foliage,
}
