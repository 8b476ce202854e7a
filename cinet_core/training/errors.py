"""How a training ends that began well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cinet_core.data.frame_files import SourceError

__all__ = ["TrainingDivergedError", "TrainingError", "explained"]


class TrainingError(RuntimeError):
    """A training could not go on; the message says why, and what to do."""


class TrainingDivergedError(TrainingError):
    """The loss is no longer finite: going on would only spoil the weights."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn what stops a training into a `TrainingError`; what has no explanation but its traceback stays as it is.

    Raises:
        TrainingError: the GPU's memory is full, or a process that loads frames could not read one.
    """
    try:
        yield
    except TrainingError:
        raise
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"{error}\nThe GPU's memory is full: lower optimizer.batch_size (and raise optimizer.accumulate as much), "
            "use run.precision=bf16-mixed, or a smaller data.width and data.height; --dry-run tells what a step takes"
        ) from error
    except RuntimeError as error:
        # A worker's exception arrives as the text of its traceback, whose last line is the message.
        last = str(error).strip().splitlines()[-1] if str(error).strip() else ""
        name, _, message = last.partition(": ")
        if not name.endswith(SourceError.__name__):
            raise
        raise TrainingError(f"{message}; then go on with --resume") from error
