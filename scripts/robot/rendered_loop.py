"""Drives the robot through rendered rooms by exact, predicted and anchored depth.

``python -m scripts.robot.rendered_loop drive FOLDER`` leaves one file for each drive there, and goes on where it was
stopped; ``python -m scripts.robot.rendered_loop summary FOLDER`` tells what is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.atomic_file import atomic_write_bytes
from scripts.robot.drive import Drive, drive
from scripts.robot.rendered_room import rendered_room
from scripts.robot.strip import Strip
from scripts.robot.views import ANCHORED, CAMERA, DEPTHS, SETTINGS, SIZE, ExactView, Lidar, NetworkCamera, PredictedView

__all__ = ["Job", "main", "read_results", "run", "summarize", "table"]

REVISION = 4
"""Of costmap, controller and recoveries: drives of another one are not compared with these."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One drive.

    Attributes:
        seed: of the room.
        depth: one of `DEPTHS`.
        weights: what is to be loaded.
        model: hash of these weights; empty for exact depth.
        how: what makes it hard.
        temporal: "field" or "off".
        backend: that runs the network.
    """

    seed: int
    depth: str
    weights: str
    model: str
    how: Drive
    temporal: str = "field"
    backend: str = "torch"

    @property
    def settings(self) -> dict[str, Any]:
        """What the outcome depends on, beside room, depth and network."""
        lidar = {"height": Lidar.HEIGHT, "sigma": Lidar.SIGMA, "step": Lidar.STEP}
        return {
            "revision": REVISION,
            "drive": dataclasses.asdict(self.how),
            "obstacles": dataclasses.asdict(SETTINGS),
            "camera": dataclasses.asdict(CAMERA),
            **({"temporal": self.temporal} if self.depth in ANCHORED else {}),
            **({"lidar": lidar} if self.depth in ("scan", "auto") else {}),
        }

    @property
    def name(self) -> str:
        """Of the file, without its end."""
        text = json.dumps([self.settings, self.model], sort_keys=True)
        return f"room_{self.seed:03d}_{self.depth}_{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def run(job: Job, camera: NetworkCamera, strips: Path | None = None) -> dict[str, Any]:
    """Drive, and return what there is to tell.

    Args:
        job: the drive.
        camera: of its room.
        strips: folder that takes a strip of pictures, where depth is predicted.
    """
    room = camera.room
    began = time.process_time()
    exact = job.depth == "exact"
    see = PredictedView(camera, job.depth if job.depth in ANCHORED else "none", job.temporal, job.seed)
    strip = Strip(room, see.images) if strips and not exact else None
    found = drive(room, job.how, job.seed, SETTINGS, ExactView(room) if exact else see, strip.watch if strip else None)
    if strips and strip is not None:
        strip.save(strips / f"{job.name}.png")
    return {
        "room": job.seed,
        "depth": job.depth,
        "model": job.model,
        "settings": job.settings,
        "backend": "" if exact else job.backend,
        "apart": math.dist(room.start, room.goal),
        "frames": len(see.images),
        "frame_seconds": [float(np.quantile(see.seconds, q)) for q in (0.1, 0.5, 0.9)] if see.seconds else [],
        "scales": [float(np.quantile([r.scale for r in see.reports], q)) for q in (0.1, 0.5, 0.9)]
        if see.reports
        else [],
        "processor_seconds": time.process_time() - began,
        "result": dataclasses.asdict(found),
    }


def read_results(folder: Path) -> Iterator[dict[str, Any]]:
    """The drives that a folder holds, by room and depth."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("room_*.json")]
    yield from sorted(found, key=lambda one: (one["room"], DEPTHS.index(one["depth"])))


