"""sensor_msgs/CameraInfo: what its calibration means for one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.messages.distortion import MOST_COEFFICIENTS, read_distortion, significant
from cinet_core.messages.errors import ConversionError, check_size
from cinet_core.messages.fields import CameraInfoFields
from cinet_core.messages.rectification import Matrix, Rectification

__all__ = ["CameraModel", "CameraModelCache"]

_FOCAL_LIMITS = (1e-3, 1e7)  # pixels

_ROTATION_TOLERANCE = 1e-3  # calibration files carry four digits and more

_LEAST_VALID = 0.01  # share of the rectified image that must have a source


@dataclass(frozen=True)
class CameraModel:
    """The camera behind an image of one size.

    Attributes:
        intrinsics: of the image after :meth:`rectify`, at the image's size.
        distorted: whether :meth:`rectify` moves pixels; if not, the image is a pinhole's already.
        valid: (H, W) bool, False where the rectified image has no source.
    """

    intrinsics: Intrinsics
    distorted: bool
    valid: npt.NDArray[np.bool_]
    _rectification: Rectification | None

    @classmethod
    def from_camera_info(
        cls, msg: CameraInfoFields, image_width: int, image_height: int, rectified: bool
    ) -> CameraModel:
        """Read a calibration for an image.

        K, P and the size of the message are the calibrated camera's. The region of interest moves the principal
        point, then binning divides everything, as sensor_msgs documents and image_geometry does. An image of yet
        another size but that aspect was resized: everything is scaled along. A size of 0x0 was left unset: K is taken
        to be for the image as it arrives. The rectified image shows the same window as the image, ``do_rectify`` or
        not: image_proc publishes it so, and sizes stay equal.

        Args:
            msg: the calibration.
            image_width: pixels of the image that arrives.
            image_height: likewise.
            rectified: the image was rectified by somebody else: K is ``P[:, :3]`` (or K where P is not set) and
                the distortion is not used. Otherwise K is K as long as D is 0 and R the identity; else the image
                must go through :meth:`rectify`, and K is what it has thereafter, again ``P[:, :3]``.

        Raises:
            ConversionError: "no_intrinsics", "size", "roi", "aspect", "distortion_model",
                "distortion_coefficients" or "rectification_matrix". No values make it hang or use more memory than
                the maps of the image take.
        """
        check_size(image_width, image_height, "image")
        calibrated = _camera_matrix(msg)
        window = _Window.of(msg, image_width, image_height)
        camera = _plausible(window.apply(calibrated), msg, image_width, image_height)
        rotation = np.eye(3) if rectified else _rotation(msg)
        distortion = None if rectified else read_distortion(msg.distortion_model, msg.d)
        moved = distortion is not None or not np.array_equal(rotation, np.eye(3))
        final = camera
        if rectified or moved:
            final = _plausible(window.apply(_projection_matrix(msg, calibrated)), msg, image_width, image_height)
        rectification = None
        if moved:
            size = (image_width, image_height)
            coefficients = np.zeros(5) if distortion is None else distortion.coefficients
            fisheye = distortion is not None and distortion.fisheye
            rectification = Rectification(camera, coefficients, fisheye, rotation, final, size)
            _refuse_empty(rectification, coefficients, distortion is not None)
        valid = np.ones((image_height, image_width), dtype=bool) if rectification is None else rectification.valid
        intrinsics = Intrinsics.from_matrix(final, image_width, image_height)
        return cls(intrinsics, moved, valid, rectification)

    def rectify(self, image: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Undo the distortion.

        Args:
            image: (H, W, 3) uint8 of the size that the model was made for.

        Returns:
            The image in the rectified frame (the very same array if nothing is distorted) and :attr:`valid`. Depth
            must be NaN, labels 255 and confidence 0 where that is False.

        Raises:
            ValueError: the image has another size.
        """
        self._check_size(image)
        return (image if self._rectification is None else self._rectification(image)), self.valid

    def rectify_plane(self, plane: npt.NDArray[Any], outside: float) -> npt.NDArray[Any]:
        """Undo the distortion of depth or labels, which must not be mixed: each pixel takes the nearest one's value.

        Args:
            plane: (H, W) of the size that the model was made for.
            outside: value where there is no source.

        Raises:
            ValueError: the plane has another size.
        """
        self._check_size(plane)
        return plane if self._rectification is None else self._rectification.nearest(plane, outside)

    def _check_size(self, image: npt.NDArray[Any]) -> None:
        if image.shape[:2] != self.valid.shape:
            raise ValueError(
                f"image is {image.shape[1]}x{image.shape[0]} but the camera model was made for "
                f"{self.intrinsics.width}x{self.intrinsics.height}: make one for this size"
            )


