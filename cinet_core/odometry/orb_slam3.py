"""RGB-D tracking by ORB-SLAM3, for those who install it: `pip install pyorbslam3` (GPL-3.0, so that it is no part of
this package). Its vocabulary is fetched on first use, or named by the environment variable PYORBSLAM3_VOCAB."""

from __future__ import annotations

import importlib
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.odometry.consistent_camera import ConsistentCamera

__all__ = ["OrbSlam3", "settings_text"]

FEATURES = 1000
BASELINE = 0.08
"""Metres, of the stereo pair that ORB-SLAM3 imagines behind a depth image; points within 40 of it count as near."""


class OrbSlam3:
    """Tracking against a local map, with ORB-SLAM3's own outlier rejection; pixels decide more than depth does.

    A frame that is lost is counted, and the camera is taken to have stood still meanwhile.

    Args:
        max_depth: metres; farther points are taken to be without depth.
        rate: frames a second.

    Attributes:
        poses: (4, 4) float64 of every frame when it was tracked, not as the map was improved later: its camera's
            coordinates to the first one's, metres.
        lost: frames in which tracking failed.

    Raises:
        ValueError: a setting is not above 0, or pyorbslam3 is not installed.
    """

    def __init__(self, max_depth: float = 4.0, rate: float = 30.0) -> None:
        if not (0.0 < max_depth < math.inf and 0.0 < rate < math.inf):
            raise ValueError(f"max_depth is {max_depth}, rate is {rate}: both must be above 0")
        try:
            self._library: Any = importlib.import_module("pyorbslam3")
        except ModuleNotFoundError as error:
            raise ValueError(f"ORB-SLAM3 is not installed ({error}): pip install pyorbslam3") from error
        self._max_depth, self._rate = max_depth, rate
        self._system: Any | None = None
        self._camera = ConsistentCamera()
        self.poses: list[npt.NDArray[np.float64]] = []
        self.lost = 0

    def track(
        self, image: npt.NDArray[np.uint8], depth: npt.NDArray[np.floating], intrinsics: Intrinsics
    ) -> npt.NDArray[np.float64]:
        """Add the next frame; see `RgbdOdometry.track`.

        Raises:
            ValueError: the sizes differ, or the camera is another than before.
            OSError: the vocabulary cannot be read or fetched.
        """
        self._camera.check(image, depth, intrinsics)
        if self._system is None:
            self._system = self._start(intrinsics)
        near = np.where((depth > 0) & (depth <= self._max_depth), depth, 0.0).astype(np.float32)
        result = self._system.track_rgbd(np.ascontiguousarray(image), near, len(self.poses) / self._rate)
        if result.pose_valid:
            self.poses.append(np.asarray(result.pose_wc, dtype=np.float64))
        else:
            self.lost += 1
            self.poses.append(self.poses[-1] if self.poses else np.eye(4))
        return self.poses[-1]

    def close(self) -> None:
        """Stop the threads of the tracker."""
        if self._system is not None:
            self._system.shutdown()
            self._system = None

    def _start(self, intrinsics: Intrinsics) -> Any:
        vocabulary = self._library.vocabulary_path()
        with tempfile.TemporaryDirectory() as folder:
            settings = Path(folder) / "settings.yaml"
            settings.write_text(settings_text(intrinsics, self._rate), encoding="utf-8")
            return self._library.Slam(vocabulary, settings, self._library.Sensor.RGBD)


def settings_text(intrinsics: Intrinsics, rate: float) -> str:
    """Return the settings file of ORB-SLAM3 for an undistorted camera, RGB images, and depth in metres."""
    k = intrinsics
    values = {
        "File.version": '"1.0"',
        "Camera.type": '"PinHole"',
        **{f"Camera1.{name}": float(value) for name, value in (("fx", k.fx), ("fy", k.fy), ("cx", k.cx), ("cy", k.cy))},
        **dict.fromkeys(("Camera1.k1", "Camera1.k2", "Camera1.p1", "Camera1.p2"), 0.0),
        "Camera.width": k.width,
        "Camera.height": k.height,
        "Camera.fps": round(rate),
        "Camera.RGB": 1,
        "Stereo.ThDepth": 40.0,
        "Stereo.b": BASELINE,
        "RGBD.DepthMapFactor": 1.0,
        "ORBextractor.nFeatures": FEATURES,
        "ORBextractor.scaleFactor": 1.2,
        "ORBextractor.nLevels": 8,
        "ORBextractor.iniThFAST": 20,
        "ORBextractor.minThFAST": 7,
        # read although nothing is shown
        **dict.fromkeys(
            (
                *(f"Viewer.{name}" for name in ("KeyFrameSize", "KeyFrameLineWidth", "GraphLineWidth", "PointSize")),
                *(f"Viewer.{name}" for name in ("CameraSize", "CameraLineWidth")),
                *(f"Viewer.Viewpoint{name}" for name in "XYZF"),
            ),
            1.0,
        ),
    }
    return "%YAML:1.0\n" + "".join(f"{name}: {value}\n" for name, value in values.items())
