"""Figures of a batch for the log of a training run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from cinet_core.data.sample import Batch
from cinet_core.figures.attention import MarkedFrame, attention_figure, marked_frame
from cinet_core.figures.comparison import ComparedFrame, Guess, comparison
from cinet_core.figures.observer import Projections
from cinet_core.label_sets import LabelSet
from cinet_core.model.cinet import CINetOutput
from cinet_core.model.encoder import FEATURE_STRIDE

TILE = 160
MARKS = 2
NAME = "network"


@torch.no_grad()
def training_pictures(
    output: CINetOutput, batch: Batch, canonical_focal: float, label_set: LabelSet, images: int = 4
) -> dict[str, Figure]:
    """What the network makes of the first images of a batch, beside the truth.

    Args:
        output: of the network for this batch, on any device, in any precision.
        batch: the images and their truth.
        canonical_focal: f_c in pixels: depth is drawn in metric metres.
        label_set: what the classes mean; C of them.
        images: how many of the batch are drawn, at most.

    Returns:
        "predictions", and "attention" (the rows of marked pixels, see `figures.attention`) where the network has a
        scene understanding module and an image has labels. The attention is the predicted one, in stage 1 too, where
        the ideal one is applied.

    Raises:
        ValueError: output and batch are not of the same images, or no image is asked for.
    """
    count = min(images, len(batch))
    if count < 1 or len(output.depth) != len(batch):
        raise ValueError(f"{images} images of a batch of {len(batch)}, output for {len(output.depth)}: need at least 1")
    scale = _array(batch.focal[:count]).reshape(-1, 1, 1) / canonical_focal  # canonical to metric metres
    image = batch.images[:count].permute(0, 2, 3, 1).cpu().numpy()
    true_depth, true_labels = _array(batch.depth[:count]) * scale, batch.labels[:count].cpu().numpy()
    depth, labels = _array(output.depth[:count, 0]) * scale, output.logits[:count].argmax(dim=1).cpu().numpy()
    frames = [
        ComparedFrame(
            batch.names[i],
            image[i],
            true_depth[i] if batch.has_depth[i] else None,
            true_labels[i] if batch.has_labels[i] else None,
            {NAME: Guess(depth[i], labels[i])},
        )
        for i in range(count)
    ]
    pictures = {"predictions": comparison(frames, label_set, TILE)}
    marked = _marked(output, batch, label_set, count)
    if any(frame.marks for frame in marked):
        pictures["attention"] = attention_figure(marked, TILE)
    return pictures


def _marked(output: CINetOutput, batch: Batch, label_set: LabelSet, count: int) -> list[MarkedFrame]:
    if output.query is None or output.key is None:
        return []
    height, width = batch.images.shape[-2:]
    size = (-(-height // FEATURE_STRIDE), -(-width // FEATURE_STRIDE))
    return [
        marked_frame(
            batch.names[i],
            batch.images[i].permute(1, 2, 0).cpu().numpy(),
            batch.labels[i].cpu(),
            {NAME: Projections(_array(output.query[i]), _array(output.key[i]), size)},
            label_set,
            count=MARKS,
        )
        for i in range(count)
    ]


def _array(values: torch.Tensor) -> npt.NDArray[np.float32]:
    return values.detach().float().cpu().numpy()
