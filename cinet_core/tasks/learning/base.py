"""What training, evaluation and the deployable graph ask of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from cinet_core.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from cinet_core.data.augmentation import Variation
    from cinet_core.data.sample import Batch, Sample
    from cinet_core.data.transforms import TrainingTransform
    from cinet_core.losses.reduction import LossTerm
    from cinet_core.losses.supervision import Supervision
    from cinet_core.losses.total import LossWeights
    from cinet_core.metrics.summed import SummedMetric
    from cinet_core.model.cinet import CINetOutput

__all__ = ["GraphContext", "TaskLearning", "channels_last"]


class GraphContext(NamedTuple):
    """What the deployable graph knows of a batch beside the network's answer.

    Attributes:
        intrinsics: (B, 4) float32 fx, fy, cx, cy in pixels of the image that came in.
        depth_scale: (B, 1, 1) float32, f_net / f_c: canonical depth times this is metric depth.
        depth_range: (nearest, farthest) valid depth in metres.
        in_one_pass: the graph is for the runtimes of a CPU; see `label_decision.decide_in_one_pass`.
    """

    intrinsics: Tensor
    depth_scale: Tensor
    depth_range: tuple[float, float]
    in_one_pass: bool


class TaskLearning(ABC):
    """How a task is learnt, scored and deployed. It has no state: one object serves every network.

    A task beyond depth and segmentation has a head in `CINet.task_heads`, described by `TaskSpec.head`; what that head
    answers is `output.extra[spec.name]`, (B, channels, H, W), not activated.

    Attributes:
        spec: what the task is to everybody else.
        default_weight: of its loss in the total, where the settings give none.
    """

    spec: TaskSpec
    default_weight: float = 1.0

    # Training

    def target(self, sample: Sample, variation: Variation, transform: TrainingTransform) -> Tensor | None:
        """What the task learns of a sample beyond its depth and labels, in the network's canonical camera.

        It is made of the sample as the data set serves it, then varied by `transform.varied`: neighbours in an
        augmented depth map, which is resampled to the nearest pixel, are uneven steps apart. A subclass of
        `tv_tensors.Mask` with its own kernels says what turning, resizing and flipping do to its values.

        Args:
            sample: with or without depth, labels and camera.
            variation: how it is turned, cut, zoomed and mirrored.
            transform: size and canonical focal length of the network's input.

        Returns:
            A tensor of the same shape and type for every sample, without NaN: (..., h, w) at the input's size; None for
            a task that needs nothing more.
        """
        return None

    @abstractmethod
    def loss_terms(self, output: CINetOutput, truth: Supervision) -> dict[str, LossTerm]:
        """The losses of a batch by name, not averaged; names are unique over all tasks.

        Every process must return the same names in the same order, whatever its samples hold: a term without a valid
        element has the sum 0. Terms within the task that weigh 0 (`truth.weights`) are left out. Not called where the
        whole task weighs 0.
        """

    def answer(self, output: CINetOutput) -> Tensor:
        """What the network answers for this task, not activated but for depth: (B, channels, H, W)."""
        return output.extra[self.spec.name]

    def loss(self, means: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
        """The task's loss, of the means of its terms; by default that of the one that has the task's own name.

        Args:
            means: of the terms of all tasks by name: scalars, equal on all processes.
            weights: of the terms, where they have any.
        """
        return means[self.spec.name]

    def weight(self, weights: LossWeights) -> float:
        """Weight of the task's loss in the total."""
        return weights.tasks.get(self.spec.name, self.default_weight)

    # Scores

    @abstractmethod
    def metric(self, num_classes: int) -> SummedMetric:
        """A fresh accumulator, whose `compute` returns the values of `spec.metrics` and perhaps others by name."""

    @abstractmethod
    def update_on_batch(self, metric: Any, output: CINetOutput, batch: Batch, depth_scale: Tensor) -> None:
        """Add a training batch to a metric, at the network's size: to choose a checkpoint by.

        Args:
            metric: of `metric`.
            output: of the network for the batch.
            batch: its truth; what has none is passed over.
            depth_scale: (B, 1, 1) f_net / f_c: canonical depth times this is metric depth.
        """

    def update_on_frame(self, metric: Any, outputs: Mapping[str, Tensor], sample: Sample) -> None:
        """Add a frame of a data set to a metric, at the size of its truth: what is reported.

        Depth and segmentation have scorers of their own, with protocols, and are not asked.

        Args:
            metric: of `metric`.
            outputs: of the deployable graph for this frame, (1, h, w) or (1, h, w, channels) each, on the CPU, at the
                network's size.
            sample: the frame, with its truth and camera; what has no truth is passed over.
        """
        raise NotImplementedError(f"task {self.spec.name!r} has a scorer of its own in cinet_core.evaluation")

    def true_outputs(self, batch: Batch, depth_scale: Tensor) -> dict[str, Tensor]:
        """What a network that makes no mistake would answer for a batch, for images of a training run.

        Args:
            batch: with its targets.
            depth_scale: as for `update_on_batch`.

        Returns:
            As `finish`, at the network's size; {}, the default, where nothing is known of it. Not asked of depth and
            segmentation.
        """
        return {}

    # The deployable graph

    @abstractmethod
    def deploy(self, output: CINetOutput, context: GraphContext) -> dict[str, Tensor]:
        """The task's part of the deployable graph, at the network's size.

        Returns:
            A tensor for each of `spec.outputs`, by name in their order: (B, h, w), or (B, channels, h, w) where the
            output has channels. The graph resizes them as the specification says.
        """

    def finish(self, outputs: dict[str, Tensor], context: GraphContext) -> dict[str, Tensor]:
        """What remains to be done at the output size, such as masking; by default nothing.

        Args:
            outputs: as `deploy` returned them, resized.
            context: of the batch.

        Returns:
            The same names and shapes, in the type of the specification. The graph moves channels last.
        """
        return outputs


def channels_last(values: Tensor) -> Tensor:
    """(B, channels, h, w) -> (B, h, w, channels), as it is handed out; (B, h, w) as it is."""
    return values.permute(0, 2, 3, 1).contiguous() if values.dim() == 4 else values
