"""Transforms between frames that never move against each other, as ``/tf_static`` of a bag has them."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt

from cinet_core.bags.frames import read_message
from cinet_core.bags.reader import BagReader
from cinet_core.messages.errors import ConversionError
from cinet_core.poses import MAX_NORM_ERROR, Pose

__all__ = ["StaticTransforms", "transform_of"]

TOPIC, TYPE = "tf_static", "tf2_msgs/msg/TFMessage"

Matrix = npt.NDArray[np.float64]


class StaticTransforms:
    """The static transforms of a bag; the last one holds where a pair of frames was published several times.

    Args:
        reader: of the bag. Without ``/tf_static`` in it there are none.
    """

    def __init__(self, reader: BagReader) -> None:
        self._edges: dict[str, dict[str, Matrix]] = {}
        chosen = [item for item in reader.connections if item.topic.strip("/") == TOPIC and item.msgtype == TYPE]
        for connection, _, data in reader.messages(chosen) if chosen else ():
            try:
                message = read_message(data, connection.msgtype)
            except ConversionError:  # a damaged message is one of many
                continue
            for item in message.transforms:
                at, turn = item.transform.translation, item.transform.rotation
                matrix = transform_of((at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w))
                if matrix is not None:
                    parent, child = item.header.frame_id.strip("/"), item.child_frame_id.strip("/")
                    self._edges.setdefault(parent, {})[child] = matrix
                    self._edges.setdefault(child, {})[parent] = np.asarray(np.linalg.inv(matrix), np.float64)

    def between(self, target: str, source: str) -> Matrix | None:
        """(4, 4), coordinates in the frame `source` to those in `target`; None where no transforms connect them."""
        target, source = target.strip("/"), source.strip("/")
        found: dict[str, Matrix] = {target: np.eye(4)}
        waiting = deque([target])
        while waiting and source not in found:
            frame = waiting.popleft()
            for other, matrix in self._edges.get(frame, {}).items():
                if other not in found:
                    found[other] = found[frame] @ matrix
                    waiting.append(other)
        return found.get(source)


def transform_of(values: tuple[float, ...]) -> Matrix | None:
    """(4, 4) of x y z qx qy qz qw; None where they are no transform."""
    norm = math.hypot(*values[3:]) if len(values) == 7 else math.nan
    if not (all(map(math.isfinite, values)) and abs(norm - 1.0) <= MAX_NORM_ERROR):
        return None
    turn = np.asarray(values[3:], dtype=np.float64) / norm
    return Pose(0, np.asarray(values[:3], dtype=np.float64), turn).matrix()
