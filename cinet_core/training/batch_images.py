"""Figures of a batch for the log of a training run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from cinet_core.data.sample import Batch
from cinet_core.figures.attention import MarkedFrame, attention_figure, marked_frame
from cinet_core.figures.comparison import ComparedFrame, PredictedMaps, comparison
from cinet_core.figures.image_grid import image_grid, image_height, show_labels
from cinet_core.figures.observer import Projections
from cinet_core.label_sets import LabelSet
from cinet_core.metrics.protocols import predicted_labels
from cinet_core.model.cinet import CINetOutput
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.tasks import RenderSettings
from cinet_core.tasks.learning.base import GraphContext, TaskLearning, channels_last

__all__ = ["training_images"]

TILE = 160
MARKS = 2
NAME = "network"


@torch.no_grad()
def training_images(
    output: CINetOutput,
    batch: Batch,
    canonical_focal: float,
    label_set: LabelSet,
    images: int = 4,
    tasks: Sequence[TaskLearning] = (),
) -> dict[str, Figure]:
    """What the network makes of the first images of a batch, beside the truth.

    Args:
        output: of the network for this batch, on any device, in any precision.
        batch: the images and their truth.
        canonical_focal: f_c in pixels: depth is drawn in metric metres.
        label_set: what the classes mean; C of them.
        images: how many of the batch are drawn, at most.
        tasks: of the network; those beyond depth and segmentation get an image each.

    Returns:
        "predictions", the further tasks by their names, and "attention" (the rows of marked pixels, see
        `metrics.attention`) where the network has a scene understanding module and an image has labels. The attention
        is the predicted one, in stage 1 too, where the ideal one is applied.

    Raises:
        ValueError: output and batch are not of the same images, or no image is asked for.
    """
    count = min(images, len(batch))
    if count < 1 or len(output.depth) != len(batch):
        raise ValueError(f"{images} images of a batch of {len(batch)}, output for {len(output.depth)}: need at least 1")
    scale = _array(batch.focal[:count]).reshape(-1, 1, 1) / canonical_focal  # canonical to metric metres
    image = batch.images[:count].permute(0, 2, 3, 1).cpu().numpy()
    true_depth, true_labels = _array(batch.depth[:count]) * scale, batch.labels[:count].cpu().numpy()
    depth = _array(output.depth[:count, 0]) * scale
    labels = predicted_labels(output.logits[:count], *output.depth.shape[-2:]).cpu().numpy()
    frames = [
        ComparedFrame(
            batch.names[i],
            image[i],
            true_depth[i] if batch.has_depth[i] else None,
            true_labels[i] if batch.has_labels[i] else None,
            {NAME: PredictedMaps(depth[i], labels[i])},
        )
        for i in range(count)
    ]
    rgb_images = {"predictions": comparison(frames, label_set, TILE)}
    for task in tasks:
        if task.spec.name not in DEFAULT_TASKS:
            rgb_images[task.spec.name] = _further(task, tasks, output, batch, canonical_focal, label_set, count)
    marked = _marked(output, batch, label_set, count)
    if any(frame.marks for frame in marked):
        rgb_images["attention"] = attention_figure(marked, TILE)
    return rgb_images


def _further(
    task: TaskLearning,
    tasks: Sequence[TaskLearning],
    output: CINetOutput,
    batch: Batch,
    canonical_focal: float,
    label_set: LabelSet,
    count: int,
) -> Figure:
    """The input, and what the task draws of its truth and of its prediction, a row an image."""
    scale = (batch.focal / canonical_focal).reshape(-1, 1, 1)
    context = GraphContext(batch.focal.new_zeros(len(batch), 4), scale, (0.0, math.inf), in_one_pass=False)
    answers = {
        "truth": task.true_outputs(batch, scale),
        # As a robot's panel: with what depth says too, which some are drawn against.
        NAME: _answer(next(other for other in tasks if other.spec.name == "depth"), output, context)
        | _answer(task, output, context),
    }
    rows: list[list[tuple[str, npt.NDArray[np.uint8], str]]] = []
    for index in range(count):
        image = batch.images[index].permute(1, 2, 0).cpu().numpy()
        settings = RenderSettings(image, label_set, len(image))
        row = [("input", image, batch.names[index])]
        for name, answer in answers.items():
            one = {key: channels_last(values[index : index + 1])[0].cpu().numpy() for key, values in answer.items()}
            row += [(name, tile.images[0], tile.title) for tile in (task.spec.render(one, settings) if one else [])]
        rows.append(row)
    heights = [image_height(row[0][1].shape, TILE) for row in rows]
    figure, axes = image_grid([title for title, _, _ in max(rows, key=len)], heights, TILE)
    for places, row in zip(axes, rows, strict=True):
        for place, (_, image, note) in zip(places, row, strict=False):
            show_labels(place, image, note)
    return figure


def _answer(task: TaskLearning, output: CINetOutput, context: GraphContext) -> dict[str, torch.Tensor]:
    """What one task makes of the network's output, by names."""
    return dict(task.finish(task.deploy(output, context), context))


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
