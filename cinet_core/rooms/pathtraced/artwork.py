"""Printed things, drawn in code: pictures, book covers and spines, pages, leaflets, screens, and views out of windows.

Nothing is taken from anywhere, so that nobody has rights in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Generator = np.random.Generator

VERSION = 1
"""Part of the folder's name: older drawings are not mixed with newer ones."""


class Artwork:
    """Drawn images by kind, in a folder; draws what is missing.

    Args:
        root: for the folder.

    Attributes:
        folder: of the images.
    """

    def __init__(self, root: Path) -> None:
        """Draw what is not there yet."""
        self.folder = root / f"artwork{VERSION}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files = {
            kind: tuple(self._file(kind, number) for number in range(count)) for kind, (count, _) in _KINDS.items()
        }

    def pick(self, kind: str, rng: Generator) -> str:
        """File of an image of this kind."""
        files = self._files[kind]
        return str(files[int(rng.integers(len(files)))])

    def _file(self, kind: str, number: int) -> Path:
        path = self.folder / f"{kind}_{number:02d}.png"
        if not path.is_file():
            image = draw(kind, number)
            part = path.with_suffix(".part.png")
            if not cv2.imwrite(str(part), image[..., ::-1]):
                raise OSError(f"cannot write {part}: is the disk full?")
            part.replace(path)
        return path


def draw(kind: str, number: int) -> Image:
    """(H, W, 3) RGB image; depends on its arguments only."""
    rng = np.random.default_rng([len(kind), *kind.encode(), number])
    return _KINDS[kind][1](rng)


def _color(rng: Generator, low: float = 0.0, high: float = 1.0) -> tuple[float, float, float]:
    hue, saturation, value = rng.uniform(0, 360), rng.beta(1.1, 2.2), rng.uniform(low, high)
    pixel = cv2.cvtColor(np.array([[[hue, saturation, value]]], dtype=np.float32), cv2.COLOR_HSV2RGB)[0, 0]
    r, g, b = (float(channel) * 255 for channel in pixel)
    return r, g, b


def _blank(height: int, width: int, color: tuple[float, float, float]) -> Image:
    return np.full((height, width, 3), color, dtype=np.uint8)


def clouds(rng: Generator, height: int, width: int, roughness: float) -> npt.NDArray[np.float32]:
    """(H, W) smooth noise from 0 to 1; the higher the roughness, the finer."""
    total = np.zeros((height, width), dtype=np.float32)
    for octave in range(1, 8):
        cells = rng.random((2**octave + 1, 2**octave + 1)).astype(np.float32)
        total += cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC) * roughness**octave
    return (total - total.min()) / max(float(np.ptp(total)), 1e-6)


def _text(image: Image, rng: Generator, box: tuple[int, int, int, int], color: tuple[float, float, float]) -> None:
    """Fill a box (left, top, right, bottom) with lines of letters."""
    left, top, right, bottom = box
    size = float(rng.uniform(0.28, 0.5))
    step = int(26 * size) + 5
    for y in range(top + step, bottom, step):
        words = "".join(chr(97 + int(letter)) if letter < 26 else " " for letter in rng.integers(0, 31, 60))
        end = right if rng.random() < 0.85 else left + int((right - left) * rng.uniform(0.3, 0.9))
        strip = image[y - step : y + 3, left:end]
        if strip.size:
            cv2.putText(strip, words, (0, step - 3), cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)


def _title(image: Image, rng: Generator, y: int, color: tuple[float, float, float], size: float) -> None:
    words = "".join(chr(65 + int(letter)) for letter in rng.integers(0, 26, int(rng.integers(3, 9))))
    cv2.putText(image, words, (12, y), cv2.FONT_HERSHEY_DUPLEX, size, color, max(1, int(size * 2)), cv2.LINE_AA)


