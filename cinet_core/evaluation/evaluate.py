"""Scores a network on a split of a data set, through the graph that is deployed."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from cinet_core.checkpoint import TrainingCamera
from cinet_core.data.check import spread
from cinet_core.data.frame_files import SourceError
from cinet_core.data.nyu_depth_v2 import META as NYU
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.evaluation.evaluation import BrokenFrame, Counts, Evaluation
from cinet_core.evaluation.scorers import (
    DEPLOYED,
    LABEL_ORDERS,
    DepthScorer,
    LabelScorer,
    Predicted,
    ScoredFrame,
    Scorer,
    TaskScorer,
)
from cinet_core.evaluation.stability import PosedDataset, StabilityMetrics
from cinet_core.geometry import Intrinsics, fit_network_size
from cinet_core.inference.backend import Backend
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.torch_backend import TorchBackend
from cinet_core.metrics.attention import AttentionMetrics
from cinet_core.metrics.protocols import EIGEN, FULL, PAPER, DepthProtocol
from cinet_core.model.cinet import CINet, CINetOutput
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.model.scene_understanding import ideal_attention_labels
from cinet_core.tasks import DEFAULT_TASKS
from cinet_core.tasks.learning import task_learning

__all__ = ["DEPLOYED", "LABEL_ORDERS", "BackendFor", "EvaluationGraph", "evaluate_model", "protocols_for"]

BackendFor = Callable[[DeployableGraph], Backend]


def protocols_for(dataset: SceneDataset) -> tuple[DepthProtocol, ...]:
    """The protocols that a data set is scored under.

    NYU-Depth-v2 has two published ones. Any other set gets every pixel with a depth below what its sensor can measure,
    of the depth maps that it was opened with.
    """
    if dataset.meta.benchmark == NYU.benchmark:
        return PAPER, EIGEN
    return (replace(FULL, truth=dataset.depth_source, max_depth=dataset.meta.depth_range[1]),)


def evaluate_model(
    model: CINet,
    camera: TrainingCamera,
    dataset: SceneDataset,
    *,
    raw: SceneDataset | None = None,
    protocols: Sequence[DepthProtocol] | None = None,
    device: torch.device | str = "cpu",
    backend_for: BackendFor | None = None,
    batch: int = 4,
    limit: int | None = None,
    progress: Callable[[], None] | None = None,
) -> Evaluation:
    """Run a network over full-resolution frames and score them at their own size.

    Images are resized, and depth becomes metric, by the deployable graph; an unknown camera is taken to be the
    canonical one, as the predictor does. A frame that cannot be read is passed over and named. Stability is measured
    where the data set knows poses (`PosedDataset`), between frames that follow one another in it.

    Args:
        model: the network; it is moved to `device`, runs in evaluation mode, and is left in the mode it was in.
        camera: of its training.
        dataset: what to score, its labels mapped to the network's classes (its option `label_set`).
        raw: the same frames with the sensor's own depth, for protocols whose truth is "raw"; may be `dataset`.
        protocols: for depth; None for `protocols_for`.
        device: to run on. All figures are summed up on the CPU in float64.
        backend_for: makes what runs the network at one size, such as `selection.select` in the precision that is to be
            judged. It gives predictions only: labels as deployed, nothing of the attention. None: PyTorch in float32.
        batch: images at a time, as far as consecutive ones have the same size.
        limit: score only this many frames, spread evenly over the split.
        progress: called after each frame.

    Raises:
        ValueError: the data set has other classes than the network, `raw` is missing or another set, a protocol does
            not fit the frames, or the network's depth is not finite and positive.
    """
    protocols = protocols_for(dataset) if protocols is None else tuple(protocols)
    _check(model, dataset, raw, protocols)
    scores = _Scores(model, camera, dataset, protocols, backend_for)
    numbers = spread(len(dataset), limit)
    with _evaluating(model.to(device)), torch.inference_mode():
        waiting: list[ScoredFrame] = []
        for number in numbers:
            try:
                frame = _read(dataset, raw, number)
            except SourceError as error:
                scores.broken.append(BrokenFrame(dataset.name(number), str(error)))
            else:
                if waiting and (len(waiting) == batch or waiting[0].sample.size != frame.sample.size):
                    scores.add(waiting)
                    waiting = []
                waiting.append(frame)
            if progress is not None:
                progress()
        if waiting:
            scores.add(waiting)
    return scores.evaluation()


class EvaluationGraph(DeployableGraph):
    """The deployable graph at the network's own size, with depth of any range, and with the network's own answer.

    Args:
        model, camera: see DeployableGraph.
        image_size: (H, W) of the images that come in.
    """

    def __init__(self, model: CINet, camera: TrainingCamera, image_size: tuple[int, int]) -> None:
        height, width = image_size
        size = fit_network_size(width, height, camera.width, camera.height)
        super().__init__(model, camera, image_size, size, output_size=size, depth_range=(0.0, math.inf))

    def predict(self, images: Tensor, cameras: Sequence[Intrinsics | None]) -> tuple[CINetOutput, dict[str, Tensor]]:
        """The network's answer, and the outputs of the tasks.

        Args:
            images: (B, 3, H, W) uint8 RGB, on the model's device.
            cameras: of the B images; None = the one that has f_net = f_c.

        Returns:
            The answer, and what `forward` returns, both at `network_size`.
        """
        output = self.network_output(images.permute(0, 2, 3, 1))
        return output, self.deployed(output, self.intrinsics(cameras).to(images.device))

    def intrinsics(self, cameras: Sequence[Intrinsics | None]) -> Tensor:
        """(B, 4) float32 fx fy cx cy of cameras; None = the one that has f_net = f_c."""
        known = [camera or self._canonical_camera() for camera in cameras]
        return torch.tensor([(c.fx, c.fy, c.cx, c.cy) for c in known], dtype=torch.float32)

    def _canonical_camera(self) -> Intrinsics:
        height, width = self.network_size
        focal = self.canonical_focal
        camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
        return camera.resized(self.image_size[1], self.image_size[0])


class _Scores:
    """Everything that is summed up over the frames."""

    def __init__(
        self,
        model: CINet,
        camera: TrainingCamera,
        dataset: SceneDataset,
        protocols: Sequence[DepthProtocol],
        backend_for: BackendFor | None,
    ) -> None:
        self.model, self.camera, self.dataset = model, camera, dataset
        classes = model.config.num_classes
        self.depth = DepthScorer(protocols)
        self.labels = LabelScorer(dataset.label_set.classes)
        further = [task for task in task_learning(model.config.tasks) if task.spec.name not in DEFAULT_TASKS]
        self.further = [TaskScorer(task, classes) for task in further]
        self.stability = StabilityMetrics()
        self.attention = AttentionMetrics(classes) if model.config.scene_understanding else None
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.graphs: dict[tuple[int, int], EvaluationGraph] = {}
        self.backend_for = backend_for
        self.backends: dict[tuple[int, int], Backend] = {}
        self.broken: list[BrokenFrame] = []

    def add(self, frames: Sequence[ScoredFrame]) -> None:
        """Predict and score frames of one size."""
        width, height = frames[0].sample.size
        if (height, width) not in self.graphs:
            graph = EvaluationGraph(self.model, self.camera, (height, width))
            self.graphs[height, width] = graph
            if self.backend_for is not None:
                self.backends[height, width] = self.backend_for(graph)
        outputs, output = self._predict(frames, (height, width))
        for index, frame in enumerate(frames):
            sample = frame.sample
            self.counts["frames"] += 1
            self.counts["with_camera"] += sample.intrinsics is not None
            self.counts["with_depth"] += sample.has_depth
            self.counts["with_labels"] += sample.has_labels
            chosen = slice(index, index + 1)
            logits = None if output is None else output.logits[chosen]
            predicted = Predicted({name: values[chosen] for name, values in outputs.items()}, logits)
            scorers: tuple[Scorer, ...] = (self.depth, self.labels, *self.further)
            for scorer in scorers:
                scorer.add(predicted, frame)
            posed = frame.posed(outputs["depth"][index])
            if posed is not None:
                self.stability.update(posed)
            if output is not None and sample.has_labels:
                self._add_attention(output, chosen, sample.labels)

    def _predict(
        self, frames: Sequence[ScoredFrame], size: tuple[int, int]
    ) -> tuple[dict[str, Tensor], CINetOutput | None]:
        """The tasks' outputs for frames of one size, on the CPU, and the network's answer where PyTorch ran it."""
        graph, cameras = self.graphs[size], [frame.sample.intrinsics for frame in frames]
        images = torch.stack([frame.sample.image for frame in frames])
        if size in self.backends:
            pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
            predicted = self.backends[size].run(pixels, graph.intrinsics(cameras).numpy())
            return {name: torch.from_numpy(values) for name, values in predicted.outputs.items()}, None
        output, outputs = graph.predict(images.to(self.model.image_mean.device), cameras)
        return {name: values.cpu() for name, values in outputs.items()}, output

    def _add_attention(self, output: CINetOutput, chosen: slice, truth: Tensor) -> None:
        if self.attention is not None and output.query is not None and output.key is not None:
            height, width = (-(-size // FEATURE_STRIDE) for size in output.logits.shape[-2:])
            small = ideal_attention_labels(truth[None], height, width)
            self.attention.update(output.query[chosen], output.key[chosen], small)

    def evaluation(self) -> Evaluation:
        """The figures."""
        counts = ("frames", "with_depth", "with_labels", "with_camera")
        attention = self.attention
        return Evaluation(
            dataset=self.dataset.meta.name,
            benchmark=self.dataset.meta.benchmark,
            split=self.dataset.split,
            label_set=self.dataset.label_set.name,
            own_label_set=self.dataset.meta.label_set.name,
            counts=Counts(**{name: self.counts[name] for name in counts}, available=len(self.dataset)),
            network_sizes=tuple(sorted({graph.network_size[::-1] for graph in self.graphs.values()})),
            backends=tuple(sorted({backend.name for backend in self.backends.values()})) or (TorchBackend.name,),
            depth=self.depth.scores(),
            labels=self.labels.scores(),
            stability=self.stability.compute(),
            attention=attention.compute() if attention is not None and attention.positions else None,
            broken=tuple(self.broken),
            tasks=tuple(score for scorer in self.further for score in scorer.scores()),
        )


def _read(dataset: SceneDataset, raw: SceneDataset | None, number: int) -> ScoredFrame:
    sample = dataset[number]
    other = sample if raw is dataset else raw[number] if raw is not None else None
    return ScoredFrame(number, sample, other, dataset.pose(number) if isinstance(dataset, PosedDataset) else None)


def _check(model: CINet, dataset: SceneDataset, raw: SceneDataset | None, protocols: Sequence[DepthProtocol]) -> None:
    classes = len(dataset.label_set.classes)
    if classes != model.config.num_classes:
        raise ValueError(
            f"{dataset.meta.name} serves the {classes} classes of {dataset.label_set.name!r}, the network predicts "
            f"{model.config.num_classes}: open the data set with the network's label_set"
        )
    for protocol in protocols:
        if protocol.truth == "raw" and raw is None and dataset.depth_source != "raw":
            raise ValueError(
                f"protocol {protocol.name!r} needs raw depth: open {dataset.meta.name} with it too, as `raw`"
            )
        if protocol.truth == "filled" and dataset.depth_source == "raw":
            raise ValueError(
                f"protocol {protocol.name!r} needs filled depth: open {dataset.meta.name} with depth='filled'"
            )
    if raw is not None and (len(raw) != len(dataset) or raw.split != dataset.split):
        raise ValueError(
            f"raw depth has {len(raw)} frames of split {raw.split!r}, the data set {len(dataset)} of "
            f"{dataset.split!r}: open both in the same way"
        )


@contextlib.contextmanager
def _evaluating(model: CINet) -> Iterator[None]:
    """Evaluation mode, and back to training mode where the model came from there."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        if training:
            model.train()