class CameraModelCache:
    """The last camera model, or its refusal, kept while calibration and image size stay the same.

    Maps take 10 ms and more, and a calibration that turns out to be useless comes with every frame.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._key: tuple[object, ...] | None = None
        self._outcome: CameraModel | ConversionError | None = None

    def get(self, msg: CameraInfoFields, image_width: int, image_height: int, rectified: bool) -> CameraModel:
        """As :meth:`CameraModel.from_camera_info`; the same object until an argument (stamps aside) changes."""
        roi = msg.roi
        # Beyond this length, which a hostile message may have, no model is made of it.
        d = significant(msg.d)[: MOST_COEFFICIENTS + 1] if len(msg.d) > MOST_COEFFICIENTS else msg.d
        length = min(len(msg.d), MOST_COEFFICIENTS)
        matrices = (np.asarray(m, dtype=np.float64).tobytes() for m in (d, msg.k, msg.r, msg.p))
        key = (image_width, image_height, rectified, msg.width, msg.height, msg.distortion_model, length, *matrices)
        key += (msg.binning_x, msg.binning_y, roi.x_offset, roi.y_offset, roi.width, roi.height)
        if self._outcome is None or key != self._key:
            self._key = key
            try:
                self._outcome = CameraModel.from_camera_info(msg, image_width, image_height, rectified)
            except ConversionError as error:
                self._outcome = ConversionError(error.reason, str(error))  # without the frames of its traceback
        if isinstance(self._outcome, ConversionError):
            raise ConversionError(self._outcome.reason, str(self._outcome))
        return self._outcome


@dataclass(frozen=True)
class _Window:
    """Calibrated pixels to the image's: subtract the offset, then scale."""

    left: int
    top: int
    scale_x: float
    scale_y: float

    @classmethod
    def of(cls, msg: CameraInfoFields, image_width: int, image_height: int) -> _Window:
        """The window that the image shows, by region of interest, binning and its own size."""
        roi = msg.roi
        binning_x, binning_y = max(1, msg.binning_x), max(1, msg.binning_y)
        if not (msg.width or msg.height):  # left unset: nothing tells of a resize, and no region can leave the image
            width, height = roi.width or image_width * binning_x, roi.height or image_height * binning_y
        else:
            width, height = roi.width or msg.width, roi.height or msg.height  # 0: the full resolution
            if roi.x_offset + width > msg.width or roi.y_offset + height > msg.height:
                raise ConversionError(
                    "roi",
                    f"camera_info's region of interest, {width}x{height} at ({roi.x_offset}, {roi.y_offset}), leaves "
                    f"the calibrated {msg.width}x{msg.height}: the driver must give it in unbinned pixels",
                )
        width, height = max(1, width // binning_x), max(1, height // binning_y)
        # A resize rounds to whole pixels, so the aspect may be off by one of them.
        if abs(image_width * height - image_height * width) > max(width, height):
            raise ConversionError(
                "aspect",
                f"the image is {image_width}x{image_height} but its camera_info is for {width}x{height}, "
                "another aspect: it was cropped, or the two belong to different cameras",
            )
        return cls(
            roi.x_offset,
            roi.y_offset,
            image_width / (width * binning_x),
            image_height / (height * binning_y),
        )

    def apply(self, k: Matrix) -> Matrix:
        """(3, 3) K of the calibrated image to K of the image that arrives."""
        move = np.array([[1.0, 0.0, -self.left], [0.0, 1.0, -self.top], [0.0, 0.0, 1.0]])
        return np.diag([self.scale_x, self.scale_y, 1.0]) @ move @ k


def _refuse_empty(rectification: Rectification, coefficients: Matrix, distorted: bool) -> None:
    """Refuse a calibration by which next to nothing of the image could be used."""
    share = float(rectification.valid.mean())
    if share < _LEAST_VALID:
        raise ConversionError(
            "distortion_coefficients" if distorted else "rectification_matrix",
            f"rectified by D = {coefficients.tolist()}, R and P of camera_info the image would show {share:.2%} of the "
            f"scene: at least {_LEAST_VALID:.0%} is needed; calibrate anew, or set input_rectified to true if it is "
            "rectified",
        )


def _pinhole(fx: float, fy: float, cx: float, cy: float) -> Matrix | None:
    """(3, 3) K without skew, or None where no camera has these intrinsics."""
    lowest, highest = _FOCAL_LIMITS
    if not (lowest <= fx <= highest and lowest <= fy <= highest and max(abs(cx), abs(cy)) <= highest):  # NaN fails
        return None
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _plausible(k: Matrix, msg: CameraInfoFields, width: int, height: int) -> Matrix:
    """K of the image, which binning or a resize may have taken beyond any camera although the calibration is fine."""
    if _pinhole(k[0, 0], k[1, 1], k[0, 2], k[1, 2]) is None:
        lowest, highest = _FOCAL_LIMITS
        raise ConversionError(
            "no_intrinsics",
            f"camera_info of {msg.width}x{msg.height} with binning {msg.binning_x}x{msg.binning_y} gives an image of "
            f"{width}x{height} the K [{k[0, 0]:g}, {k[1, 1]:g}, {k[0, 2]:g}, {k[1, 2]:g}]: focal lengths must be "
            f"{lowest:g} to {highest:g} pixels; correct the driver's binning or the calibration's size",
        )
    return k


def _camera_matrix(msg: CameraInfoFields) -> Matrix:
    """K of the calibrated image."""
    k = _pinhole(msg.k[0], msg.k[4], msg.k[2], msg.k[5])
    if k is None or bool(msg.width) != bool(msg.height):  # 0x0 was left unset, 640x0 is a mistake
        raise _not_calibrated(msg, "K", msg.k)
    return k


def _projection_matrix(msg: CameraInfoFields, k: Matrix) -> Matrix:
    """P[:, :3], K of the calibrated and rectified image; K itself where P was left unset."""
    if not np.any(msg.p):
        return k
    p = _pinhole(msg.p[0], msg.p[5], msg.p[2], msg.p[6])
    if p is None:
        raise _not_calibrated(msg, "P", msg.p)
    return p


def _not_calibrated(msg: CameraInfoFields, name: str, matrix: npt.ArrayLike) -> ConversionError:
    values = ", ".join(f"{value:g}" for value in np.ravel(matrix))
    return ConversionError(
        "no_intrinsics",
        f"camera_info is {msg.width}x{msg.height} with {name} = [{values}]: not calibrated; "
        "load a calibration in the camera driver (camera_calibration makes one) or set assumed_fov",
    )


def _rotation(msg: CameraInfoFields) -> Matrix:
    """R; the identity where it was left unset."""
    r = np.array(msg.r, dtype=np.float64).reshape(3, 3)
    if not r.any():
        return np.eye(3)
    bounded = np.abs(r).max() <= 1.0 + _ROTATION_TOLERANCE  # NaN is not; and products of the rest do not overflow
    if not (bounded and np.allclose(r @ r.T, np.eye(3), atol=_ROTATION_TOLERANCE) and np.linalg.det(r) > 0):
        raise ConversionError(
            "rectification_matrix",
            f"camera_info's R = {np.array2string(r, precision=3).replace(chr(10), '')} is not a rotation: "
            "calibrate anew, or give the identity",
        )
    return r
