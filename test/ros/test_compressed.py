"""JPEG and PNG messages: colour order, depth, bounds before decoding, damaged files."""

import array
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage

from cinet_ros.conversions.compressed import decode_compressed
from cinet_ros.conversions.errors import ConversionError


def picture(height=21, width=34):
    """Smooth RGB that differs between channels: JPEG keeps it within a few grey levels."""
    v, u = np.mgrid[:height, :width]
    return np.stack([40 + 5 * u, 200 - 3 * v, 30 + 2 * v], axis=-1).clip(0, 255).astype(np.uint8)


def message(data, text):
    msg = CompressedImage(format=text)
    msg.data = array.array("B", bytes(data))
    return msg


def encoded(extension, pixels, *options):
    return cv2.imencode(extension, pixels, list(options))[1].tobytes()


@pytest.mark.parametrize("text", ["jpeg", "jpg", "", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed bgr8"])
def test_jpeg_is_rgb(text):
    data = encoded(".jpg", picture()[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 98)
    rgb = decode_compressed(message(data, text))
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - picture()).max() < 10


@pytest.mark.parametrize("text", ["png", "rgb8; png compressed bgr8", "bgra8; png compressed bgra8"])
def test_png_is_exact(text):
    np.testing.assert_array_equal(decode_compressed(message(encoded(".png", picture()[..., ::-1]), text)), picture())


def test_rgb_handed_to_the_encoder_by_old_publishers_is_not_swapped():
    data = encoded(".png", picture())
    np.testing.assert_array_equal(decode_compressed(message(data, "rgb8; png compressed ")), picture())


def test_gray_alpha_and_16_bit():
    gray = picture()[..., 0]
    np.testing.assert_array_equal(
        decode_compressed(message(encoded(".png", gray), "mono8; png compressed ")), np.dstack([gray] * 3)
    )
    alpha = np.dstack([picture()[..., ::-1], gray])
    np.testing.assert_array_equal(decode_compressed(message(encoded(".png", alpha), "png")), picture())
    wide = (np.arange(21 * 34, dtype=np.uint16) * 91).reshape(21, 34)
    expected = np.rint(wide * (255.0 / 65535.0))
    decoded = decode_compressed(message(encoded(".png", wide), "mono16; png compressed "))
    np.testing.assert_array_equal(decoded, np.dstack([expected] * 3))


@pytest.mark.parametrize(("bits", "scale"), [(8, 1), (16, 257)])
def test_raw_mosaics_are_interpolated(bits, scale):
    mosaic = np.full((8, 8), 90, np.uint16)
    mosaic[::2, ::2], mosaic[1::2, 1::2] = 200, 10
    mosaic = (mosaic * scale).astype(f"u{bits // 8}")
    decoded = decode_compressed(message(encoded(".png", mosaic), f"bayer_rggb{bits}; png compressed "))
    assert (decoded == [200, 90, 10]).all()


def test_exif_orientation_is_ignored():
    data = encoded(".jpg", picture()[..., ::-1])
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)  # orientation 6: turn by 90 degrees
    exif = b"Exif\0\0" + tiff
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (34, 21)  # it is read
    np.testing.assert_array_equal(decode_compressed(message(turned, "jpeg")), decode_compressed(message(data, "jpeg")))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_size(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def jpeg_of_size(width, height):
    data = bytearray(encoded(".jpg", picture()))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("make", [png_of_size, jpeg_of_size])
@pytest.mark.parametrize(("width", "height"), [(50000, 50000), (0, 5), (5, 0), (65000, 1)])
def test_sizes_are_refused_before_decoding(make, width, height, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ConversionError) as caught:
        decode_compressed(message(make(width, height), "?"))
    assert caught.value.reason == "size"


def test_a_thumbnail_does_not_stand_for_the_picture():
    """Its frame header comes first in the file, inside the APP1 segment."""
    data, thumbnail = encoded(".jpg", picture()), encoded(".jpg", picture(4, 6))
    exif = b"Exif\0\0" + thumbnail
    both = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert decode_compressed(message(both, "jpeg")).shape == (21, 34, 3)


@pytest.mark.parametrize("text", ["16UC1; compressedDepth png", "32FC1; compressedDepth"])
def test_compressed_depth_is_refused_by_name(text):
    with pytest.raises(ConversionError, match="depth image") as caught:
        decode_compressed(message(encoded(".png", picture()), text))
    assert caught.value.reason == "compressed_depth"


@pytest.mark.parametrize("data", [b"", b"\xff", b"BM123456", b"RIFF....WEBP", b"\0" * 40])
def test_other_formats_are_refused(data):
    with pytest.raises(ConversionError, match="neither JPEG nor PNG") as caught:
        decode_compressed(message(data, "h264"))
    assert caught.value.reason == "format"


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_every_truncation_is_refused(extension):
    data = encoded(extension, picture())
    for length in range(9, len(data) - 8, 7):
        with pytest.raises(ConversionError) as caught:
            decode_compressed(message(data[:length], ""))
        assert caught.value.reason == "data", length


def test_a_corrupted_png_is_refused():
    data = bytearray(encoded(".png", np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)))
    data[300:900] = b"\0" * 600
    with pytest.raises(ConversionError) as caught:
        decode_compressed(message(data, "png"))
    assert caught.value.reason == "data"


@settings(max_examples=300, deadline=None)
@given(
    extension=st.sampled_from([".jpg", ".png"]),
    text=st.one_of(st.text(max_size=20), st.sampled_from(["bayer_rggb8; png compressed ", "rgb8; png compressed"])),
    position=st.floats(0, 1),
    noise=st.binary(max_size=40),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_damaged_files_decode_or_are_refused(extension, text, position, noise, cut):
    data = bytearray(encoded(extension, picture()))
    start = int(position * len(data))
    data[start : start + len(noise)] = noise
    if cut is not None:
        del data[int(cut * len(data)) :]
    try:
        rgb = decode_compressed(message(data, text))
    except ConversionError:
        return
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3
    assert rgb.dtype == np.uint8
