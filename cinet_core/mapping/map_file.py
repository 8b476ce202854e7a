"""Reads and writes map files: .npz files that NumPy can open, processed in pieces, with every size checked first.

Entries, all stored without compression: ``metadata`` (JSON as uint8), ``keys`` (N, 3) int32, and each of
`ATTRIBUTES` as (N, VOXELS, channels). Nothing in it is pickled.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.mapping.votes import CANDIDATES
from cinet_core.mapping.voxel_blocks import ATTRIBUTES, VOXELS, BlockData

__all__ = ["MapFileError", "MapMetadata", "Pieces", "open_map", "write_map"]

FORMAT = 1
MAX_METADATA_BYTES = 2**20
MAX_FILE_BLOCKS = 2_000_000
"""About 33 GB: a large building at 2 cm."""

MAX_KEY = 2**20
"""Blocks from the origin, along each axis."""

Pieces = Callable[[Iterable[str]], Iterable[BlockData]]
"""Some attributes, by their names, of all blocks."""

_PIECE = 1024
_NPY_HEADER = 128
"""Bytes: what NumPy writes for arrays of these few dimensions, and more than a damaged file may make it parse."""


class MapFileError(ValueError):
    """A file is not a valid map. The message names the file, the fault and the remedy."""


@dataclass(frozen=True)
class MapMetadata:
    """Metadata of a map file.

    Attributes:
        label_set: label set of the class ids.
        voxel_size: metres.
        max_depth: metres; depth beyond was not fused.
        frames: how many were fused.
    """

    label_set: LabelSet
    voxel_size: float
    max_depth: float
    frames: int


def write_map(file: IO[bytes], facts: MapMetadata, count: int, pieces: Pieces) -> None:
    """Write a map to an open file.

    Args:
        file: opened for writing.
        facts: about the map.
        count: of all blocks.
        pieces: called once for each entry, with the attributes that it is of; gives these of all blocks, in the same
            order each time.

    Raises:
        OSError: the disk is full.
        ValueError: the pieces do not have that many blocks, or there are more than a file may hold.
    """
    if count > MAX_FILE_BLOCKS:
        raise ValueError(f"the map has {count} blocks, a file holds {MAX_FILE_BLOCKS}: use larger voxels")
    values = {
        "format": FORMAT,
        "voxel_size": facts.voxel_size,
        "max_depth": facts.max_depth,
        "frames": facts.frames,
        "label_set": facts.label_set.to_dict(),
    }
    text = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write_entry(archive, "metadata", text.shape, text.dtype, [text])
        _write_entry(archive, "keys", (count, 3), np.dtype(np.int32), (piece.keys for piece in pieces(())))
        for name, (dtype, channels) in ATTRIBUTES.items():
            arrays = (piece.values[name] for piece in pieces((name,)))
            _write_entry(archive, name, (count, VOXELS, channels), np.dtype(dtype), arrays)


def _write_entry(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    arrays: Iterable[npt.NDArray[np.generic]],
) -> None:
    written = 0
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        descr = npy.dtype_to_descr(dtype.newbyteorder("<"))
        npy.write_array_header_1_0(entry, {"descr": descr, "fortran_order": False, "shape": shape})
        for array in arrays:
            entry.write(np.ascontiguousarray(array, dtype=dtype.newbyteorder("<")).data)
            written += len(array)
    if written != shape[0]:
        raise ValueError(f"{name}: {written} rows were given, {shape[0]} announced")


@contextlib.contextmanager
def open_map(path: Path) -> Iterator[tuple[MapMetadata, int, Iterator[BlockData]]]:
    """Open a map file: its metadata, the number of blocks, and the blocks in pieces. Sizes are checked before reading.

    Raises:
        MapFileError: it is none, is damaged, or holds impossible values; also while the pieces are read.
        OSError: the file cannot be read.
    """
    if not path.is_file():
        raise MapFileError(f"{path} is no regular file: give a map that cinet map or the mapper's save wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            count = _check_entries(path, archive)
            facts = _read_facts(path, archive)
            yield facts, count, _pieces(path, archive, count, len(facts.label_set.classes))
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise MapFileError(f"{path} is damaged or no map ({error}): copy or write it again") from error


def _check_entries(path: Path, archive: zipfile.ZipFile) -> int:
    """The number of blocks; the entries are the right ones, stored, and exactly as large as their shapes say."""
    wanted = {f"{name}.npy" for name in ("metadata", "keys", *ATTRIBUTES)}
    infos = {info.filename: info for info in archive.infolist()}
    if set(infos) != wanted or len(archive.infolist()) != len(wanted):
        raise MapFileError(f"{path} holds {sorted(infos)[:10]}: a map holds {sorted(wanted)}")
    for info in infos.values():
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.compress_size != info.file_size:
            raise MapFileError(f"{path}: {info.filename} is compressed or encrypted, a map is neither")
    if infos["metadata.npy"].file_size > MAX_METADATA_BYTES:
        raise MapFileError(f"{path}: its metadata has more than {MAX_METADATA_BYTES} bytes")
    with archive.open("keys.npy") as entry:
        shape, _ = _header(path, entry)
    count = shape[0] if shape else -1
    if not 0 <= count <= MAX_FILE_BLOCKS:
        raise MapFileError(f"{path} announces {count} blocks: 0 to {MAX_FILE_BLOCKS} are possible")
    expected: dict[str, tuple[tuple[int, ...], Any]] = {"keys": ((count, 3), np.int32)}
    expected |= {name: ((count, VOXELS, channels), dtype) for name, (dtype, channels) in ATTRIBUTES.items()}
    for name, (wanted_shape, wanted_dtype) in expected.items():
        with archive.open(f"{name}.npy") as entry:
            shape, dtype = _header(path, entry)
            size = entry.tell() + int(np.prod(wanted_shape)) * np.dtype(wanted_dtype).itemsize
        if shape != wanted_shape or dtype != np.dtype(wanted_dtype).newbyteorder("<"):
            raise MapFileError(f"{path}: {name} is {dtype} {shape}, a map of {count} blocks has {wanted_shape}")
        found = infos[f"{name}.npy"].file_size
        if found != size:
            raise MapFileError(f"{path}: {name} has {found} bytes, its header announces {size}")
    return count


def _header(path: Path, entry: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that an entry announces."""
    try:
        if npy.read_magic(entry) != (1, 0):
            raise ValueError("its version of the npy format is not 1.0")
        shape, fortran, dtype = npy.read_array_header_1_0(entry, max_header_size=4 * _NPY_HEADER)
    except ValueError as error:
        raise MapFileError(f"{path} holds an array that cannot be read: {error}") from error
    if fortran or dtype.hasobject:
        raise MapFileError(f"{path} holds an array of {dtype}, or one in column order, which no map has")
    return shape, dtype


