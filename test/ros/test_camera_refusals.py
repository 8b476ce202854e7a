"""Calibrations that cannot be used: each is refused for its own reason, in words that fit a log."""

import numpy as np
import pytest
from calibrations import HEIGHT, WIDTH, K, P, info
from sensor_msgs.msg import RegionOfInterest

from cinet_core.messages.camera import CameraModel
from cinet_core.messages.errors import ConversionError


def wrong(injected, msg, reason, says):
    """A row of the table of faults."""
    without = reason == "no_intrinsics"
    marks = pytest.mark.fault(
        area="input",
        fault=f"camera_info refused: {reason}",
        injected=injected,
        expected="images are used as uncalibrated, named" if without else f"images dropped as `{reason}`, named",
    )
    return pytest.param(msg, reason, says, marks=marks, id=injected)


NAN = float("nan")
SIDEWAYS = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("msg", "reason", "says"),
    [
        wrong("K of zeros", info(k=[0.0] * 9), "no_intrinsics", "not calibrated"),
        wrong("K with NaN", info(k=[NAN, *K[1:]]), "no_intrinsics", "nan"),
        wrong("K with an infinite centre", info(k=[*K[:2], float("inf"), *K[3:]]), "no_intrinsics", "inf"),
        wrong("K with a negative focal length", info(k=[*K[:4], -505.0, *K[5:]]), "no_intrinsics", "-505"),
        wrong("P with NaN, of a distorted camera", info(d=[0.1] * 5, p=[NAN, *P[1:]]), "no_intrinsics", "P = [nan"),
        wrong(
            "binning by 500000, square",
            info(width=480, k=[0.4, 0, 240, 0, 0.4, 240, 0, 0, 1], binning_x=500_000, binning_y=500_000),
            "aspect",
            "1x1",
        ),
        wrong("a size of 640x0", info(height=0), "no_intrinsics", "640x0"),
        wrong("the calibration of another aspect", info(height=640), "aspect", "640x480"),
        wrong("an unknown model", info("kannala", [0.1] * 4), "distortion_model", "input_rectified"),
        wrong("an unknown model, by what is known", info("kannala", [0.1] * 4), "distortion_model", "equidistant"),
        wrong(
            "a model that only resembles one", info("Inverse Brown Conrady", [0.1] * 5), "distortion_model", "driver"
        ),
        wrong("no distortion, but coefficients", info("none", [0.1] * 5), "distortion_model", "not zero"),
        wrong("no model, but coefficients", info("", [0.1] * 5), "distortion_model", "''"),
        wrong("a model's name of 1 MB", info("x" * 1_000_000, [0.1]), "distortion_model", "1000000 characters"),
        wrong("too few coefficients", info("plumb_bob", [0.1] * 3), "distortion_coefficients", "4 or 5"),
        wrong("too many coefficients", info("equidistant", [0.1] * 5), "distortion_coefficients", "4 finite"),
        wrong("100000 coefficients", info(d=[0.1] * 100_000), "distortion_coefficients", "100000 coefficients"),
        wrong("six coefficients", info("plumb_bob", [0.1] * 6), "distortion_coefficients", "6 coefficients"),
        wrong("nine coefficients", info("rational_polynomial", [0.1] * 9), "distortion_coefficients", "9 coefficients"),
        wrong("the 15th not zero", info("plumb_bob", [*[0.0] * 14, 0.1]), "distortion_coefficients", "15 coefficients"),
        wrong("infinity at the end", info(d=[*[0.0] * 4, float("inf")]), "distortion_coefficients", "inf"),
        wrong("NaN coefficients", info(d=[NAN] * 5), "distortion_coefficients", "nan"),
        wrong("coefficients of 1e300", info(d=[1e300] * 5), "distortion_coefficients", "0.00% of the scene"),
        wrong(
            "fisheye coefficients of -1e300",
            info("equidistant", [-1e300] * 4),
            "distortion_coefficients",
            "of the scene",
        ),
        wrong("R that is no rotation", info(rotation=np.full((3, 3), 0.5)), "rectification_matrix", "0.5"),
        wrong("R of 1e300", info(rotation=np.full((3, 3), 1e300)), "rectification_matrix", "1.e+300"),
        wrong("R with NaN", info(rotation=np.full((3, 3), NAN)), "rectification_matrix", "nan"),
        wrong("R that looks away", info(rotation=SIDEWAYS), "rectification_matrix", "of the scene"),
        wrong(
            "a region of interest beyond the image",
            info(roi=RegionOfInterest(x_offset=600, width=100, height=480)),
            "roi",
            "(600, 0)",
        ),
        wrong(
            "a region of interest of the largest numbers",
            info(roi=RegionOfInterest(x_offset=2**32 - 1, width=2**32 - 1, height=2**32 - 1)),
            "roi",
            "4294967295",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_calibrations_that_cannot_be_used(msg, reason, says):
    with pytest.raises(ConversionError) as caught:
        CameraModel.from_camera_info(msg, WIDTH, HEIGHT, rectified=False)
    assert caught.value.reason == reason
    assert says in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_window_that_shrinks_the_focal_length_beyond_any_camera_is_no_calibration():
    """Each number is fine by itself."""
    msg = info(width=2**31, height=2**31, k=[500.0, 0.0, 16.0, 0.0, 500.0, 16.0, 0.0, 0.0, 1.0])
    with pytest.raises(ConversionError, match="binning") as caught:
        CameraModel.from_camera_info(msg, 32, 32, rectified=False)
    assert caught.value.reason == "no_intrinsics"


def test_p_is_needed_only_where_the_image_is_rectified():
    broken = info(p=[NAN] * 12)
    camera = CameraModel.from_camera_info(broken, WIDTH, HEIGHT, rectified=False)
    assert camera.intrinsics.matrix().ravel().tolist() == K
    with pytest.raises(ConversionError, match="P = \\[nan"):
        CameraModel.from_camera_info(broken, WIDTH, HEIGHT, rectified=True)
