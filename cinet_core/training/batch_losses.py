"""What a network answers to a batch while it is trained, and how wrong that is."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

from cinet_core.data.sample import Batch
from cinet_core.losses import MultiTaskLoss, Stage
from cinet_core.losses.random_numbers import LARGEST, random_integers
from cinet_core.losses.reduction import global_means
from cinet_core.losses.view_consistency import view_consistency
from cinet_core.model import CINet, CINetOutput
from cinet_core.training.mixed_precision import fast_half_precision
from cinet_core.training.optimization import ExponentialAverage
from cinet_core.training.second_view import draw_change, second_view, warped
from cinet_core.training.settings_losses import ViewSettings

__all__ = ["BatchLosses", "answer", "taught_images"]


class BatchLosses:
    """The losses of a batch, with those of a second view of it where there is one.

    Args:
        model: the network that learns.
        loss: its losses, with their learned sigma.
        average: of the network's weights; its answer is what second views are held against.
        canonical_focal: f_c in pixels of the network's input: metric depth = canonical * f_net / f_c.
        views: how second views differ, and what their disagreement weighs.
    """

    def __init__(
        self,
        model: CINet,
        loss: MultiTaskLoss,
        average: ExponentialAverage,
        canonical_focal: float,
        views: ViewSettings,
    ) -> None:
        self.model, self.loss, self.average = model, loss, average
        self.canonical_focal, self.views = canonical_focal, views

    def of(
        self, batch: Batch, stage: Stage, autocast: torch.dtype | None = None, progress: float = 0.0
    ) -> tuple[CINetOutput, dict[str, Tensor]]:
        """The network's answer, and its losses by name with their `total`, in float32.

        Args:
            batch: on the network's device.
            stage: decides which terms are active.
            autocast: half precision of the network where Lightning does not set it.
            progress: of the stage, 0 to 1; an annealed one teaches fewer and fewer images.
        """
        device = batch.images.device.type
        half = torch.autocast(device, autocast, enabled=True) if autocast else contextlib.nullcontext()
        with half, fast_half_precision(device):
            taught = taught_images(batch, progress) if stage.annealed else None
            output = answer(self.model, self.model, batch, stage.ideal_attention, taught)
        with torch.autocast(device, enabled=False):
            labels = batch.labels.long()
            return output, self.loss(output, batch.depth, labels, batch.random_seeds, stage, batch.targets, batch.trust)

    def with_second_view(
        self, batch: Batch, stage: Stage, losses: dict[str, Tensor], progress: float = 0.0
    ) -> dict[str, Tensor]:
        """The losses of a batch together with a second view of it.

        Args:
            batch: on the network's device.
            stage: decides which terms are active.
            losses: of the batch, from `of`.
            progress: of the stage, 0 to 1.

        Returns:
            `losses` with "views", what the two views disagree about (`view_consistency`), and with a "total" that is
            the mean of both views' and that, weighed.
        """
        height, width = batch.images.shape[-2:]
        changes = [draw_change(self.views, seed, width, height) for seed in batch.random_seeds.tolist()]
        second = second_view(batch, changes)
        output, of_second = self.of(second.batch, stage, progress=progress)
        with torch.no_grad():
            taught = answer(self.average.module, self.model, batch, ideal_attention=False).depth
        with torch.autocast(batch.images.device.type, enabled=False):
            teacher = warped(self._log_metric(taught, batch), second.grid)
            term = view_consistency(self._log_metric(output.depth, second.batch), teacher, second.visible)
        apart = global_means({"views": term})["views"]
        total = (losses["total"] + of_second["total"]) / 2 + self.views.weight * apart
        return losses | {"views": apart, "total": total}

    def _log_metric(self, depth: Tensor, batch: Batch) -> Tensor:
        """ln metres (B, h, w), of canonical depth (B, 1, h, w)."""
        return depth.squeeze(1).float().log() + (batch.focal / self.canonical_focal).log().reshape(-1, 1, 1)


def answer(
    network: torch.nn.Module, model: CINet, batch: Batch, ideal_attention: bool, taught: Tensor | None = None
) -> CINetOutput:
    """Run a network on a batch.

    Args:
        network: the model, or its average.
        model: the model, whose mean and standard deviation of images are taken.
        batch: on the network's device.
        ideal_attention: the labels' ideal map replaces the predicted one,
        taught: (B,) bool, of these images; None: of all.
    """
    images = (batch.images.float() / 255 - model.image_mean) / model.image_std
    labels = batch.labels.long() if ideal_attention else None
    output: CINetOutput = network(images, teacher_labels=labels, taught=taught)
    return output


def taught_images(batch: Batch, progress: float) -> Tensor:
    """(B,) bool: the images that the ideal map teaches in an annealed stage, decided by their own random seeds.

    Args:
        batch: with seeds that are new at every step.
        progress: of the stage, 0 (all images are taught) to 1 (none is).
    """
    # Not of the seed itself, from which the pair loss draws.
    drawn = random_integers(~batch.random_seeds, 1, batch.images.device).squeeze(1)
    return drawn.double() / LARGEST >= progress
