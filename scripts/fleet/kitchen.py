"""Adapts weights to the first part of a real sequence, and judges them by the sensor on the rest of it.

    python -m scripts.fleet.kitchen SEQUENCE OUT --polygons test/data/kitchen_polygons.json

The recording: frames 0 to 119 with camera_info, and the sequence's poses as odometry; neither depth nor labels. It is
divided into rooms of 2 s at 10 frames a second, of which some are held out for the adaptation's own report. Frames 120
on are the judge, and nothing else sees them: by the sensor's depth, and by labels drawn by hand.

The adapted weights are deleted in the end: real frames of this project judge, they do not teach. What is found decides
no default and no setting.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.adaptation import AdaptationSettings, adapt
from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.cli.arguments import positive
from cinet_core.cli.console import ConsoleProgress
from cinet_core.data.registry import open_dataset
from cinet_core.evaluation.scoring import evaluate
from scripts.fleet.robot_bags import Walk, values_of, write_bag

TAUGHT = 120
COLOR: dict[str, Any] = {"color_focal": 525.0, "baseline": 0.025}
"""Of the sequence's colour camera, as the model card has it."""


def main(arguments: list[str]) -> int:
    """Run it; returns 0 whatever it finds."""
    parser = argparse.ArgumentParser("kitchen", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sequence", type=Path, help="a folder as 7-Scenes has it")
    parser.add_argument("output", type=Path)
    parser.add_argument("--polygons", type=Path, help="labels of some of its frames")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--every", type=positive, default=2, metavar="N", help="label every N-th frame (%(default)s)")
    parser.add_argument("--scored", type=positive, default=300, metavar="N", help="frames of a held-out set, at most")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the rooms, as JSON")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the recipe, as JSON")
    options = parser.parse_args(arguments)
    output: Path = options.output
    bag = output / "bag"
    if not (bag / "metadata.yaml").is_file():
        shutil.rmtree(bag, ignore_errors=True)
        output.mkdir(parents=True, exist_ok=True)
        write_bag(bag, _recorded(options.sequence), scan=False, odometry_noise=0.0)
    judged, given = _judged(options.sequence, output / "judged", options.polygons)
    settings = AdaptationSettings(
        weights=options.weights,
        extract=("--room-seconds", "2", "--every", str(options.every)),
        rooms_options=values_of(options.option),
        values=values_of(options.set),
        test_frames=options.scored,
    )
    adapted = output / "adapted"
    with ConsoleProgress() as progress:
        report = adapt([bag], adapted, settings, progress=progress)
    after = report.best or adapted / "calibrated.safetensors"
    figures = {name: _figures(judged, path, given) for name, path in (("before", options.weights), ("after", after))}
    result = {"figures": figures, "refused": list(report.refused), "notes": list(report.notes)}
    atomic_write_bytes(output / "result.json", json.dumps(result, indent=1).encode())
    for path in (*adapted.rglob("*.safetensors"), *adapted.rglob("*.ckpt"), *adapted.rglob("*.onnx")):
        path.unlink()
    print(json.dumps(result, indent=1))
    return 0


def _recorded(sequence: Path) -> Walk:
    """The first frames, with nothing of what the sensor saw."""
    frames = open_dataset(sequence, "all", "rgbd_sequence", **COLOR)
    images, poses = [], []
    for index in range(TAUGHT):
        pose = frames.pose(index)  # type: ignore[attr-defined]  # it is a posed data set
        if pose is None:
            raise SystemExit(f"{sequence}: frame {index} has no pose, and odometry is made of these")
        images.append(frames[index].image.permute(1, 2, 0).numpy())
        poses.append(pose)
    camera = frames[0].intrinsics
    assert camera is not None
    shown = np.stack(images)
    nothing = np.zeros(shown.shape[:3], np.float32)
    return Walk(shown, nothing, np.full(nothing.shape, 255, np.uint8), poses, camera)


def _judged(sequence: Path, folder: Path, polygons: Path | None) -> tuple[Path, dict[str, Any]]:
    """A sequence of the other frames, and the options that it is read with."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(sequence / "camera-intrinsics.txt", folder / "camera-intrinsics.txt")
    names = sorted(path.name.removesuffix(".color.jpg") for path in sequence.glob("*.color.jpg"))[TAUGHT:]
    for name in names:
        for suffix in ("color.jpg", "depth.png", "pose.txt"):
            (folder / f"{name}.{suffix}").symlink_to((sequence / f"{name}.{suffix}").resolve())
    given = dict(COLOR)
    if polygons is not None:
        drawn = json.loads(polygons.read_text(encoding="utf-8"))
        drawn["frames"] = {name: labels for name, labels in drawn["frames"].items() if name in names}
        given["polygons"] = str(folder / "polygons.json")
        atomic_write_bytes(folder / "polygons.json", json.dumps(drawn).encode())
    return folder, given


def _figures(folder: Path, weights: str | Path, options: dict[str, Any]) -> dict[str, float]:
    evaluation = evaluate(folder, weights, split="all", kind="rgbd_sequence", options=options).evaluation
    found: dict[str, float] = {"frames": evaluation.counts.frames}
    for score in evaluation.depth:
        kind = "aligned_" if score.aligned else ""
        found |= {f"{kind}{name}": score.metrics[name] for name in ("abs_rel", "rms", "delta1")}
        if not score.aligned:
            found["scale_ratio"] = score.metrics["scale_ratio"]
    for labels in evaluation.labels[:1]:
        found |= {name: labels.metrics[name] for name in ("mean_iou", "pixel_accuracy")}
    if evaluation.stability is not None and evaluation.stability.pairs:
        found["depth_change"] = evaluation.stability.metrics["depth_change"]
    return {name: float(value) for name, value in found.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
