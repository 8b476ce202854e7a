"""What teachers answered, kept on disk until a set is complete: a run that was killed goes on from there."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write, atomic_write_bytes
from cinet_core.data.frame_files import SourceError

__all__ = ["AnswerStore", "Arrays"]

Arrays = dict[str, npt.NDArray[Any]]


class AnswerStore:
    """Arrays by frame and step in a folder.

    What is read back is what was written, so that a run that was interrupted and one that was not give the same.

    Args:
        root: of the labelled set.
        identity: of what decides the arrays, as JSON types.
        kept: frames of a step that are kept in memory.

    Raises:
        SourceError: the folder holds arrays of other teachers or settings.
    """

    def __init__(self, root: Path, identity: Mapping[str, Any], kept: int = 8) -> None:
        self._folder = root / ".teachers"
        self._kept = kept
        self._memory: OrderedDict[tuple[str, str], Arrays] = OrderedDict()
        path, text = self._folder / "identity.json", json.dumps(identity, sort_keys=True)
        if path.is_file() and path.read_text(encoding="utf-8") != text:
            reason = "an interrupted run with other teachers, settings or frames was here"
            raise SourceError(root, reason, "give them again, remove the folder, or give a new one")
        self._folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            atomic_write_bytes(path, text.encode())

    def has(self, name: str, step: str) -> bool:
        """Whether a frame's arrays are there."""
        return self._path(name, step).is_file()

    def write(self, name: str, step: str, arrays: Arrays) -> None:
        """Keep a frame's arrays. Floating-point ones are kept in half precision: 0.05 % of a depth."""
        self._memory.pop((name, step), None)
        halves: dict[str, Any] = {key: _halved(values) for key, values in arrays.items()}
        with atomic_write(self._path(name, step)) as file:
            np.savez(file, **halves)

    def read(self, name: str, step: str) -> Arrays:
        """A frame's arrays; floating-point ones as float32.

        Raises:
            SourceError: the file is damaged.
        """
        key = (name, step)
        if key not in self._memory:
            self._memory[key] = self._loaded(self._path(name, step))
            while len(self._memory) > self._kept:
                self._memory.popitem(last=False)
        self._memory.move_to_end(key)
        return self._memory[key]

    def remove(self) -> None:
        """Remove the folder, once it is of no more use."""
        self._memory.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str, step: str) -> Path:
        return self._folder / f"{name}.{step}.npz"

    def _loaded(self, path: Path) -> Arrays:
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise SourceError(path, f"it cannot be read: {error}", "remove it, and start again") from error
        return {
            key: values.astype(np.float32) if values.dtype == np.float16 else values for key, values in arrays.items()
        }


def _halved(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype not in (np.float32, np.float64):
        return values
    with np.errstate(over="ignore"):
        return values.astype(np.float16)
