"""Where loss curves and figures go: TensorBoard, a CSV file, Weights & Biases."""

from __future__ import annotations

import csv
import importlib.util
import io
import uuid
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from cinet_core.atomic_file import atomic_write
from cinet_core.training.settings import Recipe

__all__ = ["CSV_FILE", "WANDB_ID_FILE", "WANDB_PROJECT", "CsvLogger", "check_loggers", "make_loggers"]

CSV_FILE = "metrics.csv"
WANDB_PROJECT = "cinet"
WANDB_ID_FILE = "wandb_run_id"
_COLUMNS = ("step", "name", "value")


def check_loggers(names: Sequence[str]) -> None:
    """See that every logger can be had.

    Raises:
        ValueError: wandb is asked for and not installed.
    """
    if "wandb" in names and importlib.util.find_spec("wandb") is None:
        raise ValueError("run.loggers has wandb, which is not installed: pip install wandb, or leave it out")


def make_loggers(recipe: Recipe, first_step: int) -> list[Logger]:
    """The loggers of a run, in the order of `RunSettings.loggers`.

    Args:
        recipe: of the run.
        first_step: that will be logged: 0, or where a resumed run goes on. What an earlier part logged from there on
            is dropped; Weights & Biases goes on in the same run.
    """
    folder = Path(recipe.run.output)
    made: list[Logger] = []
    for name in recipe.run.loggers:
        if name == "tensorboard":
            made.append(TensorBoardLogger(folder, name="", version="", purge_step=first_step))
        elif name == "csv":
            made.append(CsvLogger(folder / CSV_FILE, first_step))
        else:
            identity = _wandb_id(folder / WANDB_ID_FILE, first_step)
            made.append(
                WandbLogger(
                    recipe.name, folder, id=identity, project=WANDB_PROJECT, resume="allow", config=recipe.to_dict()
                )
            )
    return made


class CsvLogger(Logger):
    """Appends a line for each figure: step, name, value.

    Lightning's own CSV logger has a column for each figure, writes the whole file anew when one is added, and deletes
    what is there when a run goes on.

    Args:
        path: of the file; lines of another content than ours are dropped when it is opened.
        first_step: lines of this step and later ones, of a run that was killed, are dropped.
    """

    def __init__(self, path: Path, first_step: int = 0) -> None:
        super().__init__()
        self._path, self._first_step = path, first_step
        self._opened = False

    @property
    def name(self) -> str:
        """Of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """There is one file a run."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append figures of a step."""
        if not self._opened:
            self._open()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows((step, name, repr(float(value))) for name, value in metrics.items())

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """They are in recipe.yaml."""

    def _open(self) -> None:
        kept = io.StringIO()
        csv.writer(kept).writerows([_COLUMNS, *self._kept()])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._path) as file:
            file.write(kept.getvalue().encode())
        self._opened = True

    def _kept(self) -> Iterator[list[str]]:
        """The lines of steps before the first; what follows the last end of a line was cut off: the run was killed."""
        if self._first_step == 0 or not self._path.is_file():
            return
        text = self._path.read_bytes().decode(errors="replace")
        for row in csv.reader(text[: text.rfind("\n") + 1].splitlines()):
            if len(row) == len(_COLUMNS) and row[0].isdecimal() and int(row[0]) < self._first_step:
                yield row


def _wandb_id(path: Path, first_step: int) -> str:
    """Of the run of Weights & Biases: a new one, or that of the run that goes on."""
    if first_step and path.is_file():
        return path.read_text(encoding="utf-8").strip()
    identity = uuid.uuid4().hex[:12]
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(identity.encode())
    return identity
