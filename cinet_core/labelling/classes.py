"""Classes that common teachers answer, in the order of their channels, and the NYU40 class that each of them is.

Plain facts: ADE20K has the 150 classes of the Scene Parsing Challenge (MIT, 2016) in its order; COCO panoptic has 80
things and 53 kinds of stuff (Kirillov et al., "Panoptic Segmentation", 2019) in the order of their ids; COCO things are
the first 80 of these. What NYU40 has no class for goes to its "other" ones where it is a structure, a piece of
furniture or a prop of a room, and to nothing (a minus) where no room has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CLASS_TABLES", "NONE"]

NONE = "-"
"""Of a class that belongs to none of the label set: such pixels are void."""

_ADE20K = """
wall: wall | building: wall | sky: - | floor: floor | tree: otherprop | ceiling: ceiling | road: floor | bed: bed
windowpane: window | grass: - | cabinet: cabinet | sidewalk: floor | person: person | earth: floor | door: door
table: table | mountain: - | plant: otherprop | curtain: curtain | chair: chair | car: - | water: - | painting: picture
sofa: sofa | shelf: shelves | house: - | sea: - | mirror: mirror | rug: floor mat | field: - | armchair: chair
seat: chair | fence: otherstructure | desk: desk | rock: otherprop | wardrobe: cabinet | lamp: lamp | bathtub: bathtub
railing: otherstructure | cushion: pillow | base: otherstructure | box: box | column: otherstructure
signboard: otherprop | chest of drawers: dresser | counter: counter | sand: - | sink: sink | skyscraper: -
fireplace: otherstructure | refrigerator: refridgerator | grandstand: - | path: floor | stairs: otherstructure
runway: - | case: otherfurniture | pool table: otherfurniture | pillow: pillow | screen door: door
stairway: otherstructure | river: - | bridge: - | bookcase: bookshelf | blind: blinds | coffee table: table
toilet: toilet | flower: otherprop | book: books | hill: - | bench: otherfurniture | countertop: counter
stove: otherfurniture | palm: otherprop | kitchen island: counter | computer: otherprop | swivel chair: chair | boat: -
bar: counter | arcade machine: otherfurniture | hovel: - | bus: - | towel: towel | light: lamp | truck: - | tower: -
chandelier: lamp | awning: - | streetlight: - | booth: otherfurniture | television receiver: television | airplane: -
dirt track: - | apparel: clothes | pole: otherstructure | land: - | bannister: otherstructure
escalator: otherstructure | ottoman: otherfurniture | bottle: otherprop | buffet: cabinet | poster: picture
stage: otherstructure | van: - | ship: - | fountain: - | conveyer belt: - | canopy: otherfurniture
washer: otherfurniture | plaything: otherprop | swimming pool: - | stool: chair | barrel: otherprop | basket: otherprop
waterfall: - | tent: - | bag: bag | minibike: - | cradle: otherfurniture | oven: otherfurniture | ball: otherprop
food: otherprop | step: otherstructure | tank: otherprop | trade name: otherprop | microwave: otherprop | pot: otherprop
animal: - | bicycle: otherprop | lake: - | dishwasher: otherfurniture | screen: otherprop | blanket: otherprop
sculpture: otherprop | hood: otherfurniture | sconce: lamp | vase: otherprop | traffic light: - | tray: otherprop
ashcan: otherprop | fan: otherprop | pier: - | crt screen: television | plate: otherprop | monitor: television
bulletin board: whiteboard | shower: otherstructure | radiator: otherprop | glass: otherprop | clock: otherprop
flag: otherprop
"""

_COCO_THINGS = """
person: person | bicycle: otherprop | car: - | motorcycle: - | airplane: - | bus: - | train: - | truck: - | boat: -
traffic light: - | fire hydrant: - | stop sign: - | parking meter: - | bench: otherfurniture | bird: - | cat: - | dog: -
horse: - | sheep: - | cow: - | elephant: - | bear: - | zebra: - | giraffe: - | backpack: bag | umbrella: otherprop
handbag: bag | tie: clothes | suitcase: bag | frisbee: otherprop | skis: otherprop | snowboard: otherprop
sports ball: otherprop | kite: otherprop | baseball bat: otherprop | baseball glove: otherprop | skateboard: otherprop
surfboard: otherprop | tennis racket: otherprop | bottle: otherprop | wine glass: otherprop | cup: otherprop
fork: otherprop | knife: otherprop | spoon: otherprop | bowl: otherprop | banana: otherprop | apple: otherprop
sandwich: otherprop | orange: otherprop | broccoli: otherprop | carrot: otherprop | hot dog: otherprop
pizza: otherprop | donut: otherprop | cake: otherprop | chair: chair | couch: sofa | potted plant: otherprop | bed: bed
dining table: table | toilet: toilet | tv: television | laptop: otherprop | mouse: otherprop | remote: otherprop
keyboard: otherprop | cell phone: otherprop | microwave: otherprop | oven: otherfurniture | toaster: otherprop
sink: sink | refrigerator: refridgerator | book: books | clock: otherprop | vase: otherprop | scissors: otherprop
teddy bear: otherprop | hair drier: otherprop | toothbrush: otherprop
"""

_COCO_STUFF = """
banner: otherprop | blanket: otherprop | bridge: - | cardboard: box | counter: counter | curtain: curtain
door-stuff: door | floor-wood: floor | flower: otherprop | fruit: otherprop | gravel: - | house: - | light: lamp
mirror-stuff: mirror | net: - | pillow: pillow | platform: otherstructure | playingfield: - | railroad: - | river: -
road: floor | roof: - | sand: - | sea: - | shelf: shelves | snow: - | stairs: otherstructure | tent: - | towel: towel
wall-brick: wall | wall-stone: wall | wall-tile: wall | wall-wood: wall | water-other: - | window-blind: blinds
window-other: window | tree-merged: otherprop | fence-merged: otherstructure | ceiling-merged: ceiling
sky-other-merged: - | cabinet-merged: cabinet | table-merged: table | floor-other-merged: floor | pavement-merged: floor
mountain-merged: - | grass-merged: - | dirt-merged: - | paper-merged: paper | food-other-merged: otherprop
building-other-merged: wall | rock-merged: - | wall-other-merged: wall | rug-merged: floor mat
"""


def _table(text: str) -> Mapping[str, str]:
    pairs = [entry.rpartition(":") for line in text.strip().splitlines() for entry in line.split(" | ")]
    return MappingProxyType({name.strip(): target.strip() for name, _, target in pairs})


CLASS_TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ade20k": _table(_ADE20K),
        "coco_panoptic": _table(_COCO_THINGS + _COCO_STUFF.lstrip()),
        "coco_things": _table(_COCO_THINGS),
    }
)
"""By name: for each class in the order of the channels, the NYU40 class that it is, or `NONE`."""
