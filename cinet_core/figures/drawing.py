"""From checkpoints and a data set to the paper's kinds of figure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from matplotlib.figure import Figure

from cinet_core.checkpoint import named_checkpoint
from cinet_core.data.check import spread
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import open_for_network
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.figures import attention as attention_figures
from cinet_core.figures import comparison
from cinet_core.figures import features as feature_figures
from cinet_core.figures.features import Reduction
from cinet_core.figures.figure_file import write_figure
from cinet_core.figures.observer import Observer
from cinet_core.inference.choices import AUTO
from cinet_core.label_sets import LabelSet
from cinet_core.progress import SILENT, Progress

__all__ = ["DrawnFigures", "FigureKind", "chosen_frames", "draw_figures"]

FigureKind = Literal["panels", "attention", "features"]
"""Depth and labels beside the truth (Fig. 5, 8, 9), attention of marked pixels (Fig. 6), shared features (Fig. 7)."""

FRAMES = 4
"""Drawn where nothing else is asked for."""


@dataclass(frozen=True, eq=False)
class DrawnFigures:
    """Figures, and what they could not show.

    Attributes:
        figures: by the name of a PNG file.
        broken: frames that could not be read: which, and why.
    """

    figures: Mapping[str, Figure]
    broken: tuple[str, ...]

    def save(self, folder: str | Path) -> list[Path]:
        """Write them into a folder, which is made where it is missing; returns where they lie.

        Raises:
            OSError: one cannot be written.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = []
        for name, figure in self.figures.items():
            paths.append(Path(folder) / name)
            write_figure(paths[-1], figure)
        return paths


def draw_figures(
    figure: FigureKind,
    checkpoints: Mapping[str, str | Path],
    data: str | Path,
    *,
    split: Split = "test",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    frames: int | Sequence[str] | None = None,
    tile: int | None = None,
    pixels: Sequence[tuple[int, int]] = (),
    marks: int = 3,
    reduction: Reduction = "magnitude",
    progress: Progress = SILENT,
) -> DrawnFigures:
    """Draw one of the paper's kinds of figure, from one or several networks, on the CPU.

    >>> import cinet_core
    >>> small = {"test_length": 1, "width": 64, "height": 48}
    >>> drawn = cinet_core.draw_figures("panels", {"untrained": "random"}, "synthetic", options=small, frames=1)
    >>> list(drawn.figures)
    ['panels.png']

    Args:
        figure: "panels", depth, its error and labels beside the truth (Fig. 5, 8, 9); "attention", of marked pixels
            beside the ideal one (Fig. 6); or "features", which sharing adds to each branch (Fig. 7).
        checkpoints: files, "default" or "random", by the name that they have in the figure.
        data: the data set's folder or file, or "synthetic".
        split: "train", "validation", "trainval", "test" or "all".
        kind: kind of data set; "auto" detects it from the files.
        options: keyword arguments of the data set's class.
        frames: how many, evenly spread, or their names; None = `FRAMES`. A single name that is a whole number and no
            frame's name counts as a number of frames.
        tile: width of each image in the figure, in pixels; None = what suits the figure.
        pixels: for "attention", the (column, row) to mark in every frame; empty: one in each of its largest classes.
        marks: for "attention", how many classes are marked then.
        reduction: for "features", of the channels to one image: "magnitude" or "sum".
        progress: is told of frames that cannot be read.

    Raises:
        CheckpointError: a checkpoint cannot be read.
        MissingPartError: a network has no part that the figure shows.
        SourceError, ValueError: no such data set, split or frame, the networks predict different classes, or none of
            the frames can be read.
    """
    if figure not in get_args(FigureKind):
        raise ValueError(f"there is no figure {figure!r}: choose of {', '.join(get_args(FigureKind))}")
    observers = [Observer(name, named_checkpoint(path)) for name, path in checkpoints.items()]
    label_set = _common_label_set(observers)
    dataset = open_for_network(data, split, kind, dict(options or {}), label_set)
    samples, broken = _read(dataset, chosen_frames(dataset, frames), progress)
    caption = f"{dataset.meta.name}, split {dataset.split}"
    figures: dict[str, Figure]
    if figure == "panels":
        drawn = comparison.draw_panels(observers, samples, label_set, caption, tile or comparison.TILE)
        figures = {"panels.png": drawn}
    elif figure == "attention":
        drawn = attention_figures.draw_attention(
            observers, samples, label_set, caption, pixels, marks, tile or attention_figures.TILE
        )
        figures = {"attention.png": drawn}
    else:
        figures = {
            f"features_{sample.name}.png": feature_figures.draw_features(
                observers, sample, f"{caption}, {sample.name}", reduction, tile or feature_figures.TILE
            )
            for sample in samples
        }
    return DrawnFigures(figures, broken)


def _common_label_set(observers: Sequence[Observer]) -> LabelSet:
    if not observers:
        raise ValueError("there is no checkpoint to draw: give at least one, by its name in the figure")
    sets = {observer.name: observer.metadata.label_set for observer in observers}
    if len({label_set.classes for label_set in sets.values()}) > 1:
        named = ", ".join(f"{name}: {label_set.name}" for name, label_set in sets.items())
        raise ValueError(f"the checkpoints predict different classes ({named}): compare those of one label set")
    return observers[0].metadata.label_set


def chosen_frames(dataset: SceneDataset, wanted: int | Sequence[str] | None) -> list[int]:
    """Numbers of the frames of these names; or so many of them, evenly spread; see `draw_figures`.

    A number with zeros before it is the name of a frame.

    Raises:
        ValueError: no frame is asked for, or the split has none of a name.
    """
    if wanted is None:
        wanted = FRAMES
    if isinstance(wanted, int):
        if wanted < 1:
            raise ValueError(f"--frames {wanted}: at least 1 frame is needed")
        return spread(len(dataset), wanted)
    numbers = {dataset.name(number): number for number in range(len(dataset))}
    if len(wanted) == 1 and wanted[0] not in numbers and wanted[0].isdecimal() and wanted[0] == str(int(wanted[0])):
        return chosen_frames(dataset, int(wanted[0]))
    for name in wanted:
        if name not in numbers:
            close = difflib.get_close_matches(name, numbers, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"the first is {next(iter(numbers))}"
            raise ValueError(f"split {dataset.split!r} of {dataset.meta.name} has no frame {name!r}: {hint}")
    return [numbers[name] for name in wanted]


def _read(dataset: SceneDataset, numbers: Sequence[int], progress: Progress) -> tuple[list[Sample], tuple[str, ...]]:
    """The samples that can be read, and what is wrong with the others."""
    samples: list[Sample] = []
    broken: list[str] = []
    for number in numbers:
        try:
            samples.append(dataset[number])
        except SourceError as error:
            progress.broken(str(error))
            broken.append(str(error))
    if not samples:
        raise ValueError(f"none of the {len(numbers)} frames can be read: cinet data check names every broken file")
    return samples, tuple(broken)
