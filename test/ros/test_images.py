"""Every encoding against a loop over single pixels, and messages that make no sense."""

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from cinet_core.messages.errors import MAX_SIDE, ConversionError, check_size
from cinet_core.messages.images import ENCODINGS, decode_image

HEIGHT, WIDTH = 6, 8

# Channels in memory order; "x" is skipped.
CHANNELS = {
    "rgb8": "rgb", "bgr8": "bgr", "rgba8": "rgbx", "bgra8": "bgrx", "mono8": "y", "8UC1": "y", "8UC3": "bgr",
    "8UC4": "bgrx", "rgb16": "rgb", "bgr16": "bgr", "rgba16": "rgbx", "bgra16": "bgrx", "mono16": "y",
}  # fmt: skip
BAYER = [name for name in ENCODINGS if name.startswith("bayer")]
YUV = [name for name in ENCODINGS if name.startswith(("yuv", "uyvy", "yuyv", "nv"))]


def image(encoding, rows, width, height, step, bigendian=False):
    """A message whose rows (bytes) are padded to step with a value that would show."""
    data = b"".join(row + b"\xa5" * (step - len(row)) for row in rows)
    msg = Image(encoding=encoding, width=width, height=height, step=step, is_bigendian=int(bigendian))
    msg.data = array.array("B", data)
    return msg


def noise(*shape):
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def test_every_encoding_is_covered_below():
    assert set(ENCODINGS) == {*CHANNELS, *BAYER, *YUV}
    assert {"yuv422", "yuv422_yuy2", "nv12", "nv21", "bayer_grbg8", "bayer_bggr16"} <= set(ENCODINGS)


@pytest.mark.parametrize("padding", [0, 1, 2, 7])
@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("encoding", CHANNELS)
def test_plain_encodings(encoding, bigendian, padding):
    channels = CHANNELS[encoding]
    itemsize = 2 if encoding.endswith("16") else 1
    height, width = 5, 7
    rows = [noise(height, width * len(channels) * itemsize)[v].tobytes() for v in range(height)]
    msg = image(encoding, rows, width, height, len(rows[0]) + padding, bigendian)

    expected = np.zeros((height, width, 3), dtype=np.uint8)
    for v in range(height):
        for u in range(width):
            for c, letter in enumerate(channels):
                start = (u * len(channels) + c) * itemsize
                value = int.from_bytes(rows[v][start : start + itemsize], "big" if bigendian else "little")
                value = round(value * 255 / 65535) if itemsize == 2 else value
                for target in {"r": [0], "g": [1], "b": [2], "y": [0, 1, 2], "x": []}[letter]:
                    expected[v, u, target] = value
    actual = decode_image(msg)
    assert actual.dtype == np.uint8
    assert actual.flags.c_contiguous
    np.testing.assert_array_equal(actual, expected)


def test_mono16_rounds_every_value_as_cv_bridge_does():
    values = np.arange(65536, dtype="<u2").reshape(256, 256)
    decoded = decode_image(image("mono16", [row.tobytes() for row in values], 256, 256, 512))
    np.testing.assert_array_equal(decoded[..., 1], np.rint(values * (255.0 / 65535.0)))


