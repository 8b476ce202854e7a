"""Pictures of a batch for the log of a training run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from cinet_core.data.sample import Batch
from cinet_core.label_sets import LabelSet
from cinet_core.model.cinet import CINetOutput
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.model.scene_understanding import ideal_attention_labels
from cinet_core.tasks import DEFAULT_TASKS, RenderSettings
from cinet_core.tasks.learning.base import GraphContext, TaskLearning, channels_last
from cinet_core.visualize.attention import (
    Mark,
    MarkedFrame,
    attention_figure,
    attention_row,
    class_centres,
    class_name,
    ideal_row,
    pixel_at,
)
from cinet_core.visualize.comparison import ComparedFrame, Guess, comparison
from cinet_core.visualize.grid import Cell, Column, grid, image_tile
from cinet_core.visualize.text import Picture

TILE = 160
MARKS = 2
NAME = "network"


@torch.no_grad()
def training_pictures(
    output: CINetOutput,
    batch: Batch,
    canonical_focal: float,
    label_set: LabelSet,
    images: int = 4,
    tasks: Sequence[TaskLearning] = (),
) -> dict[str, Picture]:
    """What the network makes of the first images of a batch, beside the truth.

    Args:
        output: of the network for this batch, on any device, in any precision.
        batch: the images and their truth.
        canonical_focal: f_c in pixels: depth is drawn in metric metres.
        label_set: what the classes mean; C of them.
        images: how many of the batch are drawn, at most.
        tasks: of the network; those beyond depth and segmentation get a picture each.

    Returns:
        (H, W, 3) uint8 RGB pictures: "predictions", the further tasks by their names, and "attention" (the rows of
        marked pixels, see `visualize.attention`) where the network has a scene understanding module and an image has
        labels. The attention is the predicted one, in stage 1 too, where the ideal one is applied.

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
    for task in tasks:
        if task.spec.name not in DEFAULT_TASKS:
            pictures[task.spec.name] = _further(task, output, batch, canonical_focal, label_set, count)
    marked = _marked(output, batch, label_set, count)
    if any(frame.marks for frame in marked):
        pictures["attention"] = attention_figure(marked, TILE)
    return pictures


def _further(
    task: TaskLearning, output: CINetOutput, batch: Batch, canonical_focal: float, label_set: LabelSet, count: int
) -> Picture:
    """The input, and what the task draws of its truth and of its prediction, a row an image."""
    scale = (batch.focal / canonical_focal).reshape(-1, 1, 1)
    context = GraphContext(batch.focal.new_zeros(len(batch), 4), scale, (0.0, math.inf), in_one_pass=False)
    answers = {
        "truth": task.true_outputs(batch),
        NAME: task.finish(task.deploy(output, context), context),
    }
    columns = [Column("input", TILE)]
    rows: list[list[Cell]] = []
    for index in range(count):
        image = image_tile(batch.images[index].permute(1, 2, 0).cpu().numpy(), TILE)
        settings = RenderSettings(image, label_set, len(image))
        row = [Cell(image, batch.names[index])]
        for name, answer in answers.items():
            one = {key: channels_last(values[index : index + 1])[0].cpu().numpy() for key, values in answer.items()}
            for tile in task.spec.render(one, settings) if one else []:
                row.append(Cell(tile.pictures[0], tile.title))
                columns += [Column(name, TILE)] if index == 0 else []
        rows.append(row)
    return grid(columns, rows)


def _marked(output: CINetOutput, batch: Batch, label_set: LabelSet, count: int) -> list[MarkedFrame]:
    if output.query is None or output.key is None:
        return []
    height, width = batch.images.shape[-2:]
    size = (-(-height // FEATURE_STRIDE), -(-width // FEATURE_STRIDE))
    query, key = _array(output.query[:count]), _array(output.key[:count])
    labels = ideal_attention_labels(batch.labels[:count], *size).cpu().numpy()
    classes = len(label_set.classes)
    return [
        MarkedFrame(
            batch.names[i],
            batch.images[i].permute(1, 2, 0).cpu().numpy(),
            [
                Mark(
                    pixel_at(position, (height, width), size),
                    ideal_row(labels[i], classes, position),
                    {NAME: attention_row(query[i], key[i], position, size)},
                    class_name(labels[i], label_set, position),
                )
                for position in class_centres(labels[i], classes, MARKS)
            ],
        )
        for i in range(count)
    ]


def _array(values: torch.Tensor) -> npt.NDArray[np.float32]:
    return values.detach().float().cpu().numpy()
