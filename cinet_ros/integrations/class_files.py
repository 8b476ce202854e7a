"""The files that tell other nodes what our class ids and colours mean, written from a label set.

``python -m cinet_ros.integrations.class_files`` renews config/integrations of this checkout for the shipped weights;
with ``--weights FILE --output DIR`` it writes the files of another checkpoint.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from cinet_core.label_sets import UNLABELLED, Grouping, LabelSet
from cinet_ros.integrations.wiring import NAV2, full_name

FOLDER = Path(__file__).resolve().parents[2] / "config" / "integrations"

STRUCTURE, FLOOR, PERSON, CEILING = "structure", "floor", "person", "ceiling"
OBJECTS = ("opening", "furniture", "object")
"""Groups of the grouping `structure` whose classes Hydra clusters into objects."""

KIMERA_GROUPING, KIMERA_LABELS = "kimera20", 21
"""Kimera-Semantics is compiled for 21 labels, of which 0 is unknown."""

COLUMNS = "name,red,green,blue,alpha,id"


def hydra_label_space(label_set: LabelSet) -> str:
    """Hydra's label space: names and roles of the classes (YAML).

    Raises:
        ValueError: the label set has no grouping `structure`.
    """
    ground = _members(label_set, FLOOR)
    lines = [
        *_heading(label_set, "Label space of Hydra (LabelSpaceConfig)"),
        f"total_semantic_labels: {len(label_set.classes)}",
        f"dynamic_labels: {_members(label_set, PERSON)}",
        f"invalid_labels: [{UNLABELLED}] # pixels without a class do not go into the map",
        f"object_labels: {sorted(_members(label_set, *OBJECTS))}",
        f"surface_places_labels: {ground}",
        f"ground_labels: {ground}",
        "label_names:",
        *(f"  - {{label: {number}, name: {name}}}" for number, name in enumerate(label_set.classes)),
    ]
    return _text(lines)


def hydra_colors(label_set: LabelSet) -> str:
    """Hydra's `semantic_colormap_file`: the palette, a row a class (CSV)."""
    return _text([COLUMNS, *(_row(label_set, number, number) for number in range(len(label_set.classes)))])


def kimera_semantics(label_set: LabelSet) -> str:
    """Kimera-Semantics' `semantic_label_2_color_csv_filepath`: the colour of every class, and its group's id (CSV).

    The colours of the cloud are the classes' own: many of them stand for one id. Kimera draws an id in the colour of
    its last row, which is the class that the group is named after, or its first one.

    Raises:
        ValueError: the label set has no grouping `kimera20`, or it is not as Kimera demands.
    """
    grouping = _grouping(label_set, KIMERA_GROUPING)
    if len(grouping.names) != KIMERA_LABELS or grouping.unknown != 0:
        raise ValueError(f"grouping {KIMERA_GROUPING!r} must have {KIMERA_LABELS} groups, of which 0 is unknown")
    rows = [COLUMNS]
    for group, group_name in enumerate(grouping.names):
        members = [number for number, its_group in enumerate(grouping.members) if its_group == group]
        if not members and group != 0:
            raise ValueError(f"no class of {label_set.name!r} is in group {group_name!r}: Kimera needs every id")
        namesakes = [number for number in members if label_set.classes[number] == group_name] or members[:1]
        others = [number for number in members if number not in namesakes]
        rows += [_row(label_set, number, group) for number in [*others, *namesakes]]
    return _text([*rows, "unlabelled,0,0,0,255,0"])