def bayer_reference(mosaic, pattern):
    """Bilinear interpolation of the interior: the mean of the neighbours that have the colour."""
    height, width = mosaic.shape
    out = np.zeros((height, width, 3))
    for v in range(1, height - 1):
        for u in range(1, width - 1):
            for c, letter in enumerate("rgb"):
                if pattern[(v % 2) * 2 + u % 2] == letter:
                    out[v, u, c] = mosaic[v, u]
                    continue
                near = [
                    int(mosaic[y, x])
                    for y in (v - 1, v, v + 1)
                    for x in (u - 1, u, u + 1)
                    if pattern[(y % 2) * 2 + x % 2] == letter and (letter != "g" or abs(y - v) + abs(x - u) == 1)
                ]
                out[v, u, c] = np.mean(near)
    return out


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("encoding", BAYER)
def test_bayer(encoding, bigendian, padding):
    pattern, bits = encoding[6:10], int(encoding[10:])
    height, width = 7, 9
    kind = np.dtype("u1" if bits == 8 else (">u2" if bigendian else "<u2"))
    mosaic = np.random.default_rng(3).integers(0, 2**bits, (height, width)).astype(kind)
    step = width * kind.itemsize + padding
    decoded = decode_image(image(encoding, [row.tobytes() for row in mosaic], width, height, step, bigendian))
    expected = bayer_reference(mosaic, pattern) * (255.0 / (2**bits - 1))
    assert np.abs(decoded - expected)[1:-1, 1:-1].max() <= 1.0
    # A flat colour comes back exactly, up to the border.
    color = {"r": 200, "g": 90, "b": 10}
    flat = np.array([[color[pattern[(v % 2) * 2 + u % 2]] for u in range(width)] for v in range(height)])
    flat = (flat * (257 if bits == 16 else 1)).astype(kind)
    decoded = decode_image(image(encoding, [row.tobytes() for row in flat], width, height, step, bigendian))
    assert (decoded == [200, 90, 10]).all()


def bt601(y, u, v):
    """Limited range, ITU-R BT.601."""
    luma = 1.164383 * (y - 16)
    red = luma + 1.596027 * (v - 128)
    green = luma - 0.391762 * (u - 128) - 0.812968 * (v - 128)
    blue = luma + 2.017232 * (u - 128)
    return np.clip([red, green, blue], 0, 255)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", YUV)
