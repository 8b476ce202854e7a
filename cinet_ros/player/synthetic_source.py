"""The synthetic room as a source of frames: a closed loop of a few views, at the size and with the lens asked for."""

from __future__ import annotations

from collections.abc import Iterator

from cinet_core.data.frame_sources import Frame, SourceError
from cinet_core.geometry import Intrinsics
from cinet_core.rooms.demo.room import SyntheticRoom


class SyntheticSource:
    """`FrameSource` of colour views only: depth and labels of every view would triple what is kept in memory.

    Args:
        intrinsics: of the camera, and the size of its images.
        frames: views in the loop.
    """

    name = "synthetic"
    rate: float | None = None

    def __init__(self, intrinsics: Intrinsics, frames: int) -> None:
        self.failures: list[SourceError] = []
        self._room = SyntheticRoom(intrinsics=intrinsics)
        self._frames = frames

    def __len__(self) -> int:
        """Number of views."""
        return self._frames

    def __iter__(self) -> Iterator[Frame]:
        """Views in the order in which the camera passes them; the one after the last is the first."""
        for index in range(self._frames):
            view = self._room.render(index, self._frames)
            yield Frame(f"{self.name}_{index:06d}", view.image, intrinsics=self._room.intrinsics)
