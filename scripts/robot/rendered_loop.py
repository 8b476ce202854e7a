"""Drives the robot of `closed_loop` by predicted depth, in rendered rooms: ``python -m scripts.robot.rendered_loop``.

The rooms are the ray-cast ones of `cinet_core.rooms.raycast`: textured, lit, and of another generator than the one that
the default weights learned on. What the robot sees is an image; depth and labels are the network's, or exact ones for
comparison.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from cinet_core.anchors import measure_floor
from cinet_core.correction.corrector import DepthCorrector
from cinet_core.correction.settings import CorrectionSettings
from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.segmented import ABOVE, BELOW, FLYING, GROUND, STANDING, UNKNOWN
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.rooms.raycast.camera import PosedCamera
from cinet_core.rooms.raycast.casting import cast_camera_rays
from cinet_core.rooms.raycast.layout import furnished_room
from cinet_core.rooms.raycast.packing import pack_cameras, pack_scenes
from cinet_core.rooms.raycast.primitives import Scene
from cinet_core.rooms.raycast.renderer import render
from cinet_core.rooms.raycast.tiles import tile_grid
from scripts.robot.box_scene import camera_pose
from scripts.robot.closed_loop import RADIUS, Drive, DriveResult, Moment, drive, in_room, summary
from scripts.robot.costmap import LETHAL, Pose2D, plan
from scripts.robot.costmap import UNKNOWN as UNSEEN

__all__ = ["RenderedRoom", "exact_view", "predicted_view", "rendered_room"]

FINE = 0.025
"""Metres: cells in which the truth is known."""

HEIGHTS = np.linspace(0.04, 0.5, 12)
"""Metres, of the robot's body."""

SIZE, FOV = (320, 240), 70.0
MOUNTED = camera_pose(0.3, 5.0)
CAMERA = Intrinsics.from_fov(*SIZE, FOV)
SETTINGS = ObstacleSettings(half_resolution=False, max_height=0.7, scan_max_height=0.7)

COLORS = {UNKNOWN: (60, 60, 60), GROUND: (90, 200, 90), STANDING: (220, 60, 60), ABOVE: (90, 140, 230)}
COLORS |= {BELOW: (240, 220, 70), FLYING: (200, 120, 220)}

DEPTHS = ("exact", "predicted", "anchored")

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class RenderedRoom:
    """A furnished room that can be rendered, and what stands in it at the height of the robot.

    Attributes:
        scene: to render.
        free: (length, width) metres from each cell of `FINE` to the nearest thing.
        start, goal: metres.
    """

    scene: Scene
    free: npt.NDArray[np.float32]
    start: tuple[float, float]
    goal: tuple[float, float]

    @property
    def length(self) -> float:
        """Metres along x."""
        return self.scene.size[0]

    @property
    def width(self) -> float:
        """Metres along y."""
        return self.scene.size[1]

    def distance(self, x: float, y: float) -> float:
        """Metres from a point on the floor to the nearest thing that the robot would hit."""
        i, j = int(x / FINE), int(y / FINE)
        inside = 0 <= i < self.free.shape[0] and 0 <= j < self.free.shape[1]
        return float(self.free[i, j]) if inside else 0.0


def rendered_room(seed: int) -> RenderedRoom:
    """Return a room with a way of at least 2 m that is 0.7 m wide; of several seeds tried, which this one begins."""
    rng = np.random.default_rng([seed, 2])
    while True:
        scene = furnished_room(rng)
        free = _free(scene)
        ends = _ends(rng, free)
        if ends is not None:
            return RenderedRoom(scene, free, *ends)


