"""What stands and hangs in a bathroom; each function builds one group with its back to the wall."""

from __future__ import annotations

from cinet_core.rooms.pathtraced.clutter import strew
from cinet_core.rooms.pathtraced.detail import detailed, fronts
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.looks import Looks
from cinet_core.rooms.raycast import fittings
from cinet_core.rooms.vocabulary import LABEL


def washbasin(looks: Looks) -> Group:
    """Basin, mirror, and a board or cabinet with bottles."""
    style = looks.style
    group = _vanity(looks) if style.chance(0.5) else looks.group("washbasin")
    if group.stands:
        group.stands[0].position[2] = group.stands[0].model.elevation
    high = group.bounds()[1]
    half, bottom, tall = style.uniform(0.22, 0.5), max(1.1, high[2] + 0.1), style.uniform(0.5, 0.8)
    glass = fittings.mirror_glass()
    group.box((-half, 0, bottom), (half, 0.02, bottom + tall), LABEL.mirror, looks.of(glass), size=0.002)
    if style.chance(0.5):
        z = bottom - 0.08
        group.box((-half, 0, z), (half, 0.13, z + 0.012), LABEL.shelves, looks.wood)
        strew(group, looks, (-half + 0.02, 0.01), (half - 0.02, 0.12), z + 0.012, "bath", 5, 0.3)
    return group


def _vanity(looks: Looks) -> Group:
    """A basin let into a counter on a cabinet."""
    style, group = looks.style, Group()
    half, depth, height = style.uniform(0.35, 0.65), style.uniform(0.45, 0.55), style.uniform(0.8, 0.9)
    group.box((-half, 0, 0.1), (half, depth - 0.02, height - 0.04), LABEL.cabinet, looks.front)
    columns = max(1, round(half * 2 / 0.45))
    fronts(
        group, looks, (-half, 0.1), (half, height - 0.04), depth - 0.02, (columns, style.count(1, 2)), LABEL.cabinet,
        looks.front, style.count(0, 3),
    )  # fmt: skip
    group.box((-half, 0, height - 0.04), (half, depth + 0.01, height), LABEL.counter, looks.counter)
    white = looks.paint((0.93, 0.93, 0.92), 0.08)
    middle, deep = depth / 2 + 0.02, style.uniform(0.08, 0.14)
    wide, long = min(0.26, half - 0.06), depth / 2 - 0.1
    for low, high in (
        ((-wide, middle - long), (wide, middle - long + 0.02)),
        ((-wide, middle + long - 0.02), (wide, middle + long)),
        ((-wide, middle - long), (-wide + 0.02, middle + long)),
        ((wide - 0.02, middle - long), (wide, middle + long)),
    ):
        group.box((*low, height), (*high, height + deep), LABEL.sink, white)
    group.box((-wide, middle - long, height), (wide, middle + long, height + 0.02), LABEL.sink, white)
    group.cylinder((0, 0.07, height + 0.12), 0.016, 0.24, LABEL.sink, looks.metal)
    group.box((-0.012, 0.07, height + 0.22), (0.012, 0.2, height + 0.24), LABEL.sink, looks.metal)
    strew(group, looks, (-half + 0.03, 0.03), (-wide - 0.03, depth - 0.05), height, "bath", 3, 0.3)
    strew(group, looks, (wide + 0.03, 0.03), (half - 0.03, depth - 0.05), height, "bath", 3, 0.3)
    return group


def bathtub(looks: Looks) -> Group:
    """A model, or one built with walls and a curtain."""
    if looks.style.chance(0.55):
        return looks.group("bathtub")
    return detailed(fittings.bathtub(looks.style), looks)


def towel(looks: Looks) -> Group:
    """Towels on a bar or hook; z = 0 is their lower edge."""
    style, group = looks.style, Group()
    x = 0.0
    for _ in range(style.count(1, 2)):
        half, tall = style.uniform(0.15, 0.3), style.uniform(0.4, 0.8)
        group.add_item("folds", (x, 0.06, tall / 2), (half, 0.03, tall / 2), LABEL.towel, looks.fabric(), size=0.25)
        x += half * 2 + 0.05
    bar = x / 2
    group.box((-0.3, 0.04, group.bounds()[1][2] - 0.02), (x, 0.06, group.bounds()[1][2]), LABEL.otherprop, looks.metal)
    shifted = Group()
    shifted.add(group, (-bar / 2, 0, 0))
    return shifted


def mat(looks: Looks) -> Group:
    """Before tub or basin."""
    style, group = looks.style, Group()
    half = style.uniform(0.3, 0.5)
    group.box((-half, 0.1, 0), (half, 0.1 + half * 1.3, 0.018), LABEL.floor_mat, looks.rug())
    return group
