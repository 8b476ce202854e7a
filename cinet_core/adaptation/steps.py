"""Steps that are done once: each keeps what it found, and is done again where what it depends on has changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cinet_core.atomic_file import atomic_write_bytes, remove_unfinished

__all__ = ["AdaptationError", "Steps"]

_FOLDER = ".steps"


class AdaptationError(Exception):
    """An adaptation cannot begin or go on. The message names the reason and the remedy."""


class Steps:
    """The steps of an adaptation in its folder, each of which depends on all before it.

    Args:
        folder: of the adaptation.

    Attributes:
        costs: of each step: "seconds" and "processor_seconds", as they were when it was done.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._before = ""
        self.costs: dict[str, dict[str, float]] = {}

    def do(
        self,
        name: str,
        facts: Any,
        work: Callable[[], dict[str, Any]],
        outputs: Sequence[Path] = (),
    ) -> dict[str, Any]:
        """Do a step, unless it is done.

        Args:
            name: of the step.
            facts: what it depends on beside the steps before, as JSON types.
            work: does it, and returns what it found, as JSON types; "processor_seconds" among it are added to those
                of this process. It may find what an earlier attempt at the same left in `outputs`.
            outputs: files and folders of the step. They are removed where they are of something else, and the step is
                done again where one of them is gone.
        """
        text = json.dumps([self._before, name, facts], sort_keys=True, default=str)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        self._before = fingerprint
        done, begun = self._folder / f"{name}.json", self._folder / f"{name}.begun"
        there = _read(done)
        if there.get("fingerprint") == fingerprint and all(path.exists() for path in outputs):
            self.costs[name] = there["cost"]
            return dict(there["found"])
        if _read(begun).get("fingerprint") != fingerprint:
            for path in outputs:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            _write(begun, {"fingerprint": fingerprint})
        seconds, processor = time.monotonic(), time.process_time()
        found = work()
        cost = {
            "seconds": time.monotonic() - seconds,
            "processor_seconds": time.process_time() - processor + found.get("processor_seconds", 0.0),
        }
        self.costs[name] = cost
        _write(done, {"fingerprint": fingerprint, "found": found, "cost": cost})
        return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, values: dict[str, Any]) -> None:
    remove_unfinished(path)
    atomic_write_bytes(path, json.dumps(values, indent=1).encode())
