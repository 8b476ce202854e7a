"""Messages that the player fills, byte by byte and through the node's own decoder."""

import numpy as np
import pytest

from cinet_core.messages.compressed import decode_compressed
from cinet_core.messages.images import decode_image
from cinet_ros.player.image_encoder import RAW_ENCODINGS, CompressedEncoder, ImageEncoder

RED, GREEN, BLUE, GRAY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (100, 100, 100)
EXACT = {"rgb8", "bgr8", "rgba8", "bgra8"}


def smooth(height: int = 48, width: int = 64) -> np.ndarray:
    """An image without edges, so that shared or interpolated colour loses next to nothing."""
    v, u = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    return np.stack([60 + 120 * u, 80 + 100 * v, 200 - 90 * u * v], axis=-1).round().astype(np.uint8)


def encoded(rgb, encoding: str, **options) -> tuple[list[int], int]:
    message = ImageEncoder(encoding, **options).encode(np.array(rgb, np.uint8))
    return list(message.data), message.step


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("encoding", RAW_ENCODINGS)
def test_the_decoder_reads_what_the_encoder_writes(encoding, padding):
    rgb = smooth()
    message = ImageEncoder(encoding, step_padding=padding).encode(rgb)
    decoded = decode_image(message)
    if encoding in EXACT:
        assert np.array_equal(decoded, rgb)
    elif encoding.startswith("mono"):
        luma = (rgb @ [0.299, 0.587, 0.114])[..., None]
        assert np.abs(decoded - luma).max() <= 1
    else:
        inner = (slice(2, -2), slice(2, -2))  # a mosaic's edge has no neighbours to interpolate
        assert np.abs(decoded[inner].astype(int) - rgb[inner]).max() <= 5


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("rgb8", [*RED, *GREEN, *BLUE, *GRAY]),
        ("bgr8", [0, 0, 255, 0, 255, 0, 255, 0, 0, *GRAY]),
        ("rgba8", [*RED, 255, *GREEN, 255, *BLUE, 255, *GRAY, 255]),
        ("bgra8", [0, 0, 255, 255, 0, 255, 0, 255, 255, 0, 0, 255, *GRAY, 255]),
        ("mono8", [76, 150, 29, 100]),
        ("mono16", [76, 76, 150, 150, 29, 29, 100, 100]),
        ("bayer_rggb8", [255, 255, 0, 100]),  # red of red, green of green, green of blue, blue of gray
        ("bayer_bggr8", [0, 255, 0, 100]),
        ("bayer_gbrg8", [0, 0, 0, 100]),
        ("bayer_grbg8", [0, 0, 255, 100]),
    ],
)
def test_bytes_of_four_known_pixels(encoding, data):
    assert encoded([[RED, GREEN], [BLUE, GRAY]], encoding)[0] == data


def test_order_of_luma_and_chroma():
    red = [[RED, RED], [RED, RED]]
    y, u, v = 81, 90, 240  # BT.601, limited range
    assert encoded(red, "yuv422")[0] == [u, y, v, y] * 2
    assert encoded(red, "yuv422_yuy2")[0] == [y, u, y, v] * 2
    assert encoded(red, "nv12")[0] == [y, y, y, y, u, v]
    assert encoded(red, "nv21")[0] == [y, y, y, y, v, u]


def test_big_endian_puts_the_high_byte_first():
    rgb = smooth()
    little = ImageEncoder("mono16").encode(rgb)
    big = ImageEncoder("mono16", big_endian=True).encode(rgb)
    assert (little.is_bigendian, big.is_bigendian) == (0, 1)
    assert np.array_equal(np.frombuffer(big.data, ">u2"), np.frombuffer(little.data, "<u2"))
    assert np.array_equal(decode_image(big), decode_image(little))


def test_padding_is_part_of_step_and_zero():
    data, step = encoded([[RED, GREEN], [BLUE, GRAY]], "rgb8", step_padding=3)
    assert step == 9
    assert data == [*RED, *GREEN, 0, 0, 0, *BLUE, *GRAY, 0, 0, 0]


def test_the_message_is_reused_until_the_size_changes():
    encoder = ImageEncoder("rgb8")
    first = encoder.encode(smooth())
    address = np.frombuffer(first.data, np.uint8).ctypes.data
    second = encoder.encode(smooth()[::-1])
    assert second is first
    assert np.frombuffer(second.data, np.uint8).ctypes.data == address
    assert np.array_equal(decode_image(second), smooth()[::-1])
    third = encoder.encode(smooth(30, 50))
    assert (third.height, third.width, third.step, len(third.data)) == (30, 50, 150, 4500)


@pytest.mark.parametrize("encoding", ["yuv422", "yuv422_yuy2", "nv12", "nv21"])
def test_shared_colour_needs_even_sizes(encoding):
    with pytest.raises(ValueError, match=f"{encoding} needs an even width.* 5 wide"):
        ImageEncoder(encoding).encode(smooth(4, 5))


@pytest.mark.parametrize("encoding", ["rgb8", "mono16", "bayer_grbg8"])
def test_odd_sizes_where_they_are_possible(encoding):
    message = ImageEncoder(encoding).encode(smooth(7, 5))
    assert decode_image(message).shape == (7, 5, 3)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'rgb9' is not one of rgb8, bgr8"):
        ImageEncoder("rgb9")
    with pytest.raises(ValueError, match="'tiff' is not one of jpeg, png"):
        CompressedEncoder("tiff")


@pytest.mark.parametrize(("kind", "loss"), [("png", 0), ("jpeg", 8)])
def test_compressed_images(kind, loss):
    rgb = smooth()
    message = CompressedEncoder(kind).encode(rgb)
    assert message.format == f"rgb8; {kind} compressed bgr8"
    assert np.abs(decode_compressed(message).astype(int) - rgb).max() <= loss


def test_jpeg_quality_changes_the_size():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    sizes = [len(CompressedEncoder("jpeg", quality).encode(noise).data) for quality in (20, 95)]
    assert sizes[0] < sizes[1] / 2
