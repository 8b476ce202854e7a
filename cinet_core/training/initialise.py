"""Fine-tuning: start a network from a checkpoint whose classes, camera or decoders may be other ones."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from cinet_core.checkpoint import Checkpoint, TrainingCamera
from cinet_core.label_sets import LabelSet
from cinet_core.model.cinet import CINet

__all__ = ["InitialisationError", "InitialisationReport", "initialise_from"]

CLASS_HEAD = "segmentation_head"
_HEAD_TENSORS = (f"{CLASS_HEAD}.conv.weight", f"{CLASS_HEAD}.conv.bias")
_DEPTH_WEIGHTS = ("depth_head.conv.weight", "depth_head.log_depth.weight")
# Ratios of depth scales that nobody would see.
_SAME_SCALE = 0.01


class InitialisationError(ValueError):
    """A checkpoint that this network cannot start from."""


@dataclass(frozen=True)
class InitialisationReport:
    """What came from the checkpoint and what did not; `str()` of it is a few lines for people.

    Attributes:
        loaded: tensors of the network that hold the checkpoint's values, by name.
        reinitialised: tensors that keep the values they were built with, class rows that were carried over apart.
        left_out: tensors of the checkpoint that have no place in the network.
        carried_classes: classes whose row in the class head was carried over by name; empty where the whole head fits.
        new_classes: classes of the network that the checkpoint does not know; empty where the whole head fits.
        notes: what else to know, in sentences.
    """

    loaded: tuple[str, ...]
    reinitialised: tuple[str, ...]
    left_out: tuple[str, ...]
    carried_classes: tuple[str, ...] = ()
    new_classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A few lines: what was loaded, what starts anew, what was left out."""
        total = len(self.loaded) + len(self.reinitialised)
        lines = [f"{len(self.loaded)} of {total} tensors come from the checkpoint"]
        if self.reinitialised:
            lines.append(f"re-initialised: {_by_part(self.reinitialised)}")
        if self.carried_classes:
            lines.append(
                f"classes carried over by name ({len(self.carried_classes)}): {', '.join(self.carried_classes)}"
            )
        if self.new_classes:
            lines.append(f"classes that start anew ({len(self.new_classes)}): {', '.join(self.new_classes)}")
        if self.left_out:
            lines.append(f"in the checkpoint, not used: {_by_part(self.left_out)}")
        return "\n".join([*lines, *self.notes])


def initialise_from(
    model: CINet, label_set: LabelSet, camera: TrainingCamera, checkpoint: Checkpoint
) -> InitialisationReport:
    """Copy into a freshly built network every parameter and buffer of a checkpoint that fits by name and shape.

    In the class head a row is a class. Where the two label sets do not have the same classes in the same order, the
    rows of classes of the same name are carried over, wherever they stand, and the other rows stay as they were built.

    Args:
        model: the network to fill, in place; what is not filled keeps its values.
        label_set: the classes of its output.
        camera: the camera that the network will train in.
        checkpoint: where to start from; it is not changed.

    Raises:
        InitialisationError: the encoder does not fit, without which nothing is worth taking over.
        ValueError: the label set is not the network's.
    """
    if len(label_set.classes) != model.config.num_classes:
        raise ValueError(
            f"label set {label_set.name!r} has {len(label_set.classes)} classes, the network "
            f"{model.config.num_classes}: build it for this label set"
        )
    source, target = checkpoint.model.state_dict(), model.state_dict()
    fitting = {name for name, value in target.items() if name in source and source[name].shape == value.shape}
    _check_encoder(model, checkpoint, fitting, {**target, **source})
    carried: dict[str, int] = {}
    known = checkpoint.metadata.label_set
    other_classes = known.classes != label_set.classes
    if other_classes:
        fitting -= set(_HEAD_TENSORS)
        carried = _carry_classes(source, target, known, label_set)
    with torch.no_grad():
        for name in fitting:
            target[name].copy_(source[name])
    return InitialisationReport(
        loaded=tuple(name for name in target if name in fitting),
        reinitialised=tuple(name for name in target if name not in fitting),
        left_out=tuple(name for name in source if name not in fitting),
        carried_classes=tuple(carried),
        new_classes=tuple(name for name in label_set.classes if name not in carried) if other_classes else (),
        notes=tuple(_notes(camera, checkpoint, fitting)),
    )


def _check_encoder(model: CINet, checkpoint: Checkpoint, fitting: set[str], names: Iterable[str]) -> None:
    """Raise unless every tensor of either encoder has its counterpart: one of both kinds of norm could half fit."""
    encoder = [name for name in names if name.startswith("encoder.")]
    alien = [name for name in encoder if name not in fitting]
    if alien:
        mine, theirs = model.config, checkpoint.metadata.config
        raise InitialisationError(
            f"the checkpoint's encoder is {theirs.encoder!r}, the network's {mine.encoder!r}: {len(alien)} of "
            f"{len(encoder)} tensors do not fit ({alien[0]}, ...). Train with encoder {theirs.encoder!r}, or start "
            "from another checkpoint or from ImageNet weights"
        )


def _carry_classes(
    source: dict[str, Tensor], target: dict[str, Tensor], known: LabelSet, wanted: LabelSet
) -> dict[str, int]:
    """Copy the head's rows of classes of the same name; name -> row in the checkpoint of those copied."""
    if any(source[name].shape[1:] != target[name].shape[1:] for name in _HEAD_TENSORS):
        return {}  # decoders of another width: their features mean nothing to these rows
    rows = {}
    for name in wanted.classes:
        with contextlib.suppress(ValueError):
            rows[name] = known.ids([name])[0]
    with torch.no_grad():
        for name in _HEAD_TENSORS:
            for label, row in rows.items():
                target[name][wanted.classes.index(label)] = source[name][row]
    return rows


def _notes(camera: TrainingCamera, checkpoint: Checkpoint, fitting: Iterable[str]) -> list[str]:
    notes = []
    if checkpoint.metadata.random_weights:
        notes.append("the checkpoint's weights are random: nothing is gained from it")
    theirs = checkpoint.metadata.camera
    # What is as large in pixels, at either training width: its canonical depth goes with f_c.
    scale = camera.canonical_focal / theirs.canonical_focal
    if any(name in fitting for name in _DEPTH_WEIGHTS) and abs(scale - 1) > _SAME_SCALE:
        notes.append(
            f"canonical depth is {scale:.2f} times the checkpoint's (its canonical_focal is {theirs.canonical_focal:g}"
            f", here {camera.canonical_focal:g}): the depth head starts off by that factor; canonical_focal "
            f"{theirs.canonical_focal:g} would keep its scale"
        )
    return notes


def _by_part(names: Iterable[str]) -> str:
    """Names of tensors, counted by the part of the network: "decoders.stages.0 (24 tensors)"."""
    parts = Counter(_part(name) for name in names)
    return ", ".join(f"{part} ({count} tensor{'s' if count > 1 else ''})" for part, count in parts.items())


def _part(name: str) -> str:
    head, *rest = name.split(".")
    return ".".join([head, *rest[:2]]) if head == "decoders" and rest[:1] == ["stages"] else head