def nav2_semantic_layer(label_set: LabelSet) -> str:
    """The section of Nav2's semantic_segmentation_layer in a costmap's parameters (YAML).

    Raises:
        ValueError: the label set has no grouping `structure`.
    """
    grouping = _grouping(label_set, STRUCTURE)
    obstacles = [name for name in grouping.names if name not in (FLOOR, PERSON, CEILING)]

    def named(*groups: str) -> list[str]:
        return [label_set.classes[number] for number in _members(label_set, *groups)]

    lines = [
        *_heading(label_set, "Semantic layer of a Nav2 costmap"),
        "# It goes into the costmap's ros__parameters, whose `plugins` must name it, before inflation_layer.",
        "# Ceilings are above a robot and in no class type: the layer logs that it ignores them.",
        "semantic_layer:",
        "  plugin: semantic_segmentation_layer::SemanticSegmentationLayer",
        "  enabled: true",
        "  combination_method: 1 # the higher cost wins: what a laser saw stays an obstacle",
        "  use_approximate_time_sync: false # stamps are equal",
        "  observation_sources: cinet",
        "  cinet:",
        *(f"    {parameter}: {full_name(topic)}" for parameter, topic in NAV2.items()),
        "    observation_persistence: 0.0",
        "    expected_update_rate: 0.0",
        "    max_obstacle_distance: 3.5 # [m] predicted depth is less sure farther away",
        "    min_obstacle_distance: 0.3",
        "    tile_map_decay_time: 1.5 # [s] who leaves is gone by then; in older versions so is what is out of view",
        "    fov_decay_time: 1.5 # [s] within the camera's view, and beyond it; newer versions know these four",
        "    outside_fov_decay_time: 15.0",
        "    camera_horizontal_fov: 1.04 # [rad] of your camera: 2 atan(width / 2 fx)",
        "    camera_vertical_fov: 0.78",
        "    use_cost_selection: true # a tile with floor and chair in one frame counts as chair",
        "    class_types: [traversable, obstacle, person]",
        *_class_type("traversable", named(FLOOR), cost=(0, 0), sure=(0, 0), dominant=False),
        *_class_type("obstacle", named(*obstacles), cost=(128, 254), sure=(128, 3), dominant=False),
        *_class_type("person", named(PERSON), cost=(254, 254), sure=(0, 0), dominant=True),
    ]
    return _text(lines)


FILES: Mapping[str, Callable[[LabelSet], str]] = {
    "hydra_label_space.yaml": hydra_label_space,
    "hydra_colors.csv": hydra_colors,
    "kimera_semantics.csv": kimera_semantics,
    "nav2_semantic_layer.yaml": nav2_semantic_layer,
}


def write_all(folder: Path, label_set: LabelSet) -> None:
    """Write all files.

    Raises:
        ValueError: the label set lacks a grouping that one of them needs; then none is written.
    """
    texts = {name: make(label_set) for name, make in FILES.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files of a checkpoint's label set; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the files that name our classes to other nodes.")
    parser.add_argument("--weights", default="default", metavar="FILE|default", help="whose classes (%(default)s)")
    parser.add_argument("--output", type=Path, default=FOLDER, metavar="DIR", help="config/integrations by default")
    options = parser.parse_args(arguments)
    from cinet_core.model_metadata import CheckpointError, read_metadata

    try:
        write_all(options.output, read_metadata(options.weights).label_set)
    except (CheckpointError, ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"written: {', '.join(FILES)} in {options.output}")
    return 0


def _heading(label_set: LabelSet, what: str) -> list[str]:
    command = "python -m cinet_ros.integrations.class_files"
    return [f"# {what}, for {label_set.name}.", f"# Written by `{command}`: do not edit."]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _row(label_set: LabelSet, number: int, written_id: int) -> str:
    red, green, blue = (int(value) for value in label_set.colors[number])
    return f"{label_set.classes[number]},{red},{green},{blue},255,{written_id}"


def _grouping(label_set: LabelSet, name: str) -> Grouping:
    if name not in label_set.groupings:
        have = ", ".join(label_set.groupings) or "none"
        raise ValueError(
            f"label set {label_set.name!r} has no grouping {name!r}, it has {have}: add one to the checkpoint"
        )
    return label_set.groupings[name]


def _members(label_set: LabelSet, *groups: str) -> list[int]:
    """Class ids of groups of the grouping `structure`."""
    grouping = _grouping(label_set, STRUCTURE)
    return [number for number, group in enumerate(grouping.members) if grouping.names[group] in groups]


def _class_type(
    name: str, classes: Sequence[str], *, cost: tuple[int, int], sure: tuple[int, int], dominant: bool
) -> list[str]:
    """A class type of the layer: cost at first and when sure; what sure is, as mean confidence 0..255 and samples."""
    return [
        f"    {name}:",
        "      classes:",
        *(f'        - "{name_of_class}"' for name_of_class in classes),
        f"      base_cost: {cost[0]}",
        f"      max_cost: {cost[1]}",
        f"      mark_confidence: {sure[0]}",
        f"      samples_to_max_cost: {sure[1]}",
        f"      dominant_priority: {str(dominant).lower()}",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
