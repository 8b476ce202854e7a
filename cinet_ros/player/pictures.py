"""From whatever is played to messages: one `Picture` a frame, with its camera_info and its time within the source."""

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
class Picture:
    """Messages of one frame, complete but for the stamp.

    Attributes:
        image: frame_id is set; the object may be reused for the next picture.
        camera_info: the same frame_id; None where nothing is known about the camera.
        time_ns: when it was taken or recorded, on the source's own clock, for pacing.
        stamp_ns: its stamp on the source's own clock.
    """

    image: Image | CompressedImage
    camera_info: CameraInfo | None
    time_ns: int
    stamp_ns: int


class Pictures(Protocol):
    """What the node plays: items that a background thread may load, made into messages one at a time.

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

    def picture(self, index: int, item: Any) -> Picture:
        """Messages of the item at this place in the source.

        Raises:
            ValueError: the item cannot be sent in the wanted encoding.
        """


class FramePictures:
    """Pictures of an image, a folder, a video or the synthetic scene.

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

    def picture(self, index: int, frame: Frame) -> Picture:
        """Messages of the frame at this place in the source; see `Pictures`."""
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
        return Picture(image, info, time_ns, time_ns)


class BagPictures:
    """Pictures of a ROS 2 bag: messages as recorded, or encoded anew.

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
        self._size: tuple[int, int] | None = None  # of the pictures, known once one was needed

    def picture(self, index: int, frame: BagFrame) -> Picture:
        """Messages of a recorded frame, whatever its place; see `Pictures`."""
        recorded, image = frame.image, frame.image
        frame_id = self._settings.frame_id or recorded.header.frame_id
        if self._encoder is not None:
            image = self._encoder.encode(_decode(recorded))
        image.header.frame_id = frame_id
        info = self._camera_info(frame)
        if info is not None:
            info.header.frame_id = frame_id
        return Picture(image, info, frame.time_ns, stamp_of(recorded) if self._stamped else frame.time_ns)

    def _camera_info(self, frame: BagFrame) -> CameraInfo | None:
        given, assumed = any(self._settings.intrinsics), self._settings.fov > 0
        if not given and (frame.camera_info is not None or not assumed):
            return frame.camera_info
        if self._size is None:
            height, width = _decode(frame.image).shape[:2]
            self._size = (width, height)
        intrinsics = chosen_intrinsics(self._settings, *self._size) or assumed_intrinsics(self._settings, *self._size)
        return None if intrinsics is None else camera_info_message(ROS_TYPES, intrinsics, Header())


def open_pictures(settings: PlayerSettings) -> Pictures:
    """Open what the parameter `source` names.

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
        return FramePictures(views, settings)
    if is_bag(settings.source):
        bag = BagSource(settings.source, settings.image_topic, settings.camera_info_topic)
        return BagPictures(bag, settings)
    return FramePictures(open_source(settings.source, depth=False), settings)


def chosen_intrinsics(settings: PlayerSettings, width: int, height: int) -> Intrinsics | None:
    """The camera that the parameter `intrinsics` describes, for a picture of this size; None when it is not set."""
    fx, fy, cx, cy = settings.intrinsics
    return Intrinsics(fx, fy, cx, cy, width, height) if any(settings.intrinsics) else None


def assumed_intrinsics(settings: PlayerSettings, width: int, height: int) -> Intrinsics | None:
    """The camera that the parameter `fov` describes, for a picture of this size; None when it is not set."""
    return Intrinsics.from_fov(width, height, settings.fov) if settings.fov > 0 else None


def _decode(message: Image | CompressedImage) -> np.ndarray:
    return decode_compressed(message) if isinstance(message, CompressedImage) else decode_image(message)


def _encoder(encoding: str, settings: PlayerSettings) -> ImageEncoder | CompressedEncoder:
    if encoding == COMPRESSED:
        return CompressedEncoder(settings.compressed_format, settings.jpeg_quality)
    return ImageEncoder(encoding, settings.step_padding, settings.big_endian)
