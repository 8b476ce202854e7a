"""Adapts weights to robots of a strange world, and judges them by a truth that no part of it has seen.

    python -m scripts.fleet.strange OUT                  # hours on a CPU, minutes on a GPU
    python -m scripts.fleet.strange OUT --small          # of a fifth of the size
    python -m scripts.fleet.strange OUT --teacher-rooms 40
    python -m scripts.fleet.strange OUT --bags 4 --tests 8 --scored 24 --teacher-rooms 12 --set ...    # in minutes

The world: rooms 1.5 times as large as homes, in colours that changed places, under sodium light, through a hazy lens.
Recordings have images, camera_info, odometry with 1 % noise and a scan with 2 cm noise; no depth and no labels. With
``--teacher-rooms`` a teacher is trained first, on the true depth and labels of other rooms of that world, exported as
an ONNX file, and given to the adaptation as such.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cinet_core.adaptation import AdaptationSettings, adapt
from cinet_core.adaptation.recipe import adaptation_recipe
from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.cli.arguments import positive
from cinet_core.cli.console import ConsoleProgress
from cinet_core.data.folder_writer import FolderWriter
from cinet_core.evaluation.scoring import evaluate
from cinet_core.labelling import export_teacher
from cinet_core.model_metadata import read_metadata
from cinet_core.training.train import train
from scripts.fleet.robot_bags import Walk, strange, values_of, walk, write_bag, write_truth

FRAMES, SCALE = 16, 1.5
# Rooms of the recordings, of the test, and of the teacher: no two have a room in common.
RECORDED, TESTED, TAUGHT = 7100, 7600, 7300


@dataclass(frozen=True)
class Size:
    """How much of the world is driven through.

    Attributes:
        bags: recordings of `FRAMES` frames.
        tests: rooms that are judged on, `test_frames` of each.
        test_frames: of them.
        image: (width, height).
    """

    bags: int = 60
    tests: int = 60
    test_frames: int = 4
    image: tuple[int, int] = (320, 240)


SMALL = Size(12, 20, 2)


def main(arguments: list[str]) -> int:
    """Run it; returns 0 where all that was asked for is reached."""
    parser = argparse.ArgumentParser("strange", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--small", action="store_true", help="a fifth of the size, a shorter training")
    parser.add_argument("--bags", type=positive, metavar="N", help="N recordings")
    parser.add_argument("--tests", type=positive, metavar="N", help="judge on N rooms")
    parser.add_argument("--scored", type=positive, metavar="N", help="frames of a held-out set, at most (300)")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--teacher-rooms", type=int, default=0, metavar="N", help="train a teacher on N other rooms")
    parser.add_argument("--rehearsal", type=float, metavar="PART", help="of the samples, of usual rooms")
    parser.add_argument("--interpolation", type=float, nargs="+", metavar="PART", help="of the way, that are tried")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of usual rooms, as JSON")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the recipe, as JSON")
    parser.add_argument(
        "--teacher-set", action="append", default=[], metavar="NAME=VALUE", help="of the teacher's recipe, over --set"
    )
    options = parser.parse_args(arguments)
    size = SMALL if options.small else Size()
    size = replace(size, bags=options.bags or size.bags, tests=options.tests or size.tests)
    values = values_of(options.set)
    further: dict[str, Any] = {"rooms_options": values_of(options.option)}
    if options.scored is not None:
        further["test_frames"] = options.scored
    if options.rehearsal is not None:
        further["rehearsal"] = options.rehearsal
    if options.interpolation is not None:
        further["interpolation"] = tuple(options.interpolation)
    result = strange_world(
        options.output, size, options.weights, values, options.teacher_rooms, values_of(options.teacher_set), **further
    )
    print(json.dumps(result, indent=1))
    return 0 if all(result["reached"].values()) else 1


def strange_world(
    output: Path,
    size: Size,
    weights: str,
    values: dict[str, Any],
    teacher_rooms: int = 0,
    teacher_values: dict[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Make the recordings, adapt, and judge.

    Args:
        output: folder for all of it; what is there is gone on with.
        size: of the world.
        weights: to start from.
        values: of the recipe.
        teacher_rooms: rooms that a teacher is trained on; 0: the weights are their own teacher.
        teacher_values: of the teacher's recipe, over `values`.
        settings: further ones of the adaptation.

    Returns:
        Figures before and after by the truth, and what of the aims is reached.
    """
    bags = []
    for number in range(size.bags):
        path = output / "bags" / f"robot{number:03d}"
        if not (path / "metadata.yaml").is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bag(path, _walked(RECORDED, number, FRAMES, size), seed=number)
        bags.append(path)
    truth = _truth(output / "truth", TESTED, size.tests, size)
    teacher: Path | None = None
    teachers: tuple[str, ...] = ()
    if teacher_rooms:
        teacher = _teacher(output, weights, values | (teacher_values or {}), teacher_rooms, size)
        teachers = (_exported(teacher),)
    chosen = AdaptationSettings(weights=weights, teachers=teachers, values=values, **settings)
    with ConsoleProgress() as progress:
        report = adapt(bags, output / "adapted", chosen, progress=progress)
    adapted = report.best or output / "adapted" / "calibrated.safetensors"
    figures = {name: _figures(truth, path) for name, path in (("before", weights), ("after", adapted))}
    if teacher is not None:
        figures["teacher"] = _figures(truth, teacher)
    result = {"figures": figures, "refused": list(report.refused), "reached": _reached(figures, report.changes)}
    atomic_write_bytes(output / "result.json", json.dumps(result, indent=1).encode())
    return result


