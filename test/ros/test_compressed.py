"""JPEG and PNG messages: colour order, depth, bounds before decoding, damaged files."""

import array
import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed_files import image_file, png_chunk, with_part, with_size
from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage

from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.containers import MAX_CHUNKS, MAX_SCANS, inspect
from cinet_core.messages.errors import ConversionError


def rgb_image(height=21, width=34):
    """Smooth RGB that differs between channels: JPEG keeps it within a few grey levels."""
    v, u = np.mgrid[:height, :width]
    return np.stack([40 + 5 * u, 200 - 3 * v, 30 + 2 * v], axis=-1).clip(0, 255).astype(np.uint8)


def message(data, text):
    msg = CompressedImage(format=text)
    msg.data = array.array("B", bytes(data))
    return msg


def encoded(extension, pixels, *options):
    return cv2.imencode(extension, pixels, list(options))[1].tobytes()


@pytest.mark.parametrize(
    "text",
    [
        *("jpeg", "jpg", "", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed bgr8"),
        # without "; " the subscriber of compressed_image_transport takes the file as it is, whatever the text
        *("bgr8", "rgb8", "rgba8", "bgra8", "bgr16", "rgb8 jpeg", "JPEG"),
        *(
            "8UC3; jpeg compressed bgr8",
            "RGB8; jpeg compressed rgb8",
            "bgr8;jpeg compressed bgr8",
            "rgb16; jpeg compressed bgr8",
        ),
    ],
)
def test_jpeg_is_rgb(text):
    data = encoded(".jpg", rgb_image()[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 98)
    rgb = decode_compressed(message(data, text))
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - rgb_image()).max() < 10


@pytest.mark.parametrize("text", ["png", "rgb8; png compressed bgr8", "bgra8; png compressed bgra8"])
def test_png_is_exact(text):
    np.testing.assert_array_equal(
        decode_compressed(message(encoded(".png", rgb_image()[..., ::-1]), text)), rgb_image()
    )


@pytest.mark.parametrize(
    "text",
    ["rgb8; png compressed ", "rgb8; png compressed rgb8", "bgr8; png compressed ", "rgb16; png compressed rgb16"],
)
def test_rgb_handed_to_the_encoder_by_old_publishers_is_not_swapped(text):
    data = encoded(".png", rgb_image())
    np.testing.assert_array_equal(decode_compressed(message(data, text)), rgb_image())


def test_a_mosaic_is_one_only_where_the_format_says_so():
    gray = rgb_image()[..., 0]
    decoded = decode_compressed(message(encoded(".png", gray), "bayer_rggb8"))
    np.testing.assert_array_equal(decoded, np.dstack([gray] * 3))


def test_gray_alpha_and_16_bit():
    gray = rgb_image()[..., 0]
    np.testing.assert_array_equal(
        decode_compressed(message(encoded(".png", gray), "mono8; png compressed ")), np.dstack([gray] * 3)
    )
    alpha = np.dstack([rgb_image()[..., ::-1], gray])
    np.testing.assert_array_equal(decode_compressed(message(encoded(".png", alpha), "png")), rgb_image())
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
    data = encoded(".jpg", rgb_image()[..., ::-1])
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)  # orientation 6: turn by 90 degrees
    exif = b"Exif\0\0" + tiff
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (34, 21)  # it is read
    np.testing.assert_array_equal(decode_compressed(message(turned, "jpeg")), decode_compressed(message(data, "jpeg")))


