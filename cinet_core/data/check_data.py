"""From the name of a data set to an account of all that is in it, and a sheet of some of its frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinet_core.data.check import CheckReport, check_dataset, spread
from cinet_core.data.contact_sheet import ContactSheet
from cinet_core.data.registry import open_dataset
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import Split
from cinet_core.progress import SILENT, Progress
from cinet_core.visualize import write_image

__all__ = ["DataCheck", "check_data"]


@dataclass(frozen=True)
class DataCheck:
    """The report of a check.

    Attributes:
        report: counts, warnings, and every broken file.
        sheet: where the contact sheet lies; None where none was asked for, or no frame could be read.
    """

    report: CheckReport
    sheet: Path | None

    @property
    def sound(self) -> bool:
        """Every file could be read."""
        return not self.report.problems


def check_data(
    data: str | Path,
    *,
    split: Split = "all",
    kind: str = "auto",
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    sheet: str | Path | None = None,
    frames: int = 18,
    progress: Progress = SILENT,
) -> DataCheck:
    """Read every frame of a data set, count what is in it, and name every broken file.

    >>> import cinet_core
    >>> small = {"length": 2, "validation_length": 1, "test_length": 1, "width": 64, "height": 48}
    >>> found = cinet_core.check_data("synthetic", options=small)
    >>> found.report.frames, found.report.with_depth, found.sound
    (4, 4, True)

    Args:
        data: NYU's .mat file, a folder, or "synthetic".
        split: "train", "validation", "trainval", "test" or "all".
        kind: kind of data set; "auto" detects it from the files.
        options: keyword arguments of the data set's class.
        limit: read only so many frames, evenly spread; None = all.
        sheet: image file to draw some of the frames into, with depth and labels; None = nothing is written.
        frames: how many are on it.
        progress: receives the progress over the frames.

    Raises:
        SourceError, ValueError: no such data set, or an option that it does not have.
        OSError: the sheet cannot be written.
    """
    dataset = open_dataset(data, split, kind, **dict(options or {}))
    numbers = spread(len(dataset), limit)
    shown = {numbers[place] for place in spread(len(numbers), frames)} if sheet is not None else set()
    drawn = ContactSheet(f"{dataset.meta.name}, {dataset.split}: {len(dataset)} frames", dataset.label_set)
    if sheet is not None:  # before the work, should it fail
        Path(sheet).parent.mkdir(parents=True, exist_ok=True)
    done = 0

    def draw(number: int, sample: Sample) -> None:
        if number in shown:
            drawn.add(sample)

    def advance() -> None:
        nonlocal done
        done += 1
        progress.advance(done)

    progress.begin(dataset.meta.name, len(numbers))
    report = check_dataset(dataset, limit, draw, advance)
    if sheet is None or not len(drawn):
        return DataCheck(report, None)
    write_image(Path(sheet), drawn.draw())
    return DataCheck(report, Path(sheet))
