"""Render the frames that backends are compared and calibrated on: ``python -m scripts.example_rooms``.

Writes cinet_core/inference/example_rooms.webp and .json. Backends are judged by their frames, so a new set is to be
followed by ``pytest test/core/test_quantization.py test/core/test_backends.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.inference.example_rooms import CALIBRATION, CAMERAS, COMPARISON, IMAGES
from cinet_core.rooms.raycast import SyntheticRooms

WIDTH, HEIGHT = 320, 240
SEEDS = ((0, len(COMPARISON)), (1, len(CALIBRATION)))
"""Seeds of the ray caster and rooms of each, in the order of the file."""
QUALITY = 50
"""Of WebP: 119 kB. With 80 (202 kB), or rooms rendered afresh, integers of 8 bits come no nearer to the answers in
float32."""


def frames() -> Iterator[tuple[npt.NDArray[np.uint8], Intrinsics]]:
    """Images (HEIGHT, WIDTH, 3) uint8 RGB and their cameras."""
    for seed, count in SEEDS:
        rooms = SyntheticRooms(count, seed, WIDTH, HEIGHT)
        for index in range(count):
            view = rooms.view(index)
            yield rooms.render_views([view]).images[0].permute(1, 2, 0).numpy(), view.camera.intrinsics


def main() -> int:
    """Write both files."""
    images, cameras = zip(*frames(), strict=True)
    strip = cv2.cvtColor(np.concatenate(images), cv2.COLOR_RGB2BGR)
    found, encoded = cv2.imencode(".webp", strip, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not found:
        print("this OpenCV has no WebP: install opencv-python", file=sys.stderr)
        return 1
    IMAGES.write_bytes(encoded.tobytes())
    intrinsics = [[round(value, 4) for value in (k.fx, k.fy, k.cx, k.cy)] for k in cameras]
    text = json.dumps({"width": WIDTH, "height": HEIGHT, "intrinsics": intrinsics})
    CAMERAS.write_text(text.replace("[[", "[\n[").replace("], [", "],\n[") + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