def _reached(figures: dict[str, dict[str, float]], changes: Any) -> dict[str, bool]:
    """The aims: depth down by a third; labels no more than a point down, with a teacher up by 3 points or half its
    lead; and abs rel on rooms of the usual kind at most 2 % worse."""
    before, after = figures["before"], figures["after"]
    gained = 100 * (after["mean_iou"] - before["mean_iou"])
    least = -1.0
    if "teacher" in figures:
        least = min(3.0, 50 * (figures["teacher"]["mean_iou"] - before["mean_iou"]))
    (rooms,) = (change for change in changes if (change.test_set, change.figure) == ("rooms", "abs_rel"))
    return {
        "abs rel down by a third": after["abs_rel"] <= before["abs_rel"] * 2 / 3,
        f"mean IoU at least {least:+.1f} points": gained >= least,
        "rooms at most 2 % worse": rooms.after <= 1.02 * rooms.before,
    }


def _walked(seed: int, number: int, frames: int, size: Size) -> Walk:
    return walk(seed, number, frames, size.image, strange, scale=SCALE)


def _truth(folder: Path, seed: int, rooms: int, size: Size) -> Path:
    writer = FolderWriter(folder)
    for number in range(rooms):
        if f"room{number:03d}_{size.test_frames - 1:06d}" not in writer.names:
            write_truth(writer, f"room{number:03d}", _walked(seed, number, size.test_frames, size))
    return folder


def _teacher(output: Path, weights: str, values: dict[str, Any], rooms: int, size: Size) -> Path:
    """Weights that learnt from the truth of other rooms of this world."""
    place = output / "teacher"
    if not (place / "best.safetensors").is_file():
        frames = _truth(output / "taught", TAUGHT, rooms, size)
        settings = AdaptationSettings(weights=weights, values=values, rehearsal=0)
        recipe = adaptation_recipe(settings, read_metadata(weights), frames, rooms, place)
        train(recipe, resume=(place / "last.ckpt").exists())
    return place / "best.safetensors"


def _exported(teacher: Path) -> str:
    """The teacher as others bring theirs: a description with its ONNX file, as ``--teacher`` has them."""
    description = teacher.with_name("strange_teacher.yaml")
    network = description.with_suffix(".onnx")
    if not network.is_file():
        export_teacher(teacher, description)
    return f"{description}={network}"


def _figures(truth: Path, weights: str | Path) -> dict[str, float]:
    evaluation = evaluate(truth, weights, split="all", kind="folder").evaluation
    depth = next(score for score in evaluation.depth if not score.aligned)
    aligned = next(score for score in evaluation.depth if score.aligned)
    return {
        "frames": evaluation.counts.frames,
        "abs_rel": depth.metrics["abs_rel"],
        "aligned_abs_rel": aligned.metrics["abs_rel"],
        "scale_ratio": depth.metrics["scale_ratio"],
        **{name: evaluation.labels[0].metrics[name] for name in ("mean_iou", "pixel_accuracy")},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
