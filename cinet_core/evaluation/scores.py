"""All scores of one network on one data set, summed up frame by frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from cinet_core.checkpoint import TrainingCamera
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.evaluation.augmented_graph import AugmentedGraph
from cinet_core.evaluation.evaluation import BrokenFrame, Evaluation, SampleCounts
from cinet_core.evaluation.scorers import DepthScorer, LabelScorer, Predicted, ScoredFrame, Scorer, TaskScorer
from cinet_core.evaluation.stability import StabilityMetrics
from cinet_core.evaluation.views import PLAIN, Views
from cinet_core.inference.backend import Backend
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.torch_backend import TorchBackend
from cinet_core.metrics.attention import AttentionMetrics
from cinet_core.metrics.protocols import DepthProtocol
from cinet_core.model.cinet import CINet, CINetOutput
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.model.encoder import FEATURE_STRIDE
from cinet_core.model.scene_understanding import ideal_attention_labels
from cinet_core.tasks.learning import task_learning

__all__ = ["BackendFor", "Scores"]

BackendFor = Callable[[DeployableGraph], Backend]


class Scores:
    """Everything that is summed up over the frames."""

    def __init__(
        self,
        model: CINet,
        camera: TrainingCamera,
        dataset: SceneDataset,
        protocols: Sequence[DepthProtocol],
        backend_for: BackendFor | None,
        views: Views = PLAIN,
    ) -> None:
        self.model, self.camera, self.dataset, self.views = model, camera, dataset, views
        classes = model.config.num_classes
        self.depth = DepthScorer(protocols)
        self.labels = LabelScorer(dataset.label_set.classes)
        further = [task for task in task_learning(model.config.tasks) if task.spec.name not in DEFAULT_TASKS]
        self.further = [TaskScorer(task, classes) for task in further]
        self.stability = StabilityMetrics()
        self.attention = AttentionMetrics(classes) if model.config.scene_understanding else None
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.graphs: dict[tuple[int, int], AugmentedGraph] = {}
        self.backend_for = backend_for
        self.backends: dict[tuple[int, int], Backend] = {}
        self.broken: list[BrokenFrame] = []

    def add(self, frames: Sequence[ScoredFrame]) -> None:
        """Predict and score frames of one size."""
        width, height = frames[0].sample.size
        if (height, width) not in self.graphs:
            graph = AugmentedGraph(self.model, self.camera, (height, width), self.views)
            self.graphs[height, width] = graph
            if self.backend_for is not None:
                self.backends[height, width] = self.backend_for(graph.plain)
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
            predicted = self.backends[size].run(pixels, graph.plain.intrinsics(cameras).numpy())
            return {name: torch.from_numpy(values) for name, values in predicted.outputs.items()}, None
        output, outputs = graph.predict(images.to(self.model.image_mean.device), cameras)
        return {name: values.cpu() for name, values in outputs.items()}, output

    def _add_attention(self, output: CINetOutput, chosen: slice, truth: Tensor) -> None:
        if self.attention is not None and output.query is not None and output.key is not None:
            height, width = (-(-size // FEATURE_STRIDE) for size in output.depth.shape[-2:])
            small = ideal_attention_labels(truth[None], height, width)
            self.attention.update(output.query[chosen], output.key[chosen], small)

    def evaluation(self) -> Evaluation:
        """The metrics."""
        counts = ("frames", "with_depth", "with_labels", "with_camera")
        attention = self.attention
        return Evaluation(
            dataset=self.dataset.meta.name,
            benchmark=self.dataset.meta.benchmark,
            split=self.dataset.split,
            label_set=self.dataset.label_set.name,
            own_label_set=self.dataset.meta.label_set.name,
            counts=SampleCounts(**{name: self.counts[name] for name in counts}, available=len(self.dataset)),
            network_sizes=tuple(sorted({size[::-1] for graph in self.graphs.values() for size in graph.network_sizes})),
            backends=tuple(sorted({backend.name for backend in self.backends.values()})) or (TorchBackend.name,),
            depth=self.depth.scores(),
            labels=self.labels.scores(),
            stability=self.stability.compute(),
            attention=attention.compute() if attention is not None and attention.positions else None,
            broken=tuple(self.broken),
            tasks=tuple(score for scorer in self.further for score in scorer.scores()),
            tta=str(self.views),
        )
