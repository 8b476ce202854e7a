"""A figure as a file, there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from cinet_core.atomic_file import atomic_write

__all__ = ["write_figure"]


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure in the format that the path ends with: .png, .svg, .pdf, ...

    Raises:
        ValueError: the path ends with no format that matplotlib writes.
        OSError: the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    formats = figure.canvas.get_supported_filetypes()
    if kind not in formats:
        raise ValueError(f"{path}: {path.suffix!r} is no format of figures; call the file .png, .svg or .pdf")
    with atomic_write(path) as file:
        figure.savefig(file, format=kind)