def _read_facts(path: Path, archive: zipfile.ZipFile) -> MapMetadata:
    with archive.open("metadata.npy") as entry:
        _header(path, entry)
        text = entry.read()
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r}, this version reads {FORMAT}")
        facts = MapMetadata(
            LabelSet.from_dict(values["label_set"]),
            float(values["voxel_size"]),
            float(values["max_depth"]),
            int(values["frames"]),
        )
        if not (0 < facts.voxel_size < np.inf and 0 < facts.max_depth < np.inf and facts.frames >= 0):
            raise ValueError(f"voxel size {facts.voxel_size}, depth {facts.max_depth}, {facts.frames} frames")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MapFileError(f"{path}: its metadata is not a map's ({type(error).__name__}: {error})") from error
    return facts


def _pieces(path: Path, archive: zipfile.ZipFile, count: int, classes: int) -> Iterator[BlockData]:
    """The blocks, some at a time. A damaged byte shows at an entry's end, by its checksum."""
    with contextlib.ExitStack() as stack:
        entries = {name: stack.enter_context(archive.open(f"{name}.npy")) for name in ("keys", *ATTRIBUTES)}
        for entry in entries.values():
            _header(path, entry)
        for start in range(0, count, _PIECE):
            size = min(_PIECE, count - start)
            keys = _read(entries["keys"], (size, 3), np.int32)
            values = {
                name: _read(entries[name], (size, VOXELS, channels), dtype)
                for name, (dtype, channels) in ATTRIBUTES.items()
            }
            piece = BlockData(keys, values)
            _check_values(path, piece, classes)
            yield piece


def _read(entry: IO[bytes], shape: tuple[int, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
    kind = np.dtype(dtype)
    content = entry.read(int(np.prod(shape)) * kind.itemsize)
    return np.frombuffer(content, dtype=kind.newbyteorder("<")).reshape(shape).astype(kind)


def _check_values(path: Path, piece: BlockData, classes: int) -> None:
    """Raise MapFileError where a value is none that fusion can give."""
    if np.abs(piece.keys.astype(np.int64)).max(initial=0) > MAX_KEY:
        raise MapFileError(f"{path} has a block farther than {MAX_KEY} blocks from the origin")
    bounds = {"tsdf": (-1.001, 1.001), "weight": (0.0, 1e7), "color": (0.0, 255.5), "counts": (0, 32767)}
    for name, (low, high) in bounds.items():
        values = piece.values[name]
        if not ((values >= low) & (values <= high)).all():  # NaN is neither
            raise MapFileError(f"{path}: {name} holds a value outside {low:g} to {high:g}")
    voted = piece.values["counts"][..., :CANDIDATES] > 0
    if (voted & (piece.values["classes"] >= classes)).any():
        raise MapFileError(f"{path} holds a vote for a class beyond the {classes} of its label set")
