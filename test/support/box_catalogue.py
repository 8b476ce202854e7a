"""A catalogue of models that are boxes, laid out as Sweet Home 3D's: rooms can be planned without the real ones."""

from __future__ import annotations

from pathlib import Path

from cinet_core.rooms.pathtraced.catalogue import PLUGIN, Catalogue

# fmt: off
MODELS = (
    ("Bed", "Bedroom", 141, 208, 96), ("Bunk bed", "Bedroom", 113, 205, 160),
    ("Bedside table", "Bedroom", 49, 48, 45), ("Chest", "Bedroom", 144, 54, 82),
    ("Cupboard", "Bedroom", 100, 39, 150), ("Couch", "Living room", 207, 88, 86),
    ("Corner sofa", "Living room", 234, 144, 80), ("Armchair", "Living room", 95, 83, 78),
    ("Chair", "Living room", 50, 63, 98), ("Armchair", "Office", 59, 63, 105),
    ("Piano bench", "Living room", 62, 36, 52), ("Oak table", "Living room", 124, 124, 74),
    ("Coffee table", "Living room", 120, 70, 45), ("Desk", "Office", 139, 54, 105),
    ("Bookcase", "Living room", 92, 36, 147), ("Shelves", "Living room", 79, 39, 79), ("Safe", "Office", 50, 55, 50),
    ("Television cabinet", "Living room", 135, 69, 160), ("TV stand", "Living room", 135, 46, 53),
    ("TV", "Living room", 78, 14, 51), ("Laptop", "Office", 34, 25, 27), ("Desk lamp", "Lights", 24, 24, 40),
    ("Lamp", "Lights", 40, 58, 143), ("Hanging light", "Lights", 44, 44, 86),
    ("Decorative plant", "Living room", 56, 60, 103), ("Cactus", "Living room", 15, 13, 22),
    ("Upright piano", "Living room", 141, 54, 138), ("Fireplace", "Living room", 115, 35, 105),
    ("Large fridge", "Kitchen", 92, 81, 184), ("Washing machine", "Kitchen", 60, 62, 74),
    ("Large stove", "Kitchen", 104, 72, 85), ("Range hood", "Kitchen", 60, 32, 43),
    ("Microwave", "Kitchen", 40, 36, 25), ("Bidet", "Bathroom", 40, 54, 51), ("Washbasin", "Bathroom", 56, 46, 93),
    ("Bath", "Bathroom", 180, 70, 65), ("Shower stall", "Bathroom", 93, 112, 200),
    ("Towel rack", "Bathroom", 60, 8, 48), ("Radiator", "Miscellaneous", 140, 25, 73),
    ("Female", "Characters", 48, 37, 170), ("Briefcase", "Bedroom", 40, 10, 33),
    ("Box", "Miscellaneous", 90, 66, 31), ("Slippers", "Bedroom", 24, 28, 6),
    ("Hanging clothes", "Bedroom", 32, 59, 142), ("Dustbin", "Office", 23, 23, 35),
    ("Basketball", "Miscellaneous", 24, 24, 24), ("Beer glass", "Kitchen", 15, 10, 16),
    ("Coffee cup", "Kitchen", 10, 10, 4), ("Comb", "Bathroom", 12, 4, 1),
    ("Cuckoo clock", "Miscellaneous", 27, 18, 74), ("Frame Chambord", "Miscellaneous", 14, 14, 20),
)
# fmt: on
"""Name, category, width, depth and height in centimetres of models that together can be everything in ROLES."""

BOX = "\n".join(
    [
        *(f"v {x} {y} {z}" for x in (-1, 1) for y in (0, 2) for z in (-1, 1)),
        *("f 1 2 4 3", "f 5 7 8 6", "f 1 5 6 2", "f 3 4 8 7", "f 1 3 7 5", "f -7 -5 -1 -3"),
        # a board half way up
        *(f"v {x} 1 {z}" for x in (-1, 1) for z in (-1, 1)),
        "f 9/1/1 10/1/1 12/1/1 11/1/1",
    ]
)
"""What every model looks like; y is up."""


def make_catalogue(root: Path) -> Catalogue:
    """Write it into an empty folder."""
    folder = root / "Library"
    textures = root / "textures" / "com/eteks/sweethome3d/io"
    folder.mkdir()
    textures.mkdir(parents=True)
    (folder / "thing.obj").write_text(BOX)
    lines = ["license=Creative Commons Attribution 3.0"]
    for number, (name, category, *size) in enumerate(MODELS, 1):
        lines += [f"id#{number}=Test#{number}", f"name#{number}={name}", f"category#{number}={category}"]
        lines += [f"model#{number}=/thing.obj", f"creator#{number}=Scopia"]
        lines += [f"{key}#{number}={value}" for key, value in zip(("width", "depth", "height"), size, strict=True)]
    (folder / PLUGIN).write_text("\n".join(lines), "latin-1")
    images = (
        "woodenFloor oldWoodenFloor stoneTiles greyTile beigeTile redTiles roughcast smallWhiteBricks smallRedBricks "
        "marbleWall stone3Wall"
    )
    lines = [f"image#{n}=/{name}.jpg\nwidth#{n}=40" for n, name in enumerate(images.split())]
    (textures / "DefaultTexturesCatalog.properties").write_text("\n".join(lines))
    return Catalogue(root)
