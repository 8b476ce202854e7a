"""What a model of the catalogue can be in a room, by its category, name, id and size."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cinet_core.rooms.pathtraced.plan import Triple


@dataclass(frozen=True)
class Role:
    """A rule that picks models.

    Attributes:
        label: NYU40 name.
        names: regular expression for the whole name of the model, any case.
        categories: regular expression for the whole category.
        without: regular expression that no part of the model's id matches; "" excludes none.
        least: metres: width, depth and height at least.
        most: metres, at most.
    """

    label: str
    names: str
    categories: str = ".*"
    without: str = ""
    least: Triple = (0.0, 0.0, 0.0)
    most: Triple = (4.0, 4.0, 3.0)

    def fits(self, category: str, name: str, key: str, size: Triple) -> bool:
        """Whether a model can be this."""
        return bool(
            re.fullmatch(self.names, name, re.IGNORECASE)
            and re.fullmatch(self.categories, category)
            and not (self.without and re.search(self.without, key))
            and all(low <= length <= high for low, length, high in zip(self.least, size, self.most, strict=True))
        )


_SMALL = "Kitchen|Living room|Bathroom|Bedroom|Office|Miscellaneous"

ROLES: dict[str, Role] = {
    "bed": Role(
        "bed",
        "(captain's |iron |day |child )?bed( 140x190| 90x190)?|futon|mezzanine bed|crib",
        without="hospital",
        most=(2.2, 2.4, 1.3),
    ),
    "bunk bed": Role("bed", "bunk bed|loft bed.*", most=(2.2, 2.4, 2.0)),
    "night stand": Role("night stand", "bedside table"),
    "dresser": Role("dresser", "chest|dresser|dresser with drawers|changing table|dressing table"),
    "wardrobe": Role("cabinet", "wardrobe|cupboard|glass door cabinet", "Bedroom|Living room"),
    "sofa": Role(
        "sofa", "(burlap |clear |futon )?(sofa|couch)|sofa [23] seats|winchester sofa|convertible sofa BZ|rattan sofa"
    ),
    "corner sofa": Role("sofa", "corner sofa"),
    "armchair": Role("chair", "(modern |winchester |rattan )?armchair|puff|relax chair", "Living room|Exterior"),
    "chair": Role(
        "chair",
        "(antique |plastic |oak |osaka |folding |cafe |teck )?chair|chair with cushion|class seat",
        "Living room|Exterior|Office",
        without="office_chair|office-chair|kids|ext_chair|leaf_chair|thonet$",
        most=(0.8, 0.85, 1.2),
        least=(0.3, 0.3, 0.65),
    ),
    "office chair": Role("chair", "chair|armchair", "Office"),
    "stool": Role("chair", "stool|bar (chair|stool)|piano bench", "Kitchen|Living room", most=(0.8, 0.8, 1.2)),
    "dining table": Role(
        "table",
        "table|(oak|black|folding|glass|square|round|wooden|wooden alder|wooden teak) table|table (on|with) .*",
        "Living room|Office",
        without="living_room_table|technical|children|officeTable",
        least=(0.6, 0.5, 0.6),
        most=(2.4, 1.6, 0.95),
    ),
    "coffee table": Role("table", "coffee table|rattan table|table", most=(1.5, 1.3, 0.56), least=(0.5, 0.4, 0.3)),
    "desk": Role("desk", "(wooden )?desk|desk table", most=(2.0, 1.0, 1.1)),
    "bookcase": Role("bookshelf", "(filled |full )?bookcase|vertical shelves", "Living room|Office"),
    "shelves": Role("shelves", "shelves", "Living room|Bedroom"),
    "office cabinet": Role("cabinet", "filing cabinet|box|safe", "Office", most=(2.2, 0.7, 1.9)),
    "sideboard": Role("cabinet", "box|television cabinet", "Living room"),
    "television unit": Role("cabinet", "TV (unit|stand)|coffee table", most=(1.6, 0.6, 0.6), least=(0.9, 0.3, 0.3)),
    "television": Role("television", "TV( 16:9)?|flat TV|wall flat TV"),
    "monitor": Role("television", "TV( 16:9)?|apple iMac.*", most=(0.8, 0.6, 0.6)),
    "laptop": Role("otherprop", "(laptop|apple ibook)"),
    "lamp": Role("lamp", "(little )?lamp|desk lamp|work lamp|pedestal vase lamp", "Lights", most=(0.5, 0.5, 0.85)),
    "desk lamp": Role("lamp", "desk lamp|work lamp", "Lights"),
    "floor lamp": Role("lamp", "floor uplight|lamp", "Lights", least=(0.2, 0.2, 1.2)),
    "pendant": Role("lamp", "pendant lamp|hanging light", "Lights"),
    "plant": Role(
        "otherprop",
        "plant|(indoor|decorative) plant|ficus|spathiphyllum|yucca|bamboo|christmas tree",
        "Living room",
        least=(0.25, 0.25, 0.4),
        most=(1.3, 1.3, 2.1),
    ),
    "small plant": Role(
        "otherprop",
        "plant|(little|succulent|spider|indoor) plant|tulips|flowers|white lily|orchids|cactus|bonsai tree|vase|bamboo",
        "Living room|Miscellaneous",
        most=(0.5, 0.5, 0.65),
    ),
    "piano": Role("otherfurniture", "piano|upright piano", most=(1.6, 0.8, 1.5)),
    "fireplace": Role("otherstructure", "fireplace", most=(1.6, 0.9, 2.6)),
    "refridgerator": Role("refridgerator", "fridge|refrigerator|fridge & freezer|large fridge", least=(0.5, 0.5, 1.2)),
    "washer": Role(
        "otherprop",
        "clothes washer|clothes washing machine|dishwasher|dryer machine|washing machine|cooker",
        least=(0.5, 0.5, 0.7),
    ),
    "cooker": Role("otherprop", "cooker|large stove", least=(0.55, 0.55, 0.7)),
    "hood": Role("otherprop", "hood|range hood"),
    "microwave": Role("otherprop", "microwave|small oven|oven", "Kitchen", most=(0.6, 0.5, 0.45)),
    "toilet": Role("toilet", "toilets? unit|bidet"),
    "washbasin": Role("sink", "washbasin", "Bathroom", without="bathroom1"),
    "bathtub": Role("bathtub", "(fitted )?bath|corner bathtub", "Bathroom"),
    "shower": Role("otherstructure", "shower|shower stall", "Bathroom", least=(0.5, 0.5, 1.5)),
    "towel rack": Role("towel", "towel rack|radiator", "Bathroom", without="bathroomRadiator|KatorLegaz|Kator Legaz"),
    "radiator": Role(
        "otherstructure", "(hot water |electric |bathroom )?radiator", "Miscellaneous", most=(1.5, 0.45, 1.0)
    ),
    "person": Role("person", "(holding )?(female|male|boy|girl)", "Characters", most=(1.0, 1.4, 2.0)),
    "bag": Role("bag", "backpack|handbag|briefcase|suitcase", most=(1.0, 0.6, 0.8)),
    "box": Role(
        "box", "(open )?cardboard box|box|crate|gift", "Miscellaneous", without="texturable|ammo", most=(0.95, 0.7, 0.7)
    ),
    "clothes": Role(
        "clothes", "jacket|trousers|dress|skirt|short|folded clothes|slippers|sneakers|woman shoes|mocassin"
    ),
    "clothes rack": Role("clothes", "clothes rack|hanging clothes", "Bedroom"),
    "bin": Role(
        "otherprop", "dustbin|bullet trash can|recycling bin|clothes basket|puff|potty|toy .*", most=(0.6, 0.6, 0.8)
    ),
    "floor thing": Role(
        "otherprop",
        "basketball|soccer ball|electric guitar|teddy bear|rocking horse|toy train|speaker|umbrella|table fan"
        "|indoor bike|stroller|tricycle|small step ladder|broom|shopping basket|cat|dog|rabbit",
        _SMALL + "|Vehicles|Characters",
        most=(1.2, 1.2, 1.6),
    ),
    "kitchen thing": Role(
        "otherprop",
        "apples|blender|boiler|bowl( with .*)?|bread|bread box|chopping board|coffee .*|creamer|cup|deep fryer"
        "|espresso kettle|kitchen (scale|tools)|knife stand|large pan|milk|mixer|oil servers|old jar"
        "|paper towel holder|pottery|sandwich maker|spice tower|squeezer|sugar|teapot|toaster|tray|utensils pot"
        "|wine bottle|yogurt bottle|microwave|beer bottle|glass|roasted chicken|birthday cake|stone grill device",
        "Kitchen",
        most=(0.6, 0.5, 0.5),
    ),
    "meal thing": Role(
        "otherprop",
        "plate.*|oval plate|coffee (cup|mug|press)|cup|glass|beer glass|wine bottle|bowl( with .*)?|teapot|sugar|milk"
        "|birthday cake|apples|bread|salt shaker|hamburger|sushi tray|candle|french fries|tray",
        "Kitchen|Lights",
        most=(0.45, 0.45, 0.4),
    ),
    "desk thing": Role(
        "otherprop",
        "calendar|letter tray|penbox|phone|stapler|wireless phone|tablet|camera|reflex camera|headphones"
        "|coffee (cup|mug)|inkjet printer and scanner|clock|rubik's cube|joystick|mp3 .*|radio|glass|glasses"
        "|keys|mobile phone|hat|wood toy|gift|teddy bear",
        _SMALL,
        most=(0.5, 0.45, 0.4),
    ),
    "living thing": Role(
        "otherprop",
        "vase|candle|playstation|tv remote control|dvd player|clock|chessboard|card game|bowl with fruits"
        "|coffee (cup|mug)|wine bottle|glass|deer|radio|mini stereo|toy train|sunglasses|ashtray|japanese lantern"
        "|frame .*|aquarium|hat",
        _SMALL + "|Lights",
        most=(0.6, 0.45, 0.6),
    ),
    "bath thing": Role(
        "otherprop",
        "bottle|brush|comb|cosmetics pot|flacon|medicine (bottle|box)|soap|sponge|lip stick",
        "Bathroom",
        most=(0.3, 0.2, 0.3),
    ),
    "wall thing": Role(
        "otherprop",
        "clock|cuckoo clock|dart game|thermometer|wall (switch|socket|double socket|double switch)",
        _SMALL,
        most=(0.5, 0.3, 0.8),
        without="#clock$",
    ),
    "picture": Role("picture", "frame( .*)?", "Miscellaneous"),
}
