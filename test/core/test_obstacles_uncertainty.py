"""What depth is uncertain by hides no obstacle that the floor tells, and calls nothing free that may stand there."""

from __future__ import annotations

import cv2
import numpy as np

from cinet_core.label_sets import NYU40
from cinet_core.obstacles.clouds import obstacle_points
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.segmented import GROUND, STANDING, UNKNOWN, segment
from cinet_core.obstacles.settings import ObstacleSettings
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render

LOW = camera_pose(0.3)
BACK_WALL = SceneBox((5.0, -6.0, 0.0), (5.2, 6.0, 3.0), "wall")
BOX_ON_THE_FLOOR = SceneBox((1.5, -0.1, 0.0), (1.7, 0.1, 0.06), "box")


def found_box(frame: DepthFrame, uncertainty: np.ndarray) -> bool:
    sure = DepthFrame(frame.depth, frame.labels, frame.intrinsics, LOW, uncertainty=uncertainty.astype(np.float32))
    return len(obstacle_points(segment(sure, NYU40))) > 0


def test_what_is_less_certain_than_the_floor_must_rise_higher() -> None:
    frame = render([floor(), BACK_WALL, BOX_ON_THE_FLOOR], LOW)
    box = frame.labels == NYU40.ids(["box"])[0]
    for share, found in ((0.0, True), (0.3, False), (np.nan, True)):
        assert found_box(frame, frame.depth * np.where(box, share, 0.0)) == found
    assert found_box(frame, frame.depth * np.where(box, 0.3, 0.299)), "hardly less"


def test_what_may_stand_on_the_floor_is_not_free() -> None:
    """Neither where it is less certain than the floor, nor where no floor is seen that it could be compared with."""
    frame = render([floor(), BACK_WALL, SceneBox((1.5, -0.1, 0.0), (1.7, 0.1, 0.12), "box")], LOW)
    box = frame.labels == NYU40.ids(["box"])[0]
    whole = ObstacleSettings(half_resolution=False)
    for labels, kind in ((frame.labels, UNKNOWN), (np.where(box, NYU40.ids(["floor"])[0], frame.labels), GROUND)):
        unsure = (frame.depth * np.where(box, 0.3, 0.0)).astype(np.float32)
        seen = DepthFrame(frame.depth, labels.astype(np.uint8), frame.intrinsics, LOW, uncertainty=unsure)
        kinds = segment(seen, NYU40, whole).kinds[box]
        assert np.mean(kinds == kind) > 0.5, "what is labelled as floor is floor where nothing contradicts it"
        assert not (kinds == STANDING).any()
    wall = render([SceneBox((0.5, -4.0, 0.0), (0.7, 4.0, 1.0), "wall")], LOW)
    unsure = 0.4 * wall.depth
    alone = segment(DepthFrame(wall.depth, wall.labels, wall.intrinsics, LOW, uncertainty=unsure), NYU40, whole)
    assert alone.ground.source == "pose"
    near = (alone.heights > 0.1) & np.isfinite(wall.depth)
    assert near.any()
    assert not (alone.kinds[near] == GROUND).any()
    high = near & (alone.heights > 0.25) & (alone.heights < 0.9)
    assert (alone.kinds[high] == STANDING).all(), "no error of depth lifts the floor to the height of the camera"


def test_an_uncertain_scale_hides_no_box() -> None:
    """Depth that is off as a whole moves the floor with the box; depth that scatters does not."""
    frame = render([floor(), BACK_WALL, BOX_ON_THE_FLOOR], LOW)
    for factor in (0.8, 1.0, 1.2):
        scaled = DepthFrame(frame.depth * np.float32(factor), frame.labels, frame.intrinsics, LOW)
        assert found_box(scaled, 0.3 * scaled.depth)
    whole = ObstacleSettings(half_resolution=False)
    waves = np.random.default_rng(0).standard_normal((24, 32)).astype(np.float32)
    noise = 1.0 + 0.15 * cv2.resize(waves, frame.depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    rough, standing = frame.depth * noise, {}
    is_floor = frame.labels == NYU40.ids(["floor"])[0]
    for share in (0.01, 0.15):
        said = DepthFrame(rough, frame.labels, frame.intrinsics, LOW, uncertainty=share * rough)
        standing[share] = np.mean(segment(said, NYU40, whole).kinds[is_floor] == STANDING)
    assert standing[0.01] > 0.03
    assert standing[0.15] < 0.3 * standing[0.01]
