"""What a camera_info means for an image; rectification against OpenCV's own projection of known points."""

import cv2
import numpy as np
import pytest
from calibrations import HEIGHT, LENSES, WIDTH, K, info
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics, project
from cinet_core.messages.camera import CameraModel, CameraModelCache
from cinet_core.messages.encoding import camera_info_message
from cinet_core.messages.errors import ConversionError
from cinet_ros.conversions.ros_types import ROS_TYPES


def values(model):
    i = model.intrinsics
    return pytest.approx((i.fx, i.fy, i.cx, i.cy)), (i.width, i.height)


def rays():
    """Directions over most of the image, in front of the camera."""
    x, y = np.meshgrid(np.linspace(-0.45, 0.45, 7), np.linspace(-0.34, 0.34, 5))
    return np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)


def distorted_pixels(points, model, d):
    """Where the lens puts points: OpenCV's projection, which the code under test does not use."""
    matrix = np.reshape(K, (3, 3))
    if model == "equidistant":
        return cv2.fisheye.distortPoints((points[:, :2] / points[:, 2:])[None], matrix, np.array(d))[0]
    return cv2.projectPoints(points[None], np.zeros(3), np.zeros(3), matrix, np.array(d))[0][:, 0]


def spots(pixels, width, height):
    """A black image with a soft white spot on each pixel position."""
    v, u = np.mgrid[:height, :width]
    image = np.zeros((height, width))
    for x, y in pixels:
        image += np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * 2.0**2))
    return np.dstack([(255 * image.clip(0, 1)).astype(np.uint8)] * 3)


def centroid(image, x, y, radius=8):
    """Where the spot is that should be at (x, y)."""
    left, top = round(x) - radius, round(y) - radius
    window = image[top : top + 2 * radius + 1, left : left + 2 * radius + 1, 1].astype(float)
    v, u = np.mgrid[: window.shape[0], : window.shape[1]]
    return left + (u * window).sum() / window.sum(), top + (v * window).sum() / window.sum()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("roi", "binning"),
    [((0, 0, 0, 0), (0, 0)), ((40, 24, 560, 432), (1, 1)), ((0, 0, 0, 0), (2, 2)), ((40, 24, 560, 432), (2, 2))],
)
@pytest.mark.parametrize("model", LENSES)
def test_rectified_points_lie_where_the_pinhole_has_them(model, roi, binning, turned):
    rotation = cv2.Rodrigues(np.array([0.02, -0.03, 0.015]))[0] if turned else np.eye(3)
    left, top, width, height = roi
    steps = np.maximum(1, binning)
    width, height = (width or WIDTH) // steps[0], (height or HEIGHT) // steps[1]
    msg = info(
        model,
        LENSES[model],
        rotation=rotation,
        roi=RegionOfInterest(x_offset=left, y_offset=top, width=roi[2], height=roi[3], do_rectify=bool(left)),
        binning_x=binning[0],
        binning_y=binning[1],
    )
    camera = CameraModel.from_camera_info(msg, int(width), int(height), rectified=False)
    assert camera.distorted

    points = rays()
    seen = (distorted_pixels(points, model, LENSES[model]) - [left, top]) / steps
    rectified, valid = camera.rectify(spots(seen, width, height))
    expected = project(points @ rotation.T, camera.intrinsics)
    checked = 0
    for (x, y), (was_x, was_y) in zip(expected, seen, strict=True):
        margin = 12
        if all(margin < a < width - margin and margin < b < height - margin for a, b in ((x, y), (was_x, was_y))):
            found = centroid(rectified, x, y)
            assert np.hypot(found[0] - x, found[1] - y) < 0.1
            assert valid[round(y), round(x)]
            checked += 1
    assert checked >= 15


