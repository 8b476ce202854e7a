"""What Nav2's default behaviour tree does where there is no way, or no progress.

From ``nav2_bt_navigator/behavior_trees/navigate_to_pose_w_replanning_and_recovery.xml``: the costmap is cleared and
marked anew by the newest frame; if that does not help, one recovery after the other: clear again, spin, wait, back up.
After six of them the goal is given up. Progress is that of ``SimpleProgressChecker``.
"""

from __future__ import annotations

import math

from scripts.robot.controller import RADIUS, TICK, clear_at, moved
from scripts.robot.costmap import Costmap, Pose2D

__all__ = ["Recovery"]

RETRIES = 6
"""Recoveries of one drive: ``number_of_retries`` of NavigateRecovery."""

SPIN, SPIN_SPEED = 1.57, 1.0
"""Radians, and radians a second."""

WAIT = 5.0
"""Seconds."""

BACK, BACK_SPEED = 0.3, 0.15
"""Metres, and metres a second."""

PROGRESS, PATIENCE = 0.5, 10.0
"""Metres that are to be made within so many seconds."""

ROUND = ("clear", "spin", "wait", "back up")


class Recovery:
    """The recoveries of one drive.

    Attributes:
        count: recoveries that were begun.
        given_up: there were as many as are allowed, and one more would be needed.
    """

    def __init__(self) -> None:
        self.count = 0
        self.given_up = False
        self._action, self._left = "", 0.0
        self._mark: tuple[float, Pose2D] | None = None
        self._cleared = False

    @property
    def clears(self) -> bool:
        """The recovery that was begun last is to clear the costmap."""
        return self._action == "clear"

    @property
    def busy(self) -> bool:
        """A recovery is under way, and nothing else moves the robot."""
        return self._left > 0.0

    def begin(self) -> None:
        """Begin with the next one."""
        if self.count == RETRIES:
            self.given_up = True
            return
        self._action = ROUND[self.count % len(ROUND)]
        self.count += 1
        seconds = {"clear": TICK, "spin": SPIN / SPIN_SPEED, "wait": WAIT, "back up": BACK / BACK_SPEED}
        self._left = seconds[self._action]
        self._mark = None

    def command(self, costmap: Costmap, pose: Pose2D) -> tuple[float, float]:
        """Speed and turn of what is under way. It ends before what the costmap has behind the robot."""
        self._left -= TICK
        if self._left < TICK / 2:
            self._left = 0.0
        if self._action == "spin":
            return 0.0, SPIN_SPEED
        if self._action == "back up":
            behind = moved(moved(pose, -BACK_SPEED, 0.0), -BACK_SPEED, 0.0)
            if clear_at(costmap, costmap.clearance(), behind) >= RADIUS:
                return -BACK_SPEED, 0.0
            self._left = 0.0
        return 0.0, 0.0

    def stuck(self, now: float, pose: Pose2D) -> str:
        """What the robot that drives needs: nothing, "clear" where it has not come on for long, "recovery" if again."""
        if self._mark is None or math.dist(pose[:2], self._mark[1][:2]) > PROGRESS:
            self._mark, self._cleared = (now, pose), False
        if now - self._mark[0] <= PATIENCE:
            return ""
        self._mark = (now, self._mark[1])
        self._cleared = not self._cleared
        return "clear" if self._cleared else "recovery"
