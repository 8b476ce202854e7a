"""``cinet figures``: checkpoints and frames of a data set in, PNG files out."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from cinet_core.checkpoint import CheckpointError, named_checkpoint
from cinet_core.data.check import spread
from cinet_core.data.frame_files import SourceError
from cinet_core.data.sample import Sample
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.evaluation.scored_data import open_for_network
from cinet_core.figures import Observer, comparison, draw_attention, draw_features, draw_panels, write_figure
from cinet_core.figures import attention as attention_figures
from cinet_core.figures import features as feature_figures
from cinet_core.label_sets import LabelSet

FRAMES = 4
"""Drawn where nothing else is asked for."""


def draw_figures(options: argparse.Namespace) -> int:
    """Draw and write; returns the exit status (see the command's help)."""
    try:
        observers = named_observers(options.checkpoints)
        label_set, given = observers[0].metadata.label_set, dict(options.option)
        dataset = open_for_network(options.data, options.split, options.kind, given, label_set)
        numbers = chosen_frames(dataset, options.frames)
        options.output.mkdir(parents=True, exist_ok=True)
        samples, broken = _read(dataset, numbers)
        for path, figure in _figures(options, observers, dataset, samples):
            write_figure(path, figure)
            print(path)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet figures {options.figure}: {error}", file=sys.stderr)
        return 2
    return 1 if broken else 0


def named_observers(texts: Sequence[str]) -> list[Observer]:
    """The checkpoints of ``[NAME=]PATH``; a path without a name is called like its file.

    Raises:
        CheckpointError: one cannot be read.
        ValueError: two have the same name, or they predict different label sets.
    """
    observers: list[Observer] = []
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            name, path = Path(text).stem, text
        if name in {observer.name for observer in observers}:
            raise ValueError(f"two checkpoints are called {name!r}: name them, as in NAME={path}")
        observers.append(Observer(name, named_checkpoint(path)))
    sets = {observer.name: observer.metadata.label_set for observer in observers}
    if len({label_set.classes for label_set in sets.values()}) > 1:
        told = ", ".join(f"{name}: {label_set.name}" for name, label_set in sets.items())
        raise ValueError(f"the checkpoints predict different classes ({told}): compare those of one label set")
    return observers


def chosen_frames(dataset: SceneDataset, wanted: Sequence[str]) -> list[int]:
    """Numbers of the frames of these names; or N of them, evenly spread, for one whole number that is no name.

    A number with zeros before it is the name of a frame. Nothing stands for `FRAMES` frames.

    Raises:
        ValueError: N is 0, or the split has no frame of a name.
    """
    if not wanted:
        return spread(len(dataset), FRAMES)
    numbers = {dataset.name(number): number for number in range(len(dataset))}
    first = wanted[0]
    if len(wanted) == 1 and first not in numbers and first.isdecimal() and first == str(int(first)):
        if first == "0":
            raise ValueError(f"--frames {first}: at least 1 frame is needed")
        return spread(len(dataset), int(first))
    for name in wanted:
        if name not in numbers:
            close = difflib.get_close_matches(name, numbers, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"the first is {next(iter(numbers))}"
            raise ValueError(f"split {dataset.split!r} of {dataset.meta.name} has no frame {name!r}: {hint}")
    return [numbers[name] for name in wanted]


def _read(dataset: SceneDataset, numbers: Sequence[int]) -> tuple[list[Sample], int]:
    """The samples that can be read, and how many cannot; these are named on the way.

    Raises:
        ValueError: none can.
    """
    samples: list[Sample] = []
    for number in numbers:
        try:
            samples.append(dataset[number])
        except SourceError as error:
            print(f"BROKEN {error}", file=sys.stderr)
    if not samples:
        raise ValueError(f"none of the {len(numbers)} frames can be read: cinet data check names every broken file")
    return samples, len(numbers) - len(samples)


def _figures(
    options: argparse.Namespace, observers: Sequence[Observer], dataset: SceneDataset, samples: Sequence[Sample]
) -> list[tuple[Path, Figure]]:
    """The figures and where they go."""
    label_set: LabelSet = observers[0].metadata.label_set
    caption = f"{dataset.meta.name}, split {dataset.split}"
    folder: Path = options.output
    if options.figure == "panels":
        tile = options.tile or comparison.TILE
        return [(folder / "panels.png", draw_panels(observers, samples, label_set, caption, tile))]
    if options.figure == "attention":
        tile = options.tile or attention_figures.TILE
        figure = draw_attention(observers, samples, label_set, caption, options.pixels, options.marks, tile)
        return [(folder / "attention.png", figure)]
    tile = options.tile or feature_figures.TILE
    return [
        (
            folder / f"features_{sample.name}.png",
            draw_features(observers, sample, f"{caption}, {sample.name}", options.reduction, tile),
        )
        for sample in samples
    ]
