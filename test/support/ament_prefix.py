"""An ament prefix of stand-ins for packages that cannot be installed here."""

from __future__ import annotations

import os
from pathlib import Path

RECORDER = """#!/bin/sh
printf '%s\\n' "$@" > "{record}"
exec sleep 60
"""


class Prefix:
    """An ament prefix: packages with executables that write down how they were started.

    Args:
        root: where it is made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, package: str, *executables: str, files: dict[str, str] | None = None) -> None:
        """A package with executables that record their arguments, and files in its share folder."""
        marker = self.root / "share" / "ament_index" / "resource_index" / "packages" / package
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        library = self.root / "lib" / package
        library.mkdir(parents=True)
        for name in executables:
            path = library / name
            path.write_text(RECORDER.format(record=self.record(name)), encoding="utf-8")
            path.chmod(0o755)
        share = self.root / "share" / package
        share.mkdir(exist_ok=True)
        for name, text in (files or {}).items():
            (share / name).parent.mkdir(parents=True, exist_ok=True)
            (share / name).write_text(text, encoding="utf-8")

    def record(self, executable: str) -> Path:
        """Where an executable writes its arguments down."""
        return self.root / f"{executable}.arguments"

    def path(self) -> str:
        """AMENT_PREFIX_PATH with this prefix before the others."""
        return f"{self.root}{os.pathsep}{os.environ['AMENT_PREFIX_PATH']}"
