"""From an image message of a bag to an image that the network can take: decoded, calibrated, rectified, or refused."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cinet_core.bags.definitions import message_store
from cinet_core.bags.reader import BagReader
from cinet_core.bags.topics import CAMERA_INFO, COMPRESSED_IMAGE
from cinet_core.geometry import MIN_NETWORK_SIDE, Intrinsics
from cinet_core.messages.camera import CameraModel, CameraModelCache
from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import decode_image

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PreparedImage:
    """An image that can be predicted.

    Attributes:
        message: it came in.
        image: (H, W, 3) uint8 RGB, rectified.
        valid: (H, W) bool, False where rectification left no source; None where all of it is valid.
        intrinsics: of the image; None where they are unknown.
        camera: model by which it was rectified; None where they are unknown.
    """

    message: Any
    image: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_] | None
    intrinsics: Intrinsics | None
    camera: CameraModel | None


class ImagePreparation:
    """Prepares the images of one camera, as the node's worker does.

    Args:
        msgtype: of the images.
        rectified: whether they arrive rectified.
        assumed_fov: horizontal field of view in degrees where there is no calibration; 0 for none.

    Attributes:
        uncalibrated: why the camera is unknown, the last time that it was; None while it is known.
    """

    def __init__(self, msgtype: str, rectified: bool, assumed_fov: float = 0.0) -> None:
        self.uncalibrated: str | None = None
        self._msgtype = msgtype
        self._decode = decode_compressed if msgtype == COMPRESSED_IMAGE else decode_image
        self._rectified = rectified
        self._assumed_fov = assumed_fov
        self._models = CameraModelCache()

    def __call__(self, data: bytes, info: bytes | None) -> PreparedImage:
        """Read an image and its camera_info, both as CDR.

        Raises:
            ConversionError: it is to be left out, for the reason that the error names; "data" where the bytes are no
                message of this type.
        """
        message = read_message(data, self._msgtype)
        image = self._decode(message)
        if min(image.shape[:2]) < MIN_NETWORK_SIDE:
            needed = f"the network needs {MIN_NETWORK_SIDE} pixels a side"
            raise ConversionError("size", f"image is {image.shape[1]}x{image.shape[0]}: {needed}")
        camera = self._camera(info, image.shape[1], image.shape[0])
        if camera is None:
            return PreparedImage(message, image, None, self._assumed(image), None)
        if not camera.distorted:
            return PreparedImage(message, image, None, camera.intrinsics, camera)
        rectified, valid = camera.rectify(image)
        return PreparedImage(message, rectified, valid, camera.intrinsics, camera)

    def _camera(self, info: bytes | None, width: int, height: int) -> CameraModel | None:
        if info is None:
            self.uncalibrated = "there is no camera_info"
            return None
        try:
            camera = self._models.get(read_message(info, CAMERA_INFO), width, height, self._rectified)
        except ConversionError as error:
            if error.reason != "no_intrinsics":
                raise
            self.uncalibrated = str(error)
            return None
        self.uncalibrated = None
        return camera

    def _assumed(self, image: Array) -> Intrinsics | None:
        if self._assumed_fov <= 0:
            return None
        return Intrinsics.from_fov(image.shape[1], image.shape[0], self._assumed_fov)


def read_message(data: bytes, msgtype: str) -> Any:
    """A message of its CDR.

    Raises:
        ConversionError: "data".
    """
    try:
        return message_store().deserialize_cdr(data, msgtype)
    except Exception as error:  # of cut bytes, which may also look like a huge sequence
        raise ConversionError(
            "data", f"{len(data)} bytes are no {msgtype} ({type(error).__name__}: {error}): the bag is damaged here"
        ) from error


def first_messages(reader: BagReader, connection: Connection, limit: int = 5) -> Iterator[Any]:
    """The first messages of a topic, at most so many, without those that cannot be read."""
    for _, _, data in itertools.islice(reader.messages([connection]), limit):
        with contextlib.suppress(ConversionError):
            yield read_message(data, connection.msgtype)


def first_message(reader: BagReader, connection: Connection) -> Any | None:
    """The first message of a topic that can be read; None where there is none among the first few."""
    return next(first_messages(reader, connection), None)


def stamp_or(data: bytes, time_ns: int) -> int:
    """`header_stamp`; the time of recording where the message is too short."""
    stamp = header_stamp(data)
    return time_ns if stamp is None else stamp


def header_stamp(data: bytes) -> int | None:
    """Stamp in nanoseconds of the CDR of a message that begins with a header; None where it is too short."""
    if len(data) < 12:
        return None
    order = "little" if data[1] & 1 else "big"
    seconds = int.from_bytes(data[4:8], order, signed=True)  # type: ignore[arg-type]  # it is one of the two
    return seconds * 1_000_000_000 + int.from_bytes(data[8:12], order)  # type: ignore[arg-type]
