"""What a room's things look like: its style, its printed things, and finishes that Blender can draw in detail."""

from __future__ import annotations

import colorsys

import numpy as np

from cinet_core.rooms.pathtraced.artwork import Artwork
from cinet_core.rooms.pathtraced.catalogue import Catalogue, Model
from cinet_core.rooms.pathtraced.group import Group, Stand
from cinet_core.rooms.pathtraced.plan import Color, Finish
from cinet_core.rooms.pathtraced.roles import ROLES
from cinet_core.rooms.raycast.primitives import Material, Pattern, Place
from cinet_core.rooms.raycast.style import Style
from cinet_core.rooms.vocabulary import LABEL, WOODS

KINDS: dict[Pattern, str] = {
    Pattern.PLAIN: "paint",
    Pattern.WOOD: "wood",
    Pattern.PLANKS: "planks",
    Pattern.TILES: "tiles",
    Pattern.CHECKER: "checker",
    Pattern.FABRIC: "fabric",
    Pattern.CARPET: "carpet",
    Pattern.STRIPES: "bands",
    Pattern.BRICK: "brick",
    Pattern.PANELS: "paint",
    Pattern.ART: "paint",
    Pattern.BOOKS: "paint",
    Pattern.SKY: "glass",
    Pattern.SCREEN: "paint",
    Pattern.MARBLE: "marble",
    Pattern.FOLDS: "fabric",
    Pattern.WRITING: "paint",
    Pattern.WALLPAPER: "wallpaper",
    Pattern.SLATS: "paint",
    Pattern.MIRROR: "mirror",
}
"""Finish of every pattern of the synthetic rooms; detail.py gives some of them geometry or print instead."""

COLOURFUL = ("chair", "sofa", "lamp", "clothes", "bag", "towel", "box", "otherprop")
"""Classes whose models often get another hue."""

METALS: tuple[Color, ...] = ((0.75, 0.75, 0.77), (0.55, 0.54, 0.52), (0.85, 0.68, 0.42), (0.32, 0.32, 0.34))


