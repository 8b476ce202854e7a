"""Choosing between cv_bridge and our own decoder. The packages written here stand for what a robot may have."""

import array
import textwrap

import numpy as np
import pytest
from sensor_msgs.msg import Image

from cinet_core.messages.errors import ConversionError
from cinet_core.messages.images import ENCODINGS, decode_image
from cinet_ros.conversions import bridge

AGREEING = """
    from cinet_core.messages.images import decode_image

    class CvBridge:
        calls = []

        def imgmsg_to_cv2(self, msg, desired_encoding):
            assert desired_encoding == "rgb8"
            self.calls.append(msg.encoding)
            return decode_image(msg)
"""
KINDS = {
    "agrees": (AGREEING, "cv_bridge agrees"),
    "swaps": (AGREEING.replace("decode_image(msg)", "decode_image(msg)[..., ::-1]"), "grey levels for rgb8"),
    "shape": (AGREEING.replace("decode_image(msg)", "decode_image(msg)[..., 0]"), "ValueError"),
    "raises": (AGREEING.replace("return", "raise RuntimeError('no such conversion')\n            return"), "no such"),
    "kills": ("import os; os.abort()", "signal 6"),
    "abi": ("raise AttributeError('_ARRAY_API not found')", "_ARRAY_API not found"),
    "half": ("import cv_bridge_boost_is_missing", "fails on import"),
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Put a package called cv_bridge in front of everything."""

    def install(kind):
        (tmp_path / "cv_bridge.py").write_text(textwrap.dedent(KINDS[kind][0]))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(__import__("sys").modules, "cv_bridge", raising=False)

    return install


def rgb_message(encoding="bgr8", width=4, height=3, padding=0):
    step = width * 3 + padding
    data = np.random.default_rng(0).integers(0, 256, height * step, dtype=np.uint8)
    msg = Image(encoding=encoding, width=width, height=height, step=step)
    msg.data = array.array("B", data.tobytes())
    return msg


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "agrees"])
def test_what_fails_the_check_is_not_used(installed, kind):
    installed(kind)
    decoder = bridge.choose_decoder("auto")
    assert decoder.name == "numpy"
    assert decoder.decode is decode_image
    assert KINDS[kind][1] in decoder.reason


def test_what_passes_is_used_but_not_for_what_it_gets_wrong(installed):
    installed("agrees")
    decoder = bridge.choose_decoder("auto")
    assert (decoder.name, decoder.reason) == ("cv_bridge", "cv_bridge agrees")
    import cv_bridge

    for msg in (rgb_message(), rgb_message("8UC3"), rgb_message(padding=1)):
        np.testing.assert_array_equal(decoder.decode(msg), decode_image(msg))
    assert cv_bridge.CvBridge.calls == ["bgr8"]
    short = rgb_message()
    short.height = 100
    with pytest.raises(ConversionError, match="truncated"):
        decoder.decode(short)


def test_insisting_on_a_broken_one_is_an_error(installed):
    installed("kills")
    with pytest.raises(ConversionError, match="signal 6") as caught:
        bridge.choose_decoder("cv_bridge")
    assert caught.value.reason == "decoder"


def test_numpy_by_choice_looks_for_nothing(installed):
    installed("agrees")
    assert bridge.choose_decoder("numpy").decode is decode_image
    with pytest.raises(ValueError, match="'opencv'"):
        bridge.choose_decoder("opencv")


def test_compared_encodings_are_our_own():
    assert set(bridge.PIXEL_BYTES) <= set(ENCODINGS)


def test_the_real_cv_bridge_agrees_where_it_is_installed():
    finding = bridge.check_cv_bridge()
    if finding == "cv_bridge is not installed":
        pytest.skip(f"{finding}: it comes with a ROS 2 distribution, not from PyPI")
    assert finding == "cv_bridge agrees"