def summarize(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures of each depth, network and settings; the rooms of each group may differ.

    Beside the goals that were reached, of those missed: how many were given up, ended beside the goal, or ran out of
    time.
    """
    groups: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    for one in results:
        settings = json.dumps(one["settings"], sort_keys=True)
        groups.setdefault((DEPTHS.index(one["depth"]), one["model"], settings), []).append(one)
    return [_figures(groups[key]) for key in sorted(groups)]


def _figures(drives: list[dict[str, Any]]) -> dict[str, Any]:
    found = [one["result"] for one in drives]
    reached = [one for one in found if one["reached"]]
    missed = [one for one in found if not one["reached"] and not one["collided"]]
    limit = drives[0]["settings"]["drive"]["limit"]
    late = [one for one in missed if not one["given_up"] and one["seconds"] >= limit - 0.05]
    beside = [one for one in missed if not one["given_up"] and one not in late]
    seconds = [one["frame_seconds"][1] for one in drives if one["frame_seconds"]]
    return {
        "depth": drives[0]["depth"],
        "model": drives[0]["model"][:12],
        "drives": len(found),
        "rooms": [min(one["room"] for one in drives), max(one["room"] for one in drives)],
        "reached": len(reached),
        "collided": sum(one["collided"] for one in found),
        "given_up": sum(one["given_up"] for one in missed),
        "beside_the_goal": len(beside),
        "beside_by": float(np.median([one["left"] for one in beside])) if beside else None,
        "out_of_time": len(late),
        "median_seconds": float(np.median([one["seconds"] for one in reached])) if reached else None,
        "stops_per_drive": float(np.mean([one["stops"] for one in found])),
        "recoveries_per_drive": float(np.mean([one["recoveries"] for one in found])),
        "nearest": min(one["nearest"] for one in found),
        "frame_seconds": float(np.median(seconds)) if seconds else None,
    }


def table(figures: Sequence[dict[str, Any]]) -> str:
    """The figures in Markdown."""
    lines = [
        "| depth | drives | reached | collided | gave up | beside the goal | out of time | median to the goal [s] | "
        "stood for nothing [s] | recoveries | nearest [m] | frame [ms] |",
        "|---|" + "---:|" * 11,
    ]
    for one in figures:
        ready = "" if one["frame_seconds"] is None else f"{1000 * one['frame_seconds']:.0f}"
        seconds = "" if one["median_seconds"] is None else f"{one['median_seconds']:.1f}"
        counts = " | ".join(
            str(one[key]) for key in ("drives", "reached", "collided", "given_up", "beside_the_goal", "out_of_time")
        )
        lines.append(
            f"| {one['depth']} | {counts} | {seconds} | {one['stops_per_drive']:.1f} | "
            f"{one['recoveries_per_drive']:.1f} | {one['nearest']:.2f} | {ready} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive through several rooms, or tell how the drives in a folder went."""
    parser = argparse.ArgumentParser(description="Drives through rendered rooms by predicted depth.")
    commands = parser.add_subparsers(dest="command", required=True)
    driving = commands.add_parser("drive", help="drive, room by room; drives that the folder has are not repeated")
    driving.add_argument("folder", type=Path, help="takes one file for each drive")
    driving.add_argument("--rooms", type=int, default=10, metavar="N", help="(%(default)s)")
    driving.add_argument("--first", type=int, default=100, metavar="SEED", help="of the first room (%(default)s)")
    driving.add_argument("--depth", nargs="+", default=list(DEPTHS), choices=DEPTHS, help="whose (all)")
    driving.add_argument("--weights", default="default", help="of the network (%(default)s)")
    driving.add_argument("--backend", default="torch", help="that runs the network (%(default)s)")
    driving.add_argument("--temporal", default="field", choices=("field", "off"), help="of anchors (%(default)s)")
    driving.add_argument("--period", type=float, default=0.4, help="seconds between images (%(default)s)")
    driving.add_argument("--latency", type=float, default=0.3, help="seconds to the costmap (%(default)s)")
    driving.add_argument("--limit", type=float, default=60.0, help="seconds for a drive (%(default)s)")
    driving.add_argument("--strips", action="store_true", help="leave a strip of pictures of each drive beside it")
    telling = commands.add_parser("summary", help="tell how the drives in a folder went")
    telling.add_argument("folder", type=Path, help="of the drives")
    telling.add_argument("--json", action="store_true", help="as JSON instead of a table")
    options = parser.parse_args(arguments)
    if options.command == "summary":
        figures = summarize(list(read_results(options.folder)))
        print(json.dumps(figures, indent=2) if options.json else table(figures))
        return 0
    return _drive(options)


def _drive(options: argparse.Namespace) -> int:
    import cinet_core

    options.folder.mkdir(parents=True, exist_ok=True)
    how = Drive(
        latency=options.latency,
        period=options.period,
        way_bias=0.01,
        turn_bias=0.003,
        limit=options.limit,
        size=SIZE,
    )
    with cinet_core.load(options.weights, backend=options.backend) as predictor:
        for seed in range(options.first, options.first + options.rooms):
            camera: NetworkCamera | None = None
            for depth in options.depth:
                model = "" if depth == "exact" else predictor.model_hash
                job = Job(seed, depth, options.weights, model, how, options.temporal, options.backend)
                path = options.folder / f"{job.name}.json"
                if path.exists():
                    continue
                camera = camera or NetworkCamera(rendered_room(seed), predictor)
                found = run(job, camera, options.folder if options.strips else None)
                atomic_write_bytes(path, json.dumps(found, indent=1).encode())
                print(f"room {seed}, {depth}: {found['result']}", flush=True)
    print(table(summarize(list(read_results(options.folder)))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
