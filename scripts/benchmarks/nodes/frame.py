"""One frame as the node has it after the network: what the cloud and the floor of publishing are measured with."""

from __future__ import annotations

import numpy as np
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.messages.colors import LabelPainter
from cinet_core.messages.result import Result
from scripts.benchmarks.nodes.camera import FOCAL, FRAME_ID, HEIGHT, WIDTH

LABEL_SET = NYU40
# Squares of one class, as large as furniture.
BLOCK = 40


def example_result(height: int = HEIGHT, width: int = WIDTH) -> Result:
    """Depth that is known everywhere, labels in squares, an image of noise; the same each time.

    Args:
        height: of all images, a multiple of 40.
        width: likewise.
    """
    random = np.random.default_rng(0)
    depth = np.linspace(1.0, 5.0, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    classes = random.integers(0, len(LABEL_SET.classes), (height // BLOCK, width // BLOCK), dtype=np.uint8)
    return Result(
        header=Header(frame_id=FRAME_ID),
        image=random.integers(0, 256, (height, width, 3), dtype=np.uint8),
        outputs={
            "depth": depth,
            "labels": np.kron(classes, np.ones((BLOCK, BLOCK), dtype=np.uint8)),
            "confidence": random.integers(0, 256, (height, width), dtype=np.uint8),
        },
        intrinsics=Intrinsics(FOCAL, FOCAL, (width - 1) / 2, (height - 1) / 2, width, height),
        painter=LabelPainter(LABEL_SET.palette),
    )
