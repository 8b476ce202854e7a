"""Files of frames: images of every kind, broken ones included, and calibrations that cannot be read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from cinet_core.data.frame_files import SourceError, list_frames
from cinet_core.data.image_files import read_depth, read_image

RED = (230, 20, 30)


def photo(path: Path, color: tuple[int, int, int] = RED, size: tuple[int, int] = (32, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


def depth_png(path: Path, values: list[list[int]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.array(values, dtype=np.uint16))
    return path


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1"])
def test_every_kind_of_image_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new("RGB", (8, 6), (255, 255, 255)).convert(mode).save(path)
    image = read_image(path).rgb
    assert image.shape == (6, 8, 3)
    assert (image == 255).all()


def test_sixteen_bit_images_keep_their_upper_byte(tmp_path: Path) -> None:
    image = read_image(depth_png(tmp_path / "thermal.png", [[0x12FF, 0xFF00]])).rgb
    assert image.tolist() == [[[0x12] * 3, [0xFF] * 3]]


def test_images_are_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 24), RED)
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held upright
    image.save(tmp_path / "phone.jpg", exif=exif)
    assert read_image(tmp_path / "phone.jpg").rgb.shape == (32, 24, 3)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims this size and holds nothing."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b""))
    parts = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_giant_image_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "giant.png"
    path.write_bytes(png_header(60_000, 60_000))
    with pytest.raises(SourceError, match="too large"):
        read_image(path)
    with pytest.raises(SourceError, match="cannot be decoded"):
        read_depth(path)


def test_what_a_decoder_raises_is_a_source_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's TIFF decoder was seen raising a TypeError on a damaged tag."""

    def transpose(_: object) -> None:
        raise TypeError("'float' object cannot be interpreted as an integer")

    monkeypatch.setattr(ImageOps, "exif_transpose", transpose)
    with pytest.raises(SourceError, match="cannot be decoded"):
        read_image(photo(tmp_path / "x.tif"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1"),
        ('{"frame": "a"}', "'fx'"),
        ('{"frame": "../a", "fx": 1, "fy": 1, "cx": 1, "cy": 1}', "file name in this folder"),
    ],
)
def test_broken_frames_jsonl_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "frames.jsonl").write_text(line)
    with pytest.raises(SourceError, match=message):
        list_frames(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("camera-intrinsics.txt", "1 2 3", "3 numbers"),
        ("camera-intrinsics.txt", "a b c", "could not convert"),
        ("camera_info.yaml", "image_width: 4", "image_height"),
        ("camera_info.yaml", "[", "camera_matrix/data"),
    ],
)
def test_broken_calibrations_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    photo(tmp_path / "a.jpg")
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        list_frames(tmp_path)
