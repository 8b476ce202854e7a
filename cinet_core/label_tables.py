"""Class names of the label sets, and the classes in each group of a coarser view: plain facts, no code."""

__all__ = ["KIMERA20_GROUPS", "NYU13_CLASSES", "NYU13_GROUPS", "NYU40_CLASSES", "STRUCTURE_GROUPS", "SUN37_CLASSES"]

NYU40_CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *(
        "picture",
        "counter",
        "blinds",
        "desk",
        "shelves",
        "curtain",
        "dresser",
        "pillow",
        "mirror",
        "floor mat",
    ),
    *(
        "clothes",
        "ceiling",
        "books",
        "refridgerator",
        "television",
        "paper",
        "towel",
        "shower curtain",
        "box",
    ),
    *("whiteboard", "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure"),
    *("otherfurniture", "otherprop"),
)
SUN37_CLASSES = NYU40_CLASSES[:37]
NYU13_CLASSES = (
    *("bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table"),
    *("tv", "wall", "window"),
)

# Couprie et al., "Indoor Semantic Segmentation using depth information" (2013), as published in
# class13Mapping.mat: doors count as wall, blinds and curtains as window.
NYU13_GROUPS = {
    "bed": "bed",
    "books": "books",
    "ceiling": "ceiling",
    "chair": "chair",
    "floor": "floor, floor mat",
    "furniture": "cabinet, bookshelf, counter, shelves, dresser, refridgerator, night stand, otherfurniture",
    "objects": "pillow, mirror, clothes, paper, towel, shower curtain, box, whiteboard, person, toilet, "
    "sink, lamp, bathtub, bag, otherstructure, otherprop",
    "picture": "picture",
    "sofa": "sofa",
    "table": "table, desk",
    "tv": "television",
    "wall": "wall, door",
    "window": "window, blinds, curtain",
}
# What a robot asks first: may I drive there, is it the building, can it move? Flat things on a wall are wall.
STRUCTURE_GROUPS = {
    "floor": "floor, floor mat",
    "wall": "wall, picture, mirror, whiteboard, otherstructure",
    "ceiling": "ceiling",
    "opening": "door, window, blinds, curtain, shower curtain",
    "furniture": "cabinet, bed, chair, sofa, table, bookshelf, counter, desk, shelves, dresser, "
    "refridgerator, night stand, toilet, sink, bathtub, otherfurniture, furniture",
    "object": "pillow, clothes, books, television, paper, towel, box, lamp, bag, otherprop, objects, tv",
    "person": "person",
}
# Kimera-Semantics holds 21 labels, of which 0 is unknown and white.
KIMERA20_GROUPS = {
    "unknown": "",
    "wall": "wall, otherstructure",
    "floor": "floor, floor mat",
    "ceiling": "ceiling",
    "door": "door",
    "window": "window, blinds, curtain, shower curtain",
    "chair": "chair",
    "sofa": "sofa",
    "bed": "bed, pillow",
    "table": "table",
    "desk": "desk",
    "furniture": "cabinet, dresser, night stand, otherfurniture",
    "counter": "counter",
    "shelves": "bookshelf, shelves",
    "picture": "picture, mirror, whiteboard",
    "television": "television",
    "refridgerator": "refridgerator",
    "sanitary": "toilet, sink, bathtub",
    "lamp": "lamp",
    "person": "person",
    "object": "clothes, books, paper, towel, box, bag, otherprop",
}
