"""Playback of a source as messages: one `PlayedFrame` per frame, with camera_info and its time in the source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from cinet_core.data.bag_paths import is_bag
from cinet_core.data.frame_sources import SYNTHETIC, Frame, FrameSource, SyntheticSource, open_source
from cinet_core.geometry import Intrinsics
from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.encoding import camera_info_message
from cinet_core.messages.fields import stamp_of
from cinet_core.messages.images import decode_image
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.player.bag_source import BagFrame, BagSource
from cinet_ros.player.image_encoder import CompressedEncoder, ImageEncoder
from cinet_ros.player.parameters import AS_SOURCE, COMPRESSED, PlayerSettings

# Rate of a source that has none of its own (Hz).
DEFAULT_RATE = 15.0
# Lens of the synthetic camera (degrees, horizontal): that of most RGB-D cameras.
SYNTHETIC_FOV = 62.0
DEFAULT_FRAME_ID = "camera_optical_frame"

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class PlayedFrame:
    """The messages of one frame, complete except for the stamp.

    Attributes:
        image: frame_id is set; the object may be reused for the next image.
        camera_info: the same frame_id; None where nothing is known about the camera.
        time_ns: when it was taken or recorded, on the source's own clock, for pacing.
        stamp_ns: its stamp on the source's own clock.
    """

    image: Image | CompressedImage
    camera_info: CameraInfo | None
    time_ns: int
    stamp_ns: int


class Playback(Protocol):
    """A source for the player: items that a background thread may load, and their conversion to messages.

    Attributes:
        description: for the log.
        notes: for the log, before playing.
        faults: of the source, for the log; grows while playing.
        compressed: whether the images are `CompressedImage`.
        nominal_rate: frames per second where the items' times cannot tell.
        items: iterated once for each time the source is played.
    """

    description: str
    notes: Sequence[str]
    faults: Sequence[str]
    compressed: bool
    nominal_rate: float
    items: Iterable[Any]

    def played_frame(self, index: int, item: Any) -> PlayedFrame:
        """Return the messages of the item at this index of the source.

        Raises:
            ValueError: the item cannot be sent in the wanted encoding.
        """


class FramePlayback:
    """Playback of an image, a folder, a video or the synthetic scene.

    Args:
        source: its frames need not all have one size.
        settings: of the player.
    """

    def __init__(self, source: FrameSource, settings: PlayerSettings) -> None:
        self.description = source.name
        self.notes: Sequence[str] = ()
        self.faults: Sequence[str] = ()
        self.compressed = settings.encoding == COMPRESSED
        self.nominal_rate = settings.rate or source.rate or DEFAULT_RATE
        self.items: Iterable[Frame] = source
        self._settings = settings
        self._frame_id = settings.frame_id or DEFAULT_FRAME_ID
        self._encoder = _encoder("rgb8" if settings.encoding == AS_SOURCE else settings.encoding, settings)

    def played_frame(self, index: int, frame: Frame) -> PlayedFrame:
        """Return the messages of the frame at this index of the source, see `Playback`."""
        image = self._encoder.encode(frame.image)
        image.header.frame_id = self._frame_id
        height, width = frame.image.shape[:2]
        intrinsics = chosen_intrinsics(self._settings, width, height) or frame.intrinsics
        if intrinsics is None:
            intrinsics = assumed_intrinsics(self._settings, width, height)
        header = Header(frame_id=self._frame_id)
        info = None if intrinsics is None else camera_info_message(ROS_TYPES, intrinsics, header)
        seconds = index / self.nominal_rate if frame.stamp is None else frame.stamp
        time_ns = round(seconds * _SECOND_NS)
        return PlayedFrame(image, info, time_ns, time_ns)


class BagPlayback:
    """Playback of a ROS 2 bag: messages as recorded, or encoded anew.

    Args:
        bag: one of its cameras.
        settings: of the player.
    """

    def __init__(self, bag: BagSource, settings: PlayerSettings) -> None:
        self.description = f"{bag.path} {bag.image_topic}"
        self.notes: Sequence[str] = bag.notes
        self.faults: Sequence[str] = bag.faults
        self._stamped = bag.stamped
        self.compressed = bag.compressed if settings.encoding == AS_SOURCE else settings.encoding == COMPRESSED
        self.nominal_rate = settings.rate or DEFAULT_RATE
        self.items: Iterable[BagFrame] = bag
        self._settings = settings
        self._encoder = None if settings.encoding == AS_SOURCE else _encoder(settings.encoding, settings)
        self._size: tuple[int, int] | None = None  # of the images, known once one was needed

    def played_frame(self, index: int, frame: BagFrame) -> PlayedFrame:
        """Return the messages of a recorded frame, see `Playback`."""
        recorded, image = frame.image, frame.image
        frame_id = self._settings.frame_id or recorded.header.frame_id
        if self._encoder is not None:
            image = self._encoder.encode(_decode(recorded))
        image.header.frame_id = frame_id
        info = self._camera_info(frame)
        if info is not None:
            info.header.frame_id = frame_id
        return PlayedFrame(image, info, frame.time_ns, stamp_of(recorded) if self._stamped else frame.time_ns)

    def _camera_info(self, frame: BagFrame) -> CameraInfo | None:
        given, assumed = any(self._settings.intrinsics), self._settings.fov > 0
        if not given and (frame.camera_info is not None or not assumed):
            return frame.camera_info
        if self._size is None:
            height, width = _decode(frame.image).shape[:2]
            self._size = (width, height)
        intrinsics = chosen_intrinsics(self._settings, *self._size) or assumed_intrinsics(self._settings, *self._size)
        return None if intrinsics is None else camera_info_message(ROS_TYPES, intrinsics, Header())


def open_playback(settings: PlayerSettings) -> Playback:
    """Open the source that the parameter `source` names.

    Raises:
        BagError: a bag cannot be read.
        SourceError: anything else cannot be read.
    """
    if settings.source == SYNTHETIC:
        width, height = settings.synthetic_width, settings.synthetic_height
        camera = chosen_intrinsics(settings, width, height) or assumed_intrinsics(settings, width, height)
        camera = camera or Intrinsics.from_fov(width, height, SYNTHETIC_FOV)
        # Without depth, which would triple what is kept in memory, and without a clock: the parameter `rate` is one.
        views = SyntheticSource(camera, depth=False, frames=settings.synthetic_frames, rate=None)
        return FramePlayback(views, settings)
    if is_bag(settings.source):
        bag = BagSource(settings.source, settings.image_topic, settings.camera_info_topic)
        return BagPlayback(bag, settings)
    return FramePlayback(open_source(settings.source, depth=False), settings)


def chosen_intrinsics(settings: PlayerSettings, width: int, height: int) -> Intrinsics | None:
    """Return the camera of the parameter `intrinsics` for an image of this size, or None if it is not set."""
    fx, fy, cx, cy = settings.intrinsics
    return Intrinsics(fx, fy, cx, cy, width, height) if any(settings.intrinsics) else None


def assumed_intrinsics(settings: PlayerSettings, width: int, height: int) -> Intrinsics | None:
    """Return the camera of the parameter `fov` for an image of this size, or None if it is not set."""
    return Intrinsics.from_fov(width, height, settings.fov) if settings.fov > 0 else None


def _decode(message: Image | CompressedImage) -> np.ndarray:
    return decode_compressed(message) if isinstance(message, CompressedImage) else decode_image(message)


def _encoder(encoding: str, settings: PlayerSettings) -> ImageEncoder | CompressedEncoder:
    if encoding == COMPRESSED:
        return CompressedEncoder(settings.compressed_format, settings.jpeg_quality)
    return ImageEncoder(encoding, settings.step_padding, settings.big_endian)
