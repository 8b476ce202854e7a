"""What the user of a bag should know of the camera: no calibration, another lens than in training, unusable stamps."""

from __future__ import annotations

from collections.abc import Callable

from cinet_core.geometry import Intrinsics
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.preparation import PreparedImage
from cinet_core.messages.stamps import DUPLICATE, ZERO, StampWatch

__all__ = ["CameraWarnings"]

_STAMPS = {ZERO: "are 0", DUPLICATE: "do not change from image to image"}


class CameraWarnings:
    """Collects warnings about the images of a topic, each once.

    Args:
        topic: of the images.
        focal_warning: what is to be said about a lens, or None.

    Attributes:
        texts: the warnings so far.
    """

    def __init__(self, topic: str, focal_warning: Callable[[Intrinsics], str | None]) -> None:
        self.texts: list[str] = []
        self._topic = topic
        self._focal_warning = focal_warning
        self._stamps = StampWatch()

    def add(self, image: PreparedImage) -> None:
        """Look at the next image."""
        if image.intrinsics is None:
            self._warn(
                f"{image.uncalibrated}: the training camera's focal length is assumed, distances are off by "
                "the ratio, and neither points nor camera_info are written; set assumed_fov in a parameter file"
            )
        else:
            self._warn(self._focal_warning(image.intrinsics))
        state = _STAMPS.get(self._stamps.odd(stamp_of(image.message)) or "")
        if state:
            self._warn(
                f"the header stamps of {self._topic} {state}, and so are those of the outputs: play the bag "
                "by its time of recording, and set the clock or the stamps of the camera's driver"
            )

    def _warn(self, text: str | None) -> None:
        if text and text not in self.texts:
            self.texts.append(text)