def _free(scene: Scene) -> npt.NDArray[np.float32]:
    """Metres from each cell to what is in it at the height of the robot; round solids count as their boxes."""
    shape = tuple(round(side / FINE) for side in scene.size[:2])
    x, y = ((np.arange(count) + 0.5) * FINE for count in shape)
    occupied = np.zeros(shape, dtype=bool)
    for rotation, center, half in zip(*scene.frames, strict=True):
        reach = np.abs(rotation) @ half
        if center[2] - reach[2] > HEIGHTS[-1] or center[2] + reach[2] < HEIGHTS[0]:
            continue
        some = [np.abs(axis - center[i]) <= reach[i] for i, axis in enumerate((x, y))]
        grid = np.stack(np.meshgrid(x[some[0]], y[some[1]], HEIGHTS, indexing="ij"), axis=-1)
        inside = (np.abs((grid - center) @ rotation) <= half).all(axis=-1).any(axis=-1)
        occupied[np.ix_(*some)] |= inside
    padded = np.pad((~occupied).astype(np.uint8), 1)  # walls are around
    return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] * np.float32(FINE)


def _ends(
    rng: np.random.Generator, free: npt.NDArray[np.float32]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """A start and a goal with a way between them; None where the room has none."""
    wide = np.argwhere(free > 0.4)
    if len(wide) == 0:
        return None
    start = wide[rng.integers(len(wide))]
    goal = wide[np.hypot(*(wide - start).T).argmax()]
    if math.dist(start, goal) * FINE < 2.0:
        return None
    coarse = free[1::2, 1::2]
    ends = [tuple((np.minimum(end // 2, np.array(coarse.shape) - 1)).tolist()) for end in (start, goal)]
    if plan(coarse, ends[0], ends[1], 0.35) is None:
        return None
    (a, b), (c, d) = ((start + 0.5) * FINE).tolist(), ((goal + 0.5) * FINE).tolist()
    return (a, b), (c, d)


def _camera(pose: Pose2D) -> PosedCamera:
    """The robot's camera where it stands."""
    return PosedCamera(CAMERA, in_room(pose) @ MOUNTED)


def exact_view(room: RenderedRoom) -> Callable[[Pose2D], DepthFrame]:
    """What a camera with exact depth and labels sees."""
    scene = pack_scenes([room.scene])
    names = torch.cat([scene.label, scene.label.new_full((1,), UNLABELLED)])

    def see(pose: Pose2D) -> DepthFrame:
        views = pack_cameras([_camera(pose)])
        grid = tile_grid(views)
        depth, seen = (grid.to_image(tiles, *SIZE[::-1])[0] for tiles in cast_camera_rays(scene, views, grid))
        return DepthFrame(depth.numpy(), names[seen.long()].numpy(), CAMERA, MOUNTED)

    return see


def predicted_view(
    room: RenderedRoom, predictor: Any, images: list[Image] | None = None, anchored: bool = False
) -> Callable[[Pose2D], DepthFrame]:
    """What the network sees.

    Args:
        room: to be in.
        predictor: a `cinet_core.Predictor` whose labels are NYU40's.
        images: takes the images.
        anchored: correct depth by the height of the camera above the floor, as the node's `anchor: floor` does.
    """
    floor = np.isin(np.arange(256), NYU40.ids(["floor", "floor mat"]))
    corrector, settings = DepthCorrector(NYU40), CorrectionSettings("floor", "off")

    def see(pose: Pose2D) -> DepthFrame:
        rendered = render([room.scene], [_camera(pose)], [hash(pose) % 2**31])
        image = rendered.images[0].permute(1, 2, 0).contiguous().numpy()
        if images is not None:
            images.append(image)
        (seen,) = predictor.predict_batch([image], [CAMERA])
        depth = seen.depth
        if anchored:
            height = measure_floor(floor[seen.labels], depth, CAMERA, MOUNTED[2, 3], MOUNTED[2, :3])
            depth = corrector.correct(seen.outputs, CAMERA, [height], None, math.inf, settings).depth
        return DepthFrame(depth, seen.labels, CAMERA, MOUNTED, seen.outputs["confidence"])

    return see


class Strip:
    """Pictures of a drive, from left to right in time: image, predicted depth, what it is to the robot, costmap.

    Args:
        room: that is driven through.
        images: of the frames so far.
    """

    def __init__(self, room: RenderedRoom, images: list[Image]) -> None:
        self._room, self._images = room, images
        self._columns: list[Image] = []

    def watch(self, moment: Moment) -> None:
        """Take a frame."""
        grid = moment.segmented.grid
        depth = np.clip(np.where(grid.known, grid.depth, 0.0) * (255.0 / 5.0), 0, 255).astype(np.uint8)
        colored = cv2.cvtColor(cv2.applyColorMap(255 - depth, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
        kinds = np.zeros((*grid.depth.shape, 3), np.uint8)
        for kind, color in COLORS.items():
            kinds[moment.segmented.kinds == kind] = color
        self._columns.append(np.vstack([self._images[-1], colored, kinds, self._map(moment)]))

    def _map(self, moment: Moment) -> Image:
        """The costmap from above, x up: truth in outline, the way, the robot where it believes to be."""
        cells = moment.costmap.cells
        drawn = np.full((*cells.shape, 3), 235, np.uint8)
        drawn[cells == UNSEEN] = (150, 150, 150)
        drawn[cells == LETHAL] = (200, 30, 30)
        scale = min(SIZE[0] // cells.shape[1], SIZE[1] // cells.shape[0])
        drawn = np.kron(drawn, np.ones((scale, scale, 1), np.uint8))
        truth = cv2.resize((self._room.free <= 0).astype(np.uint8), drawn.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(truth, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, (0, 0, 0), 1)
        per_metre = scale / 0.05
        for i, j in moment.way or []:
            cv2.circle(drawn, (int((j + 0.5) * scale), int((i + 0.5) * scale)), 1, (40, 90, 220), -1)
        for (x, y), color in ((moment.believed[:2], (20, 140, 20)), (self._room.goal, (230, 150, 0))):
            cv2.circle(drawn, (int(y * per_metre), int(x * per_metre)), int(RADIUS * per_metre), color, 2)
        drawn = drawn[::-1, ::-1]  # x up, y to the left
        canvas = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
        canvas[: drawn.shape[0], : drawn.shape[1]] = drawn
        return canvas

    def save(self, path: Path, columns: int = 6) -> None:
        """Write some of the frames, in even steps, as a picture."""
        chosen = np.linspace(0, len(self._columns) - 1, min(columns, len(self._columns))).round().astype(int)
        strip = np.hstack([self._columns[number] for number in chosen])
        cv2.imwrite(str(path), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR))


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive through several rooms by exact, predicted and anchored depth, and print how each went."""
    parser = argparse.ArgumentParser(description="Drives through rendered rooms by predicted depth.")
    parser.add_argument("--rooms", type=int, default=10, metavar="N", help="(%(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="of the first room (%(default)s)")
    parser.add_argument(
        "--depth", nargs="+", default=list(DEPTHS), choices=DEPTHS, help="whose (all); anchored: by the camera's height"
    )
    parser.add_argument("--weights", default="default", help="of the network (%(default)s)")
    parser.add_argument("--period", type=float, default=0.4, help="seconds between images (%(default)s)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a drive (%(default)s)")
    parser.add_argument("--strips", type=Path, metavar="FOLDER", help="write a strip of pictures of each drive there")
    options = parser.parse_args(arguments)
    import cinet_core

    how = Drive(latency=options.period, period=options.period, limit=options.limit, size=SIZE)
    results: dict[str, list[DriveResult]] = {name: [] for name in options.depth}
    with cinet_core.load(options.weights) as predictor:
        for seed in range(options.first, options.first + options.rooms):
            room = rendered_room(seed)
            for name, found in results.items():
                images: list[Image] = []
                strip = Strip(room, images) if options.strips and name != "exact" else None
                predicted = predicted_view(room, predictor, images, name == "anchored")
                see, watch = exact_view(room) if name == "exact" else predicted, strip.watch if strip else None
                found.append(drive(room, how, seed, SETTINGS, see, watch))
                print(f"room {seed}, {name}: {found[-1]}", flush=True)
                if strip is not None:
                    strip.save(options.strips / f"room_{seed}_{name}.png")
    for name, found in results.items():
        print(f"{name} depth: {summary(found)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
