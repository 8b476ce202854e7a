"""Pictures of a drive."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cinet_core.obstacles.segmented import ABOVE, BELOW, FLYING, GROUND, STANDING, UNKNOWN
from scripts.robot.controller import RADIUS
from scripts.robot.costmap import CELL, LETHAL
from scripts.robot.costmap import UNKNOWN as UNSEEN
from scripts.robot.drive import Moment
from scripts.robot.rendered_room import RenderedRoom
from scripts.robot.views import SIZE, Image

__all__ = ["Strip"]

COLORS = {UNKNOWN: (60, 60, 60), GROUND: (90, 200, 90), STANDING: (220, 60, 60), ABOVE: (90, 140, 230)}
COLORS |= {BELOW: (240, 220, 70), FLYING: (200, 120, 220)}


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
        per_metre = scale / CELL
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