def _landscape(rng: Generator, height: int, width: int) -> Image:
    """Sky, hills in haze, perhaps water or a sun."""
    top, low = np.array(_color(rng, 0.5, 1.0)), np.array(_color(rng, 0.7, 1.0))
    image = (top + (low - top) * np.linspace(0, 1, height)[:, None, None]) * np.ones((1, width, 1))
    image += (clouds(rng, height, width, 0.6)[..., None] - 0.5) * 60
    if rng.random() < 0.4:
        center = int(rng.uniform(0, width)), int(rng.uniform(0.1, 0.5) * height)
        cv2.circle(image, center, int(rng.uniform(8, 40)), _color(rng, 0.8, 1.0), -1, cv2.LINE_AA)
    ridge = rng.uniform(0.3, 0.5) * height
    for _ in range(int(rng.integers(2, 5))):
        line = ridge + (clouds(rng, 2, width, 0.55)[0] - 0.5) * height * rng.uniform(0.1, 0.5)
        below = np.arange(height)[:, None] > line[None]
        ground = np.array(_color(rng, 0.1, 0.7)) + (clouds(rng, height, width, 0.8)[..., None] - 0.5) * 90
        image[below] = ground[below]
        ridge += rng.uniform(0.1, 0.25) * height
    return np.clip(image, 0, 255).astype(np.uint8)


def _abstract(rng: Generator, height: int, width: int) -> Image:
    """Shapes in few colours."""
    colors = [_color(rng, 0.1, 1.0) for _ in range(4)]
    image = _blank(height, width, colors[0])
    for _ in range(int(rng.integers(4, 14))):
        color = colors[int(rng.integers(4))]
        center = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        kind = rng.integers(4)
        if kind == 0:
            cv2.circle(image, center, int(rng.uniform(8, 80)), color, -1, cv2.LINE_AA)
        elif kind == 1:
            end = int(rng.uniform(0, width)), int(rng.uniform(0, height))
            cv2.rectangle(image, center, end, color, -1)
        elif kind == 2:
            end = int(rng.uniform(0, width)), int(rng.uniform(0, height))
            cv2.line(image, center, end, color, int(rng.uniform(2, 18)), cv2.LINE_AA)
        else:
            axes = int(rng.uniform(8, 90)), int(rng.uniform(8, 60))
            cv2.ellipse(image, center, axes, rng.uniform(0, 180), 0, 360, color, -1, cv2.LINE_AA)
    grain = (clouds(rng, height, width, 0.9) - 0.5) * 40
    return np.clip(image + grain[..., None], 0, 255).astype(np.uint8)


def _scene(rng: Generator, height: int, width: int) -> Image:
    return _landscape(rng, height, width) if rng.random() < 0.55 else _abstract(rng, height, width)


def _picture(rng: Generator) -> Image:
    image = _scene(rng, 220, 220)
    if rng.random() < 0.5:  # mount
        edge = int(rng.uniform(15, 45))
        framed = _blank(220, 220, (240, 238, 230))
        framed[edge:-edge, edge:-edge] = cv2.resize(image, (220 - 2 * edge, 220 - 2 * edge))
        return framed
    return image


def _cover(rng: Generator) -> Image:
    image = _blank(256, 192, _color(rng, 0.1, 1.0))
    if rng.random() < 0.6:
        top = int(rng.uniform(0, 120))
        image[top : top + 120] = _scene(rng, 120, 192)
    _title(image, rng, int(rng.uniform(40, 240)), _color(rng, 0.0, 1.0), float(rng.uniform(0.7, 1.5)))
    _text(image, rng, (14, int(rng.uniform(60, 200)), 180, 240), _color(rng, 0.0, 1.0))
    return image


def _spine(rng: Generator) -> Image:
    """Of a standing book: its title runs upwards."""
    image = _blank(40, 256, _color(rng, 0.05, 0.95))
    for x in rng.uniform(0, 256, int(rng.integers(0, 4))):
        cv2.rectangle(image, (int(x), 0), (int(x + rng.uniform(3, 20)), 40), _color(rng, 0.1, 1.0), -1)
    _title(image[:, int(rng.uniform(10, 60)) :], rng, 30, _color(rng, 0.0, 1.0), float(rng.uniform(0.6, 1.0)))
    return np.ascontiguousarray(np.rot90(image))


def _page(rng: Generator) -> Image:
    paper = float(rng.uniform(215, 250))
    image = _blank(280, 200, (paper, paper, paper * rng.uniform(0.9, 1.0)))
    if rng.random() < 0.5:
        top, left = int(rng.uniform(10, 140)), int(rng.uniform(10, 60))
        image[top : top + 100, left : left + 120] = _scene(rng, 100, 120)
    ink = float(rng.uniform(10, 90))
    for left, right in ((12, 96), (104, 188)) if rng.random() < 0.4 else ((14, 186),):
        _text(image, rng, (left, int(rng.uniform(10, 120)), right, int(rng.uniform(180, 270))), (ink, ink, ink))
    if rng.random() < 0.5:
        _title(image, rng, 30, _color(rng, 0.0, 0.7), float(rng.uniform(0.5, 1.0)))
    return image