def test_intrinsics_after_rectification_are_those_of_p():
    model = CameraModel.from_camera_info(info(d=LENSES["plumb_bob"]), WIDTH, HEIGHT, rectified=False)
    assert values(model) == ((450.0, 455.0, 318.0, 242.0), (WIDTH, HEIGHT))
    without_p = info(d=LENSES["plumb_bob"], p=[0.0] * 12)
    model = CameraModel.from_camera_info(without_p, WIDTH, HEIGHT, rectified=False)
    assert values(model) == ((500.0, 505.0, 322.5, 238.25), (WIDTH, HEIGHT))


def test_a_rectified_image_has_p_and_its_distortion_is_not_used():
    model = CameraModel.from_camera_info(info("no such model", [0.1]), WIDTH, HEIGHT, rectified=True)
    assert not model.distorted
    assert values(model) == ((450.0, 455.0, 318.0, 242.0), (WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("name", "d"), [("plumb_bob", [0.0] * 5), ("plumb_bob", []), ("", []), ("equidistant", [0.0] * 4)]
)
def test_an_image_without_distortion_is_left_alone(name, d):
    model = CameraModel.from_camera_info(info(name, d), WIDTH, HEIGHT, rectified=False)
    image = np.full((HEIGHT, WIDTH, 3), 9, np.uint8)
    same, valid = model.rectify(image)
    assert not model.distorted
    assert same is image
    assert valid.all()
    assert values(model) == ((500.0, 505.0, 322.5, 238.25), (WIDTH, HEIGHT))  # nobody moved its pixels: K, not P


def test_region_of_interest_moves_then_binning_divides():
    roi = RegionOfInterest(x_offset=100, y_offset=50, width=400, height=300)
    msg = info(roi=roi, binning_x=2, binning_y=4)
    model = CameraModel.from_camera_info(msg, 200, 75, rectified=True)
    assert values(model) == ((225.0, 455.0 / 4, (318.0 - 100) / 2, (242.0 - 50) / 4), (200, 75))


@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 960), (427, 320)])
def test_a_resized_image_scales_k(width, height):
    model = CameraModel.from_camera_info(info(), width, height, rectified=True)
    sx, sy = width / WIDTH, height / HEIGHT
    assert values(model) == ((450.0 * sx, 455.0 * sy, 318.0 * sx, 242.0 * sy), (width, height))