@pytest.fixture
def undecoded(monkeypatch):
    """Fails the test if a file reaches OpenCV."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))


@pytest.mark.fault(
    area="input",
    injected="JPEG and PNG headers that claim 0x5 to 50000x50000 pixels",
    expected="dropped as `size` by the header, before anything is decoded",
)
@pytest.mark.parametrize("extension", [".png", ".jpg"])
@pytest.mark.parametrize(("width", "height"), [(30000, 30000), (50000, 50000), (0, 5), (5, 0), (65000, 1)])
@pytest.mark.usefixtures("undecoded")
def test_sizes_are_refused_before_decoding(extension, width, height):
    bomb = with_size(image_file(extension, 34, 21), width, height)
    assert len(bomb) < 1000
    with pytest.raises(ConversionError, match=f"{width}x{height}") as caught:
        decode_compressed(message(bomb, "?"))
    assert caught.value.reason == "size"


@pytest.mark.fault(
    area="input",
    injected="a PNG of 170 bytes with a chunk that claims 2 GB",
    expected="dropped as `data` before anything is decoded: OpenCV would allocate it",
)
@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt"])
@pytest.mark.usefixtures("undecoded")
def test_chunks_that_claim_more_than_there_is_are_refused(kind):
    data = image_file(".png", 34, 21)
    data = data[:33] + struct.pack(">I", 2**31 - 1) + kind + data[33:]
    with pytest.raises(ConversionError, match="bytes after it") as caught:
        decode_compressed(message(data, "png"))
    assert caught.value.reason == "data"


@pytest.mark.usefixtures("undecoded")
def test_a_png_of_chunks_without_end_is_refused():
    data = image_file(".png", 34, 21)
    data = data[:33] + png_chunk(b"IDAT", b"") * (MAX_CHUNKS + 1) + data[33:]
    with pytest.raises(ConversionError, match=str(MAX_CHUNKS)) as caught:
        decode_compressed(message(data, "png"))
    assert caught.value.reason == "data"


def progressive():
    """A progressive JPEG."""
    file = io.BytesIO()
    PillowImage.fromarray(rgb_image()).save(file, "JPEG", progressive=True, quality=98)
    return file.getvalue()


@pytest.mark.fault(
    area="input",
    injected="a progressive JPEG with 1000 scans, 33 bytes each",
    expected="dropped as `data` before anything is decoded: OpenCV would work for minutes",
)
@pytest.mark.usefixtures("undecoded")
def test_a_jpeg_of_scans_without_end_is_refused():
    data = progressive()
    last = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ConversionError, match=f"at most {MAX_SCANS}") as caught:
        decode_compressed(message(data[:-2] + last * 1000 + data[-2:], "jpeg"))
    assert caught.value.reason == "data"


def test_an_honest_progressive_jpeg_is_decoded():
    assert progressive().count(b"\xff\xda") > 5
    assert np.abs(decode_compressed(message(progressive(), "jpeg")).astype(int) - rgb_image()).max() < 10


@pytest.mark.usefixtures("undecoded")
def test_a_frame_header_cannot_be_hidden_from_the_check():
    """libjpeg takes FF 00 for no marker at all: with a length behind it, it must not hide what libjpeg reads."""
    large, small = (with_size(image_file(".jpg", 34, 21), size, size) for size in (20000, 21))
    frame = small[small.index(b"\xff\xc0") :][:19]
    scan = large.index(b"\xff\xda")
    hidden = large[:2] + b"\xff\x00" + struct.pack(">H", scan) + large[2:scan] + frame + large[scan:]
    with pytest.raises(ConversionError, match="20000x20000") as caught:
        decode_compressed(message(hidden, "jpeg"))
    assert caught.value.reason == "size"


def test_what_no_image_needs_never_reaches_the_decoder():
    """Texts, profiles and animations are compressed in their turn, or tell of images that are not there."""
    data = image_file(".png", 34, 21)
    animation = struct.pack(">II", 2**31 - 1, 0), struct.pack(">IIIIIHHBB", 0, 30000, 30000, 0, 0, 1, 1, 0, 0)
    loaded = data
    for kind, body in ((b"zTXt", b"k\0\0" + b"x" * 999), (b"fcTL", animation[1]), (b"acTL", animation[0])):
        loaded = with_part(loaded, kind + body)
    container = inspect(loaded)
    assert (container.width, container.height) == (34, 21)
    assert container.data == data
    np.testing.assert_array_equal(decode_compressed(message(loaded, "png")), decode_compressed(message(data, "png")))


def test_a_thumbnail_does_not_stand_for_the_image():
    """Its frame header comes first in the file, inside the APP1 segment."""
    data, thumbnail = encoded(".jpg", rgb_image()), encoded(".jpg", rgb_image(4, 6))
    exif = b"Exif\0\0" + thumbnail
    both = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert decode_compressed(message(both, "jpeg")).shape == (21, 34, 3)


@pytest.mark.parametrize(
    "text", ["16UC1; compressedDepth png", "32FC1; compressedDepth", "16UC1; png compressed ", "16UC1", "32FC3; png"]
)
@pytest.mark.fault(
    area="input", injected="a compressedDepth message", expected="dropped as `compressed_depth`, named a depth image"
)
def test_compressed_depth_is_refused_by_name(text):
    with pytest.raises(ConversionError, match="depth image") as caught:
        decode_compressed(message(encoded(".png", rgb_image()), text))
    assert caught.value.reason == "compressed_depth"


@pytest.mark.fault(
    area="input", injected="no bytes, a BMP, a WebP, zeros", expected="dropped as `format`, with the first bytes"
)
@pytest.mark.parametrize("data", [b"", b"\xff", b"BM123456", b"RIFF....WEBP", b"\0" * 40])
def test_other_formats_are_refused(data):
    with pytest.raises(ConversionError, match="neither JPEG nor PNG") as caught:
        decode_compressed(message(data, "h264"))
    assert caught.value.reason == "format"


@pytest.mark.fault(area="input", injected="a JPEG and a PNG cut at every 7th byte", expected="dropped as `data`")
@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_every_truncation_is_refused(extension):
    data = encoded(extension, rgb_image())
    for length in range(9, len(data) - 8, 7):
        with pytest.raises(ConversionError) as caught:
            decode_compressed(message(data[:length], ""))
        assert caught.value.reason == "data", length


@pytest.mark.fault(area="input", injected="600 bytes of a PNG overwritten", expected="dropped as `data`")
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
    data = bytearray(encoded(extension, rgb_image()))
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
