"""Files beside the images that look like depth or labels: told from photographs, and named where nothing reads them.

Whoever exports depth as TIFF, or calls labels ``NAME_seg.png``, must not train without them unawares. A file looks like
depth or labels by a word in its name (``NAME_depth.tiff``, ``NAME.labels.png``), before the name of an image
(``depth_0001.png`` beside ``rgb_0001.png``), or in that of its folder (``depth/``, ``masks/``); by its kind: nobody
keeps photographs as ``.npy``, ``.exr`` or ``.pfm``; or by its pixels, where it has the name of a colour image with
something behind: 16 grey bits in ``NAME_d.png`` are no second photograph.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Literal

from PIL import Image

__all__ = ["AuxiliaryPart", "certainly_no_photo", "parts_among", "parts_by_pixels", "split_name", "unread_files"]

AuxiliaryPart = Literal["depth", "labels"]

_WORDS: dict[str, AuxiliaryPart] = {
    **dict.fromkeys(("depth", "depths", "depthmap", "rawdepth", "disp", "disparity", "disparities"), "depth"),
    **dict.fromkeys(("label", "labels", "labelid", "labelids", "labelmap", "gt", "groundtruth"), "labels"),
    **dict.fromkeys(("seg", "segm", "segmentation", "segmentations", "semantic", "semantics", "sem"), "labels"),
    **dict.fromkeys(("mask", "masks", "annotation", "annotations", "instance", "instances", "panoptic"), "labels"),
    **dict.fromkeys(("class", "classes", "classid", "classids", "anno", "parsing", "semseg"), "labels"),
}
_CERTAIN = re.compile(r"[._-](depth|labels?)$", re.IGNORECASE)
"""Ends of names that no photograph has, whether there is one of the same name or not."""

_FIRST_WORDS = frozenset({"depth", "disp", "disparity", "label", "labels", "seg", "semantic", "semantics"})
_COLOUR_WORDS = frozenset({"rgb", "color", "colour", "image", "img", "frame", "left", "photo"})
_COLOUR_END = re.compile(rf"[._-]({'|'.join(sorted(_COLOUR_WORDS))})$")
_DEPTH_SUFFIXES = frozenset({".npy", ".npz", ".exr", ".pfm", ".hdr"})
_ANNOTATION_SUFFIXES = frozenset({".json", ".xml"})
"""Polygons of an annotation tool, where they have an image's name."""

_MOST_CLASSES = 64
_COLOUR_MODES = frozenset({"RGB", "RGBA", "YCbCr", "CMYK"})

_OTHER_SUFFIXES = frozenset({".txt", ".yaml", ".yml", ".md", ".csv", ".log", ".html", ".toml", ".zip"})

_SHOWN = 3


def split_name(stem: str) -> list[str]:
    """The words of a file's name, without the digits at their ends: "x-depth16" and "xDepth" are x, depth."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", stem).casefold()
    return [re.sub(r"(?<=[a-z])\d+$", "", word) for word in re.split(r"[._\- ]+", apart)]


def certainly_no_photo(stem: str) -> bool:
    """A name that ends in depth, label or labels."""
    return _CERTAIN.search(stem) is not None


def parts_among(stems: Collection[str]) -> set[str]:
    """Of the names of images in a folder those that look like depth or labels of others of them."""
    known, rest = _known(stems)
    return {stem for stem in stems if _part_by_name(stem, known, rest) is not None}


def parts_by_pixels(paths: Collection[Path]) -> set[Path]:
    """Of the images in a folder those that look like depth or labels of others of them, by what they hold."""
    images = _by_name(paths)
    return {path for path in paths if _part_by_pixels(path, images) is not None}


def unread_files(
    root: Path, folders: Iterable[Path], images: Collection[Path], read: AbstractSet[Path], expected: tuple[str, str]
) -> list[str]:
    """What lies in a data set's folder and looks like depth or labels, but is not read.

    Args:
        root: of the data set. Folders in it that are called like depth or labels are looked into too.
        folders: that hold its images.
        images: its images.
        read: what is read beside them.
        expected: how depth and labels have to be called.

    Returns:
        A sentence for each kind of file: how many there are, some names, and the remedy.
    """
    known, rest = _known([image.stem for image in images])
    by_name = _by_name(images)
    inside = {folder: _part_by_words(split_name(folder.name)) for folder in _subfolders(root)}
    taken = set(images) | read
    found: dict[tuple[AuxiliaryPart, str], list[Path]] = {}
    for folder in sorted({root, *folders, *(folder for folder, part in inside.items() if part)}):
        for path in sorted(path for path in folder.iterdir() if _is_file(path) and path not in taken):
            suffix = path.suffix.casefold()
            if suffix in _OTHER_SUFFIXES or path.name.startswith("."):
                continue
            part = inside.get(folder) or _part_by_name(path.stem, known, rest)
            if part is None and suffix in _DEPTH_SUFFIXES:
                part = "depth"
            if part is None and suffix in _ANNOTATION_SUFFIXES and path.stem.casefold() in known:
                part = "labels"
            part = part or _part_by_pixels(path, by_name)
            if part is not None:
                found.setdefault((part, suffix), []).append(path)
    image = min(images)
    return [_sentence(part, paths, root, expected, image) for (part, _), paths in sorted(found.items())]


def _known(stems: Iterable[str]) -> tuple[set[str], set[tuple[str, ...]]]:
    """Names of images that others may belong to: with and without "rgb" at the end, and what comes after "rgb"."""
    names = {stem.casefold() for stem in stems}
    return names | {_without_colour(name) for name in names}, {_rest(name) for name in names if not _first_word(name)}


def _without_colour(stem: str) -> str:
    return _COLOUR_END.sub("", stem.casefold())


def _is_file(path: Path) -> bool:
    """Also a link to a disk that is not there."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _subfolders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def _part_by_words(words: Iterable[str]) -> AuxiliaryPart | None:
    return next((_WORDS[word] for word in words if word in _WORDS), None)


