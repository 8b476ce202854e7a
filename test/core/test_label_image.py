"""Label images as annotation tools write them: class numbers are read, everything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from turned_frames import depth_mm, labels, rgb_image, save_image, save_plane

from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError
from cinet_core.data.label_image import read_labels
from cinet_core.label_sets import NYU40

Write = Callable[[Path], object]
FEW = (labels() % 3).astype(np.uint8)
OPAQUE = np.full_like(FEW, 255)


def save(*channels: np.ndarray) -> Write:
    plane = channels[0] if len(channels) == 1 else np.dstack(channels)
    return lambda path: Image.fromarray(plane).save(path)


def palette(stored: np.ndarray, **options: Any) -> Write:
    """Indices into colours that mean nothing."""

    def write(path: Path) -> None:
        image = Image.frombytes("P", stored.shape[::-1], stored.tobytes())
        image.putpalette(np.random.default_rng(0).integers(0, 255, 768).tolist())
        image.save(path, **options)

    return write


READ: dict[str, tuple[Write, np.ndarray]] = {
    "grey": (save(labels()), labels()),
    "palette": (palette(labels()), labels()),
    "palette of 2 bits": (palette(FEW, bits=2), FEW),
    "palette of 4 bits": (palette(FEW, bits=4), FEW),
    "palette with a transparent index": (palette(labels(), transparency=0), labels()),
    "16 bits": (lambda path: save_plane(path, labels().astype(np.uint16)), labels()),
    "rgb of equal channels": (save(labels(), labels(), labels()), labels()),
    "rgba of equal channels": (save(labels(), labels(), labels(), OPAQUE), labels()),
    "grey and alpha": (lambda path: Image.fromarray(labels()).convert("LA").save(path), labels()),
}


@pytest.mark.parametrize("kind", READ)
def test_labels_that_are_read(tmp_path: Path, kind: str) -> None:
    write, stored = READ[kind]
    write(tmp_path / "x_label.png")
    ids = read_labels(tmp_path / "x_label.png", NYU40)
    assert ids.dtype == np.uint8
    assert (ids == np.where(stored == 0, 255, stored.astype(int) - 1)).all()


def test_what_is_transparent_has_no_label(tmp_path: Path) -> None:
    alpha = np.where(labels() == 7, 0, 255).astype(np.uint8)
    save(labels(), labels(), labels(), alpha)(tmp_path / "x.png")
    assert ((read_labels(tmp_path / "x.png", NYU40) == 255) == (labels() == 7)).all()


def test_zero_is_a_class_where_the_first_one_is_zero(tmp_path: Path) -> None:
    palette(FEW)(tmp_path / "x.png")
    assert (read_labels(tmp_path / "x.png", NYU40, first_class=0) == FEW).all()


def test_an_orientation_of_the_labels_own_does_not_count(tmp_path: Path) -> None:
    save_image(tmp_path / "x.png", 3, labels())  # copied by a tool from the photograph, whose tag turns them all
    assert (read_labels(tmp_path / "x.png", NYU40) == labels() - 1).all()


def bilevel_by_opencv(path: Path) -> None:
    path.write_bytes(cv2.imencode(".png", FEW, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes())


REFUSED: dict[str, tuple[Write, str]] = {
    "rgb": (save(rgb_image()), r"labels are colours: \d+ pixels.*save class numbers"),
    "rgba": (save(rgb_image(), OPAQUE), "labels are colours"),
    "jpeg": (lambda path: Image.fromarray(labels()).save(path, format="JPEG"), "it is a JPEG file.*mixed"),
    "webp": (lambda path: Image.fromarray(labels()).save(path, format="WEBP"), "it is a WEBP file"),
    "bilevel": (save(labels() > 9), "grey PNG with 1 bits a sample.*scale"),
    "bilevel by OpenCV": (bilevel_by_opencv, "grey PNG with 1 bits a sample"),
    "rgb of 16 bits": (lambda path: save_plane(path, np.dstack([depth_mm()] * 3)), "colour PNG with 16 bits a sample"),
    "float": (lambda path: Image.fromarray(depth_mm() / np.float32(9)).save(path, format="TIFF"), "mode F"),
    "depth": (lambda path: save_plane(path, depth_mm()), "1536 pixels have the value 1000"),
    "an index of no class": (palette(labels() + np.uint8(40)), "pixels have the value 41"),
    "cut": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "cannot be decoded"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be decoded"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_labels_that_are_refused(tmp_path: Path, kind: str) -> None:
    write, says = REFUSED[kind]
    save_image(tmp_path / "x.png", 1)
    write(tmp_path / "x_label.png")
    (problem,) = FolderDataset(tmp_path, "all").problems(0)
    assert problem.path == str(tmp_path / "x_label.png")
    with pytest.raises(SourceError, match=says):
        raise problem
