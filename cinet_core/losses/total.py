"""The total loss (paper, Eq. 11 and 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cinet_core.losses.attention import attention_loss
from cinet_core.losses.balance import TaskBalance
from cinet_core.losses.consistency import FeatureVariance, border_distances, dissimilarity
from cinet_core.losses.depth import PAIR_PIXELS
from cinet_core.losses.recipe import Balance, DepthSpace, LossWeights, Stage, VarianceStart
from cinet_core.losses.reduction import LossTerm, global_means
from cinet_core.losses.supervision import NO_TARGETS, Supervision
from cinet_core.model.cinet import CINetOutput
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.model.scene_understanding import ideal_attention_labels

if TYPE_CHECKING:
    from cinet_core.tasks.learning.base import TaskLearning

__all__ = ["LossWeights", "MultiTaskLoss"]


class MultiTaskLoss(nn.Module):
    """L = L_att + alpha (L_berhu + lambda L_pair + mu L_norm) + beta L_con + gamma L_seg, all of them means.

    The tasks give the terms of depth, of segmentation and of what else is learnt; what joins the tasks, attention and
    consistency, is here. What weighs 0 is not computed, and has no name among the losses.

    Every mean is taken over the valid elements of all processes (`global_means`). Each process must call it at the
    same time and for the same stage; how much supervision its samples carry is free: a term without a valid element
    anywhere is 0 and gives every parameter that it depends on a gradient of 0.

    Args:
        tasks: what is learnt, in the order in which the losses are added: `task_learning(config.tasks)`.
        num_classes: C.
        feature_channels: c2, channels of the features that the consistency loss compares.
        class_weights: (C,) omega of Eq. 12, from `class_weights`; None weighs all classes 1.
        weights: of the terms.
        pair_pixels: pixels of each image that the pair loss draws, at least 2.
        depth_space: of BerHu and pairs: the paper's "metres", or "log" depth, which SILog joins with half a weight.
        balance: how the losses of the tasks share the network, see `TaskBalance`.
        variance_start: of the sigma^2 of the consistency loss, see `FeatureVariance`.

    Attributes:
        balance: the factors of the tasks' losses; its parameters, if it has any, belong to the optimiser.
        feature_variance: the learned sigma^2 of the consistency loss: parameters that belong to the optimiser, without
            weight decay.

    Raises:
        ValueError: an argument is out of range, the class weights are not (C,), or no task weighs more than 0.
    """

    class_weights: Tensor

    def __init__(
        self,
        tasks: Sequence[TaskLearning],
        num_classes: int,
        feature_channels: int,
        class_weights: Tensor | None = None,
        weights: LossWeights | None = None,
        pair_pixels: int = PAIR_PIXELS,
        depth_space: DepthSpace = "metres",
        balance: Balance = "fixed",
        variance_start: VarianceStart = "channels",
    ) -> None:
        super().__init__()
        if class_weights is None:
            class_weights = torch.ones(num_classes)
        if class_weights.shape != (num_classes,):
            raise ValueError(f"class_weights is {tuple(class_weights.shape)}: it must be ({num_classes},)")
        if pair_pixels < 2:
            raise ValueError(f"pair_pixels is {pair_pixels}: a pair needs at least 2")
        self.tasks = tuple(tasks)
        self.num_classes = num_classes
        self.weights = weights or LossWeights()
        self.pair_pixels = pair_pixels
        self.depth_space = depth_space
        self.register_buffer("class_weights", class_weights.float())
        self.feature_variance = FeatureVariance(feature_channels, variance_start)
        if not self.learnt:
            raise ValueError("the losses of all tasks weigh 0, nothing would be learnt: give one of them a weight")
        self.balance = TaskBalance([task.spec.name for task in self.learnt], balance)

    @property
    def learnt(self) -> tuple[TaskLearning, ...]:
        """The tasks whose loss weighs more than 0."""
        return tuple(task for task in self.tasks if task.weight(self.weights))

    def forward(
        self,
        output: CINetOutput,
        depth: Tensor,
        labels: Tensor,
        seeds: Sequence[int] | Tensor,
        stage: Stage,
        targets: Mapping[str, Tensor] = NO_TARGETS,
        trust: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The losses of a batch by name, each before its weight, and their weighted `total`.

        Args:
            output: of the network for images (B, 3, H, W). One without a scene understanding module has no attention
                loss.
            depth: (B, H, W) true canonical depth, metres; 0, NaN and inf are invalid.
            labels: (B, H, W) integer class ids; ids outside 0..C-1 (255) are void.
            seeds: (B,) integers that decide the pixels of the pair loss, new ones at every step.
            stage: decides which terms are active.
            targets: (B, ...) of tasks beyond depth and segmentation, by the task's name.
            trust: (B, 2, H, W) uint8, how far depth and labels are trusted, 0 to 255 for 0 to 1: the losses of depth
                and segmentation are multiplied by it, pixel by pixel. Other tasks, attention and consistency take all
                that is not void for the truth. None: all is.

        Returns:
            Scalars, equal on all processes, of what weighs more than 0: the terms of each task ("berhu", "pair",
            "normal", "gradient", where active "silog"; "segmentation"), the loss of each task by its name ("depth":
            Eq. 11), where active "attention" and "consistency", and "total" (Eq. 13), the one to call `backward` on.

        Raises:
            ValueError: depth or labels are not of the output's size, or there is not one seed for each image.
        """
        truth = Supervision(
            depth, labels, seeds, self.class_weights, self.pair_pixels, self.depth_space, targets, self.weights, trust
        )
        learnt = self.learnt
        terms: dict[str, LossTerm] = {}
        for task in learnt:
            terms |= task.loss_terms(output, truth)
        losses = global_means(terms | self._joining_terms(output, labels, stage))
        for task in learnt:
            losses[task.spec.name] = task.loss(losses, self.weights)
        parts = self.balance(self.weighted(losses))
        if "attention" in losses:
            parts.append(losses["attention"])
        if "consistency" in losses:
            parts.append(self.weights.consistency * losses["consistency"])
        # DistributedDataParallel waits for a gradient of every parameter, of those too that learn nothing.
        parts += [0.0 * task.answer(output).sum() for task in self.tasks if task not in learnt]
        losses["total"] = sum(parts[1:], parts[0])
        return losses

    def weighted(self, losses: Mapping[str, Tensor]) -> list[Tensor]:
        """The loss of each task that is learnt by its weight, of what `forward` returned."""
        return [task.weight(self.weights) * losses[task.spec.name] for task in self.learnt]

    def monitored(self, stage: Stage) -> dict[str, Tensor]:
        """What moves beside the losses, to be logged: sigma^2 where it is learned, and the factors of the tasks."""
        values = self.balance.monitored()
        if stage.consistency and self.weights.consistency:
            depth, semantic = self.feature_variance().detach()
            values |= {"variance_depth": depth, "variance_semantic": semantic}
        return values

    def _joining_terms(self, output: CINetOutput, labels: Tensor, stage: Stage) -> dict[str, LossTerm]:
        """The active terms that join the tasks; the same names in the same order on all processes."""
        terms: dict[str, LossTerm] = {}
        if stage.attention and output.query is not None and output.key is not None:
            height, width = (-(-size // FEATURE_STRIDE) for size in labels.shape[-2:])
            small = ideal_attention_labels(labels, height, width)
            terms["attention"] = attention_loss(output.query, output.key, small, self.num_classes)
        if stage.consistency and self.weights.consistency:
            distances = border_distances(output.depth_features, output.semantic_features, labels, self.num_classes)
            self.feature_variance.observe(distances)
            terms["consistency"] = dissimilarity(distances, self.feature_variance())
        return terms