def _part_by_name(stem: str, known: AbstractSet[str], rest: AbstractSet[tuple[str, ...]]) -> AuxiliaryPart | None:
    """What a name says: its end for certain, a word after an image's name, or a word in place of "rgb"."""
    certain = _CERTAIN.search(stem)
    if certain:
        return _WORDS[certain[1].casefold()]
    for separator in re.finditer(r"[._\- ]+", stem):
        if stem[: separator.start()].casefold() in known:
            part = _part_by_words(split_name(stem[separator.end() :]))
            if part:
                return part
    first = _first_word(stem)
    return _WORDS[first] if first and _rest(stem) in rest else None


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    """Images by the names that others may begin with: with and without "rgb" at the end."""
    return {name: path for path in paths for name in (_without_colour(path.stem), path.stem.casefold())}


def _part_by_pixels(path: Path, images: Mapping[str, Path]) -> AuxiliaryPart | None:
    """What an image is that is called like a colour image with something behind: a header is read only of these."""
    for separator in re.finditer(r"[._\- ]+", path.stem):
        image = images.get(path.stem[: separator.start()].casefold(), path)
        if image == path or _mode(image) not in _COLOUR_MODES:
            continue
        mode = _mode(path)
        if mode == "F" or mode.startswith("I"):
            return "depth"
        numbered = path.stem[separator.end() :].isdecimal()  # of a burst
        if not numbered and (mode == "P" or (mode == "L" and _holds_classes(path))):
            return "labels"
    return None


def _holds_classes(path: Path) -> bool:
    """Whether a grey image has only low values, and 255: a photograph would be black."""
    try:
        with Image.open(path) as opened:
            return not any(opened.histogram()[_MOST_CLASSES:255])
    except Exception:  # as below
        return False


def _mode(path: Path) -> str:
    """Of an image, as Pillow calls it; "" where it cannot be read, which reading it tells."""
    try:
        with Image.open(path) as opened:
            return opened.mode
    except Exception:  # Pillow's decoders raise nearly anything on damaged files
        return ""


def _first_word(stem: str) -> str | None:
    """The word for depth or labels that a name begins with, if it does."""
    first = split_name(stem)[0]
    return first if first in _FIRST_WORDS else None


def _rest(stem: str) -> tuple[str, ...]:
    """A name without the word at its start that says what it shows."""
    words = re.split(r"[._\- ]+", stem.casefold())
    return tuple(words[1:] if words[0] in _FIRST_WORDS | _COLOUR_WORDS and len(words) > 1 else words)


def _sentence(part: AuxiliaryPart, paths: list[Path], root: Path, expected: tuple[str, str], image: Path) -> str:
    names = ", ".join(str(path.relative_to(root)) for path in paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    one = len(paths) == 1
    pattern = expected[part == "labels"]
    example = pattern.replace("NAME", image.stem.removesuffix(".color"))
    verb, kind = ("is", "of 16 bits in millimetres") if part == "depth" else ("are", "whose values are class numbers")
    remedy = f"{part} {verb} read from {pattern} ({example} for {image.name}), PNG {kind}"
    return (
        f"{len(paths)} file{'' if one else 's'} that look{'s' if one else ''} like {part} {'is' if one else 'are'} not "
        f"read: {names}{more}; {remedy}: convert or rename {'it' if one else 'them'}"
    )