def test_yuv(encoding, padding):
    y = noise(HEIGHT, WIDTH) // 2 + 60
    halved = (HEIGHT // 2 if encoding.startswith("nv") else HEIGHT, WIDTH // 2)
    chroma_u, chroma_v = noise(2, *halved) // 4 + 96
    if encoding.startswith("nv"):
        order = (chroma_u, chroma_v) if encoding == "nv12" else (chroma_v, chroma_u)
        rows = [*y, *(np.stack(order, axis=-1).reshape(halved[0], WIDTH))]
        bytes_per_pixel, per_row = 1, 2
    else:
        packed = np.empty((HEIGHT, WIDTH, 2), dtype=np.uint8)
        luma_at = 1 if encoding in ("yuv422", "uyvy") else 0
        packed[..., luma_at] = y
        packed[:, 0::2, 1 - luma_at], packed[:, 1::2, 1 - luma_at] = chroma_u, chroma_v
        rows, bytes_per_pixel, per_row = list(packed), 2, 1
    step = WIDTH * bytes_per_pixel + padding
    decoded = decode_image(image(encoding, [row.tobytes() for row in rows], WIDTH, HEIGHT, step))
    assert decoded.shape == (HEIGHT, WIDTH, 3)
    for v in range(HEIGHT):
        for u in range(WIDTH):
            where = (v // per_row, u // 2)
            expected = bt601(float(y[v, u]), float(chroma_u[where]), float(chroma_v[where]))
            assert np.abs(decoded[v, u] - expected).max() <= 2.0


def test_tight_rgb8_is_not_copied_and_longer_data_is_fine():
    rows = [row.tobytes() for row in noise(4, 15)]
    msg = image("rgb8", [*rows, b"more"], 5, 4, 15)
    assert np.shares_memory(decode_image(msg), np.frombuffer(msg.data, dtype=np.uint8))


def wrong(injected, reason, says, **changes):
    """A row of the table of faults."""
    marks = pytest.mark.fault(
        area="input", fault=f"image refused: {reason}", injected=injected, expected=f"dropped as `{reason}`, named"
    )
    return pytest.param(changes, reason, says, marks=marks, id=injected)


@pytest.mark.parametrize(
    ("changes", "reason", "says"),
    [
        wrong("a depth image", "encoding", "'32FC1'", encoding="32FC1"),
        wrong("no encoding", "encoding", "bgr8", encoding=""),
        wrong("an encoding of 1 MB", "encoding", "1000000 characters", encoding="x" * 1_000_000),
        wrong("no columns", "size", "0x4", width=0),
        wrong("no rows and no data", "size", "5x0", height=0, data=array.array("B")),
        wrong("more columns than OpenCV can warp", "size", str(MAX_SIDE), width=MAX_SIDE + 1),
        wrong("20000x20000 in 60 bytes", "size", "20000x20000", width=20000, height=20000),
        wrong("the largest numbers", "size", "4294967295", width=2**32 - 1, height=2**32 - 1, step=2**32 - 1),
        wrong("a step shorter than a row", "data", "15 bytes", step=14),
        wrong("a step that data does not have", "data", "64", step=16),
        wrong("a step of 4 GB", "data", "4294967295", step=2**32 - 1),
        wrong("a row too few", "data", "75", height=5),
        wrong("a byte too few", "data", "59 bytes", data=array.array("B", bytes(59))),
        wrong("shared chroma at an odd width", "size", "multiple of 2", encoding="yuv422", width=3),
        wrong("shared chroma at an odd height", "size", "multiple of 2", encoding="nv12", width=4, height=3),
        wrong("no chroma rows", "data", "90", encoding="nv12", width=4, height=4),
        wrong("a mosaic of two rows", "size", "3x3", encoding="bayer_rggb8", height=2),
    ],
)
def test_refusals_name_the_reason_and_the_value(changes, reason, says):
    msg = image("rgb8", [row.tobytes() for row in noise(4, 15)], 5, 4, 15)
    for name, value in changes.items():
        setattr(msg, name, value)
    with pytest.raises(ConversionError) as caught:
        decode_image(msg)
    assert caught.value.reason == reason
    assert says in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_largest_image_is_8k():
    check_size(7680, 4320, "image")
    with pytest.raises(ConversionError, match="at most 32766 pixels a side and 33554432 in all"):
        check_size(8192, 8192, "image")


sizes = st.one_of(st.integers(0, 12), st.integers(0, 2**32 - 1))


@settings(max_examples=400, deadline=None)
@given(
    encoding=st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=12)),
    width=sizes,
    height=sizes,
    step=sizes,
    bigendian=st.booleans(),
    data=st.binary(max_size=600),
)
def test_any_message_decodes_or_is_refused(encoding, width, height, step, bigendian, data):
    msg = Image(encoding=encoding, width=width, height=height, step=step, is_bigendian=int(bigendian))
    msg.data = array.array("B", data)
    try:
        rgb = decode_image(msg)
    except ConversionError:
        return
    assert rgb.shape == (height, width, 3)
    assert rgb.dtype == np.uint8


@settings(max_examples=200, deadline=None)
@given(
    encoding=st.sampled_from(ENCODINGS),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    padding=st.integers(0, 9),
    bigendian=st.booleans(),
    seed=st.integers(0, 99),
)
def test_padding_never_shows(encoding, width, height, padding, bigendian, seed):
    """Whatever the encoding and size: the same pixels with other rows' distance give the same image."""
    bytes_per_pixel = {1: 1, 2: 2, 3: 3, 4: 4}[len(CHANNELS.get(encoding, "y"))]
    bytes_per_pixel *= 2 if encoding.endswith("16") or encoding in YUV[:4] else 1
    rows = np.random.default_rng(seed).integers(0, 256, (2 * height, width * bytes_per_pixel), dtype=np.uint8)
    rows = [row.tobytes() for row in rows]
    outcomes = []
    for step in (len(rows[0]), len(rows[0]) + padding):
        try:
            outcomes.append(decode_image(image(encoding, rows, width, height, step, bigendian)).tolist())
        except ConversionError as error:
            outcomes.append(error.reason)
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], list) or outcomes[0] == "size"
