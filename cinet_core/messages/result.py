"""What is published of one frame, before it becomes messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.messages.colors import LabelPainter, unpack_rgb
from cinet_core.messages.preparation import PreparedImage
from cinet_core.messages.settings import OutputSettings
from cinet_core.tasks import TASKS, erase

if TYPE_CHECKING:
    from cinet_core.inference.prediction import Prediction

__all__ = ["Array", "Result"]

Array = npt.NDArray[Any]


@dataclass
class Result:
    """The result of one processed frame. All images have the published size (H, W).

    Attributes:
        header: of the input image, copied to every output.
        image: (H, W, 3) uint8 RGB.
        outputs: of the tasks by name, (H, W) or (H, W, channels), as `cinet_core.tasks.OutputSpec` describes them;
            those of depth and segmentation are there always, and have properties.
        intrinsics: of the published size; None where the camera is unknown (no cloud, no camera_info then).
        painter: of the label set.
        deviation: works out the uncertainty of corrected depth, metres; None where depth was not corrected.
    """

    header: Any
    image: Array
    outputs: dict[str, Array]
    intrinsics: Intrinsics | None
    painter: LabelPainter
    deviation: Callable[[], Array] | None = None

    @cached_property
    def uncertainty(self) -> Array | None:
        """(H, W) float32 metres, of depth: after correction, else by the network; None where neither says it."""
        return self.outputs.get("depth_uncertainty") if self.deviation is None else self.deviation()

    @property
    def depth(self) -> Array:
        """(H, W) float32 metres along z, NaN where invalid."""
        return self.outputs["depth"]

    @property
    def labels(self) -> Array:
        """(H, W) uint8 class ids, 255 unlabelled."""
        return self.outputs["labels"]

    @property
    def confidence(self) -> Array:
        """(H, W) uint8, 0 .. 255."""
        return self.outputs["confidence"]

    def __getitem__(self, name: str) -> Array:
        """An output by its name."""
        return self.outputs[name]

    @classmethod
    def of(
        cls,
        prediction: Prediction,
        prepared: PreparedImage,
        painter: LabelPainter,
        settings: OutputSettings,
    ) -> Result:
        """Create the result of a prediction, whose arrays are changed in place.

        Args:
            prediction: of the image.
            prepared: the image, of the camera's size.
            painter: of the label set.
            settings: current ones.
        """
        outputs = dict(prediction.outputs)
        height, width = outputs["depth"].shape
        image, valid = prepared.image, prepared.valid
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            valid = None if valid is None else cv2.resize(
                valid.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            ).astype(bool)  # fmt: skip
        for task in TASKS:
            if task.adjust is not None and task.outputs[0].name in outputs:
                task.adjust(outputs, settings)
        if valid is not None:
            erase(outputs, ~valid)
        return cls(prepared.message.header, image, outputs, prediction.intrinsics, painter)

    @cached_property
    def packed_color(self) -> Array:
        """The (H, W) uint32 palette colour of every pixel, packed as in a point cloud."""
        return self.painter.packed(self.labels)

    @cached_property
    def color(self) -> Array:
        """The (H, W, 3) uint8 RGB palette colour of every pixel."""
        return unpack_rgb(self.packed_color, np.empty((*self.labels.shape, 3), dtype=np.uint8))