def test_pixels_without_a_source_are_invalid_and_black():
    """A pincushion lens sees less in the corners than the rectified image shows."""
    model = CameraModel.from_camera_info(info(d=[0.3, 0.0, 0.0, 0.0, 0.0], p=[0.0] * 12), WIDTH, HEIGHT, False)
    rectified, valid = model.rectify(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    assert not valid[0, 0]
    assert valid[HEIGHT // 2, WIDTH // 2]
    assert 0.5 < valid.mean() < 0.99
    assert (rectified[valid] == 255).all()
    assert (rectified[~valid] == 0).mean() > 0.98  # but for the seam, where bilinear weights mix


def test_rays_that_the_polynomial_folds_back_are_invalid():
    """r (1 - 0.5 r^2) grows up to r = sqrt(2/3) only; farther out the middle of the image would show again."""
    wide = [200.0, 0.0, 320.0, 0.0, 0.0, 200.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    narrow = [300.0, 0.0, 320.0, 0.0, 300.0, 240.0, 0.0, 0.0, 1.0]
    model = CameraModel.from_camera_info(
        info(d=[-0.5, 0.0, 0.0, 0.0, 0.0], k=narrow, p=wide), WIDTH, HEIGHT, rectified=False
    )
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    radius = np.hypot(u - 320.0, v - 240.0) / 200.0
    limit = np.sqrt(2.0 / 3.0)
    assert model.valid[radius < limit - 0.01].all()
    assert not model.valid[radius > limit + 0.01].any()


@pytest.mark.fault(
    area="input",
    injected="coefficients that fold the image, seen by a camera of 179.9 degrees",
    expected="only what lies before the fold is valid",
)
def test_a_fold_is_found_however_wide_the_view():
    """Radii up to 1000: were they sampled evenly, the fold at 0.82 would fall between two samples."""
    focal = WIDTH / 2000.0
    wide = [focal, 0.0, 320.0, 0.0, 0.0, focal, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    msg = info(d=[-0.5, 0.0, 0.0, 0.0, 0.0], p=wide, k=[300.0, 0.0, 320.0, 0.0, 300.0, 240.0, 0.0, 0.0, 1.0])
    with pytest.raises(ConversionError, match="of the scene"):  # a spot of 1 pixel
        CameraModel.from_camera_info(msg, WIDTH, HEIGHT, rectified=False)
    wide[0] = wide[5] = 40.0
    camera = CameraModel.from_camera_info(info(d=msg.d, p=wide, k=msg.k), WIDTH, HEIGHT, rectified=False)
    assert camera.valid.sum() == pytest.approx(np.pi * (40.0**2) * 2 / 3, rel=0.02)


@pytest.mark.parametrize("height", [16, 32766])
def test_the_longest_side_can_be_rectified(height):
    width = 32782 - height
    msg = info(d=LENSES["plumb_bob"], p=[0.0] * 12, width=width, height=height)
    msg.k = [26000.0, 0.0, width / 2, 0.0, 26000.0, height / 2, 0.0, 0.0, 1.0]
    image, valid = CameraModel.from_camera_info(msg, width, height, False).rectify(
        np.zeros((height, width, 3), np.uint8)
    )
    assert image.shape == (height, width, 3)
    assert valid.mean() > 0.5


def test_an_image_of_another_size_is_not_rectified():
    model = CameraModel.from_camera_info(info(), WIDTH, HEIGHT, rectified=False)
    with pytest.raises(ValueError, match="320x240"):
        model.rectify(np.zeros((240, 320, 3), np.uint8))


def test_the_cache_keeps_the_model_until_the_calibration_changes():
    cache = CameraModelCache()
    first = cache.get(info(d=LENSES["plumb_bob"]), WIDTH, HEIGHT, rectified=False)
    later = info(d=LENSES["plumb_bob"])
    later.header.stamp.sec = 5
    assert cache.get(later, WIDTH, HEIGHT, rectified=False) is first
    assert cache.get(later, WIDTH, HEIGHT, rectified=True) is not first
    for _ in range(2):  # a refusal too
        with pytest.raises(ConversionError, match="of the scene"):
            cache.get(info(d=[1e300] * 5), WIDTH, HEIGHT, rectified=False)
    second = cache.get(info(d=[0.1] * 5), WIDTH, HEIGHT, rectified=False)
    assert second is not first
    assert cache.get(info(d=[0.1] * 5, binning_x=2, binning_y=2), WIDTH, HEIGHT, rectified=False) is not second


def test_camera_info_message_describes_a_pinhole():
    header = Header(frame_id="camera_optical")
    header.stamp.sec, header.stamp.nanosec = 7, 9
    msg = camera_info_message(ROS_TYPES, Intrinsics(500.0, 510.0, 320.0, 240.0, WIDTH, HEIGHT), header)
    assert (msg.header.frame_id, msg.header.stamp.sec, msg.header.stamp.nanosec) == ("camera_optical", 7, 9)
    assert (msg.width, msg.height, msg.distortion_model) == (WIDTH, HEIGHT, "plumb_bob")
    assert list(msg.d) == [0.0] * 5
    assert list(msg.k) == [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    assert list(msg.r) == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    assert list(msg.p) == [500.0, 0.0, 320.0, 0.0, 0.0, 510.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert (msg.binning_x, msg.binning_y, msg.roi.width, msg.roi.height, msg.roi.do_rectify) == (0, 0, 0, 0, False)
    again = CameraModel.from_camera_info(msg, WIDTH, HEIGHT, rectified=True)
    assert values(again) == ((500.0, 510.0, 320.0, 240.0), (WIDTH, HEIGHT))
