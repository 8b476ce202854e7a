"""MATLAB files of both kinds: version 7.3 is HDF5 and read in parts, older ones are read whole by SciPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinet_core.data.frame_files import SourceError

if TYPE_CHECKING:
    import h5py

__all__ = ["load_version_5", "open_hdf5"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
USER_BLOCK = 512
"""MATLAB puts its own header of this many bytes before the HDF5 file."""

INSTALL = "install it with the training libraries: pip install 'cinet[train]'"


@contextmanager
def open_hdf5(path: Path, remedy: str) -> Iterator[h5py.File]:
    """A version 7.3 file, open for reading while the context lasts.

    Opened anew for each sample (0.3 ms): HDF5 handles neither survive a fork nor can be pickled.

    Raises:
        SourceError: the file is missing, cut short, or of another kind; or what the context reads is damaged.
    """
    _check_kind(path, hdf5=True, remedy=remedy)
    try:
        import h5py
    except ImportError as error:
        raise SourceError(path, "it takes h5py to read it", INSTALL) from error

    try:
        # Cluster file systems often refuse locks, which a file that nobody writes does not need.
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        raise SourceError(path, f"it is damaged or incomplete ({error})", remedy) from error


def load_version_5(path: Path, variables: Sequence[str], remedy: str) -> dict[str, Any]:
    """Variables of a file in MATLAB's older format, with unit dimensions dropped.

    Raises:
        SourceError: the file is missing, cut short, of another kind, or lacks a variable.
    """
    _check_kind(path, hdf5=False, remedy=remedy)
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise SourceError(path, "it takes SciPy to read it", INSTALL) from error

    try:
        content = loadmat(path, variable_names=list(variables), squeeze_me=True, struct_as_record=False)
    # What SciPy raises on a damaged file depends on where it is damaged: zlib.error, TypeError, its own, ...
    except Exception as error:
        raise SourceError(path, f"it is damaged or incomplete ({error})", remedy) from error
    missing = [name for name in variables if name not in content]
    if missing:
        raise SourceError(path, f"it lacks the variable {', '.join(missing)}", remedy)
    return content


def _check_kind(path: Path, *, hdf5: bool, remedy: str) -> None:
    if not path.is_file():
        raise SourceError(path, "there is no such file", remedy)
    with path.open("rb") as file:
        head = file.read(USER_BLOCK + len(HDF5_SIGNATURE))
    found = HDF5_SIGNATURE in (head[:8], head[USER_BLOCK:])
    if hdf5 and not found:
        raise SourceError(path, "it is not a MATLAB 7.3 (HDF5) file", remedy)
    if not hdf5 and (found or not head.startswith(b"MATLAB 5.0")):
        raise SourceError(path, "it is not a MATLAB 5 file", remedy)