def _leaflet(rng: Generator) -> Image:
    """Poster or flyer."""
    image = _blank(280, 200, _color(rng, 0.3, 1.0))
    if rng.random() < 0.7:
        image[: int(rng.uniform(80, 200))] = _scene(rng, 280, 200)[: int(rng.uniform(80, 200))].mean(axis=(0, 1))
        top = int(rng.uniform(0, 60))
        image[top : top + 120, 10:190] = _scene(rng, 120, 180)
    _title(image, rng, int(rng.uniform(150, 200)), _color(rng, 0.0, 1.0), float(rng.uniform(0.8, 1.4)))
    _text(image, rng, (14, 205, 186, 270), _color(rng, 0.0, 1.0))
    return image


def _screen(rng: Generator) -> Image:
    """Windows on a desktop, or a film."""
    if rng.random() < 0.3:
        return _landscape(rng, 200, 320)
    image = _scene(rng, 200, 320)
    for _ in range(int(rng.integers(1, 4))):
        left, top = int(rng.uniform(0, 160)), int(rng.uniform(0, 90))
        right, bottom = left + int(rng.uniform(90, 200)), top + int(rng.uniform(60, 110))
        dark = rng.random() < 0.4
        cv2.rectangle(image, (left, top), (right, bottom), (30, 32, 38) if dark else (245, 245, 245), -1)
        cv2.rectangle(image, (left, top), (right, top + 9), _color(rng, 0.3, 0.9), -1)
        _text(image, rng, (left + 5, top + 10, min(318, right), min(198, bottom)), (200,) * 3 if dark else (40,) * 3)
    return image


def _package(rng: Generator) -> Image:
    """Of cereals, tea, detergent."""
    image = _blank(220, 160, _color(rng, 0.4, 1.0))
    cv2.ellipse(image, (80, 140), (60, 50), 0, 0, 360, _color(rng, 0.4, 1.0), -1, cv2.LINE_AA)
    _title(image, rng, 60, _color(rng, 0.0, 1.0), float(rng.uniform(0.9, 1.6)))
    _text(image, rng, (10, 180, 150, 215), _color(rng, 0.0, 0.8))
    return image


def _outdoors(rng: Generator) -> Image:
    """What one sees from a window: sky over trees, or houses across the street; out of focus."""
    height, width = 256, 384
    top, low = np.array((rng.uniform(90, 190), rng.uniform(150, 215), 245.0)), np.array((225.0, 232.0, 240.0))
    image = (top + (low - top) * np.linspace(0, 1, height)[:, None, None]) * np.ones((1, width, 1))
    image += (clouds(rng, height, width, 0.6)[..., None] - 0.4) * 70
    for _ in range(int(rng.integers(0, 4))):
        left, roof = int(rng.uniform(-60, 330)), int(rng.uniform(40, 170))
        right, wall = left + int(rng.uniform(60, 180)), _facade(rng)
        cv2.rectangle(image, (left, roof), (right, height), wall, -1)
        for x in range(left + 12, right - 16, 30):
            for y in range(roof + 14, height, 40):
                cv2.rectangle(image, (x, y), (x + 14, y + 22), _color(rng, 0.15, 0.5), -1)
    line = rng.uniform(0.4, 0.8) * height + (clouds(rng, 2, width, 0.75)[0] - 0.5) * height * 0.5
    leaves = clouds(rng, height, width, 0.95)[..., None]
    green = np.array((rng.uniform(40, 90), rng.uniform(80, 130), rng.uniform(25, 60))) * (0.35 + 1.1 * leaves)
    below = np.arange(height)[:, None] > line[None]
    image[below] = green[below]
    return cv2.GaussianBlur(np.clip(image, 0, 255).astype(np.uint8), (0, 0), rng.uniform(0.6, 2.0))


def _facade(rng: Generator) -> tuple[float, float, float]:
    """Brick, plaster or concrete."""
    red, value = rng.uniform(0.0, 0.35), rng.uniform(110, 225)
    return value, value * (1 - red), value * (1 - 1.2 * red)


_KINDS: dict[str, tuple[int, Callable[[Generator], Image]]] = {
    "picture": (64, _picture),
    "cover": (64, _cover),
    "spine": (64, _spine),
    "page": (40, _page),
    "leaflet": (40, _leaflet),
    "screen": (24, _screen),
    "package": (32, _package),
    "outdoors": (32, _outdoors),
}
