"""A checkpoint at work: what it predicts for a sample, and what passes through its modules meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cinet_core.checkpoint import Checkpoint
from cinet_core.data.sample import Sample
from cinet_core.inference.predictor import Prediction, Predictor

__all__ = [
    "Features",
    "MissingPartError",
    "Observer",
    "Projections",
    "Shared",
    "SharedBlock",
    "image_of",
    "random_warning",
]

BLOCK_STRIDES = (8, 4, 2)
"""Of the features that each decoder block shares, against the network's input."""

RANDOM_WARNING = "RANDOM WEIGHTS: depth, labels and features mean nothing"


class MissingPartError(ValueError):
    """The network was built without the module that a figure shows; names network, part and remedy."""


@dataclass(frozen=True)
class Projections:
    """Queries and keys of one image.

    Attributes:
        query: (N, Cq), already scaled: ``query @ key.T`` are the attention logits.
        key: (N, Cq).
        size: (h, w) of the features, N = h * w.
    """

    query: npt.NDArray[np.float32]
    key: npt.NDArray[np.float32]
    size: tuple[int, int]


Features = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Shared:
    """The features of one branch around one sharing module, (C, h, w) each."""

    before: Features
    after: Features

    @property
    def added(self) -> Features:
        """What sharing adds: FSM's or LSU's term of Eq. 14."""
        return self.after - self.before


@dataclass(frozen=True)
class SharedBlock:
    """Both branches around the sharing module of one decoder block.

    Attributes:
        stride: of the features against the image: 8, 4 or 2.
    """

    stride: int
    depth: Shared
    semantic: Shared


class Observer:
    """Runs a checkpoint through the predictor, so that a figure shows what deployment computes.

    It runs on the CPU, where every machine draws the same figure, and where the predictor runs the checkpoint's own
    modules and not copies of them.

    Args:
        name: for titles.
        checkpoint: the checkpoint to run.
    """

    def __init__(self, name: str, checkpoint: Checkpoint) -> None:
        self.name = name
        self.metadata = checkpoint.metadata
        self._model = checkpoint.model
        self._predictor = Predictor(checkpoint, device="cpu")

    def predict(self, sample: Sample) -> Prediction:
        """Depth and labels at the image's size."""
        return self._predictor.predict(image_of(sample), sample.intrinsics)

    def projections(self, sample: Sample) -> Projections:
        """Queries and keys of the scene understanding module.

        Raises:
            MissingPartError: the network has none.
        """
        self.require_attention()
        assert self._model.scene_understanding is not None
        with _calls([self._model.scene_understanding]) as calls:
            self.predict(sample)
        context = calls[0][1]
        height, width = context.features.shape[-2:]
        return Projections(_array(context.query[0]), _array(context.key[0]), (height, width))

    def sharing(self, sample: Sample) -> list[SharedBlock]:
        """Features of both branches around the sharing module of each decoder block.

        Raises:
            MissingPartError: the network shares nothing.
        """
        self.require_sharing()
        with _calls([stage.share for stage in self._model.decoders.stages]) as calls:  # type: ignore[misc]
            self.predict(sample)
        return [
            SharedBlock(stride, *(Shared(_array(x[0]), _array(y[0])) for x, y in zip(before, after, strict=True)))
            for stride, (before, after) in zip(BLOCK_STRIDES, calls, strict=True)
        ]

    def require_attention(self) -> None:
        """Raise MissingPartError unless the network has a scene understanding module."""
        if not self.metadata.config.scene_understanding:
            raise MissingPartError(
                f"{self.name} has no scene understanding module (scene_understanding is False) and so no attention: "
                "give a checkpoint that was trained with one"
            )

    def require_sharing(self) -> None:
        """Raise MissingPartError unless the network's decoders share features."""
        if self.metadata.config.sharing == "none":
            raise MissingPartError(
                f"{self.name} shares no features between its decoders (sharing is 'none'): give a checkpoint that was "
                "trained with sharing fsm or lsu"
            )


def image_of(sample: Sample) -> npt.NDArray[np.uint8]:
    """The sample's image as (H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())


def random_warning(observers: Sequence[Observer]) -> str:
    """What the caption has to warn of: the networks that learnt nothing; empty where all did."""
    names = [observer.name for observer in observers if observer.metadata.random_weights]
    if not names:
        return ""
    return f"{RANDOM_WARNING}. " if len(names) == len(observers) else f"{RANDOM_WARNING} ({', '.join(names)}). "


@contextmanager
def _calls(modules: Sequence[nn.Module]) -> Iterator[list[tuple[tuple[Any, ...], Any]]]:
    """Collects (inputs, output) of each call of these modules."""
    calls: list[tuple[tuple[Any, ...], Any]] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls.append((inputs, output))

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _array(values: Tensor) -> npt.NDArray[np.float32]:
    return values.to(torch.float32).cpu().numpy()