class Looks:
    """Choices that the things of one room share.

    Args:
        rng: source of all choices.
        catalogue: of models.
        artwork: printed things.
    """

    def __init__(self, rng: np.random.Generator, catalogue: Catalogue, artwork: Artwork) -> None:
        """Choose the room's wood, metal, fronts and counter."""
        self.rng, self.catalogue, self._artwork = rng, catalogue, artwork
        self.style = Style(rng)
        metal, rough = self.style.pick(METALS), self.style.uniform(0.15, 0.45)
        self.metal = Finish("metal", metal, metal, roughness=rough)
        self.wood = self.some_wood()
        self.front = self._front()
        self.counter = self._counter()
        self.book_spines = tuple(self.print("spine") for _ in range(7))

    def print(self, kind: str, roughness: float = 0.5, glow: float = 0.0) -> Finish:
        """A printed face."""
        return Finish(
            "image", (0.73, 0.73, 0.73), roughness=roughness, glow=glow, image=self._artwork.pick(kind, self.rng)
        )

    def some_wood(self) -> Finish:
        """Of furniture."""
        color, accent = self.style.pick(WOODS)
        period, rough = self.style.uniform(0.03, 0.09), self.style.uniform(0.2, 0.6)
        return Finish("wood", color, accent, period, rough, offset=self.style.variant())

    def paint(self, color: Color | None = None, roughness: float = 0.5) -> Finish:
        """Paint or plastic."""
        chosen = color or self.style.color((0.0, 0.8), (0.08, 0.95))
        return Finish("paint", chosen, chosen, roughness=roughness, offset=self.style.variant())

    def white(self) -> Finish:
        """Paint of walls and ducts: white, or nearly so."""
        return self.paint(self.style.color((0.0, 0.08), (0.82, 0.97)), self.style.uniform(0.35, 0.9))

    def fabric(self) -> Finish:
        """Plain cloth, or sometimes striped, checked or printed."""
        return self.of(self.style.fabric((0.0, 0.7)))

    def floor(self, tiled: bool) -> Finish:
        """Planks, parquet, tiles, carpet, stone."""
        style, kind = self.style, self.style.uniform(0, 1)
        offset = style.variant()
        if (tiled and kind < 0.55) or kind < 0.14:
            color, joint = style.color((0, 0.3), (0.15, 0.9)), style.color((0, 0.15), (0.15, 0.8))
            return Finish("tiles", color, joint, style.uniform(0.15, 0.6), style.uniform(0.1, 0.5), offset=offset)
        if kind < 0.6:
            color, accent = style.pick(WOODS[:6])
            return Finish("planks", color, accent, style.uniform(0.06, 0.2), style.uniform(0.2, 0.6), offset=offset)
        if kind < 0.7:
            return self.texture(
                ("woodenFloor", "oldWoodenFloor", "stoneTiles", "greyTile", "beigeTile", "redTiles"), 0.4
            )
        color, accent = style.color((0, 0.35), (0.12, 0.75)), style.color((0, 0.35), (0.1, 0.6))
        if kind < 0.8:
            return Finish("stripes", color, accent, style.uniform(0.015, 0.08), 0.95, offset=offset)
        if kind < 0.95:
            return Finish("carpet", color, _mixed(color, accent, 0.3), roughness=0.95, offset=offset)
        return Finish("granite", color, accent, roughness=style.uniform(0.15, 0.5), offset=offset)

    def wall(self, tiled: bool) -> Finish:
        """Paint mostly; tiles, paper, brick or plaster sometimes."""
        style, kind = self.style, self.style.uniform(0, 1)
        offset = style.variant()
        if tiled and kind < 0.5:
            color, joint = style.color((0, 0.35), (0.4, 0.95)), style.color((0, 0.1), (0.5, 0.9))
            return Finish("tiles", color, joint, style.uniform(0.05, 0.3), style.uniform(0.08, 0.3), offset=offset)
        if kind < 0.82:
            pale = style.chance(0.7)
            color = style.color((0.0, 0.18), (0.72, 0.95)) if pale else style.color((0.05, 0.55), (0.35, 0.9))
            return Finish("paint", color, color, roughness=style.uniform(0.45, 0.9), offset=offset)
        if kind < 0.93:
            color = style.color((0.02, 0.4), (0.5, 0.95))
            kinds = ("wallpaper", "wallpaper", "bands")
            return Finish(
                style.pick(kinds),
                color,
                _mixed(color, style.color(), 0.25),
                style.uniform(0.05, 0.3),
                0.7,
                offset=offset,
            )
        if kind < 0.96:
            return Finish("brick", style.color((0.1, 0.6), (0.4, 0.9)), (0.7, 0.68, 0.64), 0.07, 0.8, offset=offset)
        return self.texture(("roughcast", "smallWhiteBricks", "smallRedBricks", "marbleWall", "stone3Wall"), 0.8)

    def texture(self, names: tuple[str, ...], roughness: float) -> Finish:
        """One of the catalogue's images, repeated."""
        path, width = self.catalogue.textures[self.style.pick(names)]
        value = self.style.uniform(0.6, 0.78)
        color = tuple(value * self.style.uniform(0.92, 1.0) for _ in range(3))
        return Finish("texture", color, period=width, roughness=roughness, image=str(path))  # type: ignore[arg-type]

    def rug(self) -> Finish:
        """Of a carpet on the floor."""
        style = self.style
        kind = style.pick(("carpet", "stripes", "bands", "wallpaper", "checker", "fabric"))
        period = style.uniform(0.05, 0.3) if kind != "fabric" else 0.01
        return Finish(kind, style.color((0, 0.8)), style.color((0, 0.8)), period, 0.95, offset=style.variant())

    def of(self, material: Material) -> Finish:
        """A material of the synthetic rooms."""
        kind, gloss = KINDS[material.pattern], material.gloss
        if kind == "paint" and gloss >= 0.6 and _grey(material.color):
            kind = "metal"
        glow = 0.0 if kind == "glass" else material.glow * 2.0
        rough = max(0.08, 0.75 - 0.8 * gloss) if kind != "metal" else 0.25
        return Finish(
            kind, material.color, material.accent, material.period, rough, 0.0, glow, offset=_offset(material)
        )

    def stand(
        self, role: str, position: Place = (0.0, 0.0, 0.0), yaw: float = 0.0, model: Model | None = None
    ) -> Stand:
        """A model of a role (or this one), of about its own size, with colours of its own."""
        rng, chosen = self.rng, model or self.pick(role)
        size = np.array(chosen.size) * rng.uniform(0.93, 1.07) * rng.uniform(0.97, 1.03, 3)
        tint = self._tint(role)
        label = getattr(LABEL, ROLES[role].label.replace(" ", "_"))
        return Stand(chosen, label, size, np.array(position, dtype=np.float64), yaw, tint)

    def _tint(self, role: str) -> tuple[float, float, float]:
        """Added hue, factors of saturation and value: cloth and plastic come in all colours, wood does not."""
        rng, label = self.rng, ROLES[role].label
        if label in ("person", "toilet", "bathtub", "sink") or "plant" in role:
            return float(rng.normal(0, 0.015)), float(rng.uniform(0.7, 1.1)), float(rng.uniform(0.85, 1.1))
        colourful = rng.random() < (0.5 if label in COLOURFUL else 0.1)
        hue = rng.uniform(-0.5, 0.5) if colourful else rng.normal(0, 0.02)
        return float(hue), float(rng.uniform(0.4, 1.25)), float(rng.uniform(0.5, 1.25))

    def group(self, role: str, model: Model | None = None) -> Group:
        """A model alone."""
        return Group(stands=[self.stand(role, model=model)])

    def pick(self, role: str) -> Model:
        """One of a role's models."""
        return self.style.pick(self.catalogue.role(role))

    def _front(self) -> Finish:
        """Of kitchen units and cabinets: gloss or matt paint of any colour, or wood."""
        style = self.style
        if style.chance(0.35):
            return self.some_wood()
        color = style.color((0.0, 0.1), (0.7, 0.97)) if style.chance(0.5) else style.color((0.2, 1.0), (0.12, 0.85))
        return self.paint(color, style.uniform(0.08, 0.6))

    def _counter(self) -> Finish:
        style = self.style
        value = style.uniform(0.03, 0.9)
        color = colorsys.hsv_to_rgb(style.uniform(0.03, 0.15), style.uniform(0, 0.25), value)
        accent = colorsys.hsv_to_rgb(style.uniform(0, 1), style.uniform(0, 0.2), style.uniform(0.2, 0.9))
        kind = style.pick(("granite", "granite", "marble", "paint", "wood"))
        if kind == "wood":
            return self.some_wood()
        return Finish(kind, color, accent, style.uniform(0.2, 0.6), style.uniform(0.06, 0.5), offset=style.variant())


def _mixed(a: Color, b: Color, share: float) -> Color:
    r, g, b_ = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return r, g, b_


def _grey(color: Color) -> bool:
    return max(color) - min(color) < 0.12


def _offset(material: Material) -> tuple[float, float]:
    return material.variant if material.pattern is not Pattern.PANELS else (0.0, 0.0)
