"""From a recipe to what Lightning runs: data, network, losses, stages."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from cinet_core.atomic_file import atomic_write
from cinet_core.checkpoint import ModelMetadata, TrainingCamera, load_checkpoint, save_checkpoint
from cinet_core.data.statistics import DatasetStatistics
from cinet_core.losses import MultiTaskLoss, class_weights
from cinet_core.model import CINet, ModelConfig, build_model, get_config
from cinet_core.model.feature_sharing import FeatureSharing
from cinet_core.tasks.learning import TaskLearning, task_learning
from cinet_core.training.data import TrainingData
from cinet_core.training.initialise import InitialisationReport, initialise_from
from cinet_core.training.module import CINetModule
from cinet_core.training.settings import PlannedStage, Recipe
from cinet_core.training.settings_run import RunSettings

__all__ = ["TrainingSetup", "prepare"]

STATISTICS_FILE = "statistics.json"
_DEPTH_BIASES = frozenset({"depth_head.conv.bias", "depth_head.log_depth.bias"})


_WITHOUT_HALF_PRECISION = frozenset({"DEFAULT", "NO AVX", "AVX2"})
"""What `torch.backends.cpu.get_cpu_capability` calls CPUs that emulate bfloat16, as oneDNN does below AVX-512."""


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """A run that can begin.

    Attributes:
        recipe: it was made from.
        data: what it learns from.
        statistics: of the training set.
        module: network, losses and stages.
        initialisation: what the checkpoint that the run starts from gave, where there is one.
    """

    recipe: Recipe
    data: TrainingData
    statistics: DatasetStatistics
    module: CINetModule
    initialisation: InitialisationReport | None

    @property
    def plan(self) -> tuple[PlannedStage, ...]:
        """The stages that are run."""
        return self.module.plan

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is likely to be wrong with the data or slow on this machine, in sentences."""
        remarks = (f"{part.meta.name}: {remark}" for part in self.data.training.sets for remark in part.remarks)
        return (*remarks, *self.statistics.depth_warnings, *_slow_precision(self.recipe.run))

    @property
    def camera(self) -> TrainingCamera:
        """The canonical camera that the run trains in."""
        data, views = self.recipe.data, self.recipe.losses.views
        low, high = self.statistics.focal_range  # at the first size
        widths = [size[0] / data.width for size in ((data.width, data.height), *data.sizes)]
        focal_range = (low * min(widths), high * max(widths) * (views.zoom if views.every else 1.0))
        return TrainingCamera(data.width, data.height, data.canonical_focal, focal_range)

    def metadata(self, metrics: dict[str, Any]) -> ModelMetadata:
        """Metadata that is stored with the weights."""
        return ModelMetadata(
            config=self.module.model.config,
            label_set=self.data.label_set,
            camera=self.camera,
            depth_range=self.recipe.data.depth_range,
            recipe=self.recipe.to_dict(),
            metrics={"training": metrics},
            licence=self.recipe.licence,
            attribution=self.recipe.attribution,
        )

    def export(self, path: Path, module: CINetModule, metrics: dict[str, Any]) -> None:
        """Write the averaged weights as a deployable checkpoint."""
        model = copy.deepcopy(cast(CINet, module.average.module)).float()
        save_checkpoint(path, model, self.metadata(metrics))


def _slow_precision(run: RunSettings) -> tuple[str, ...]:
    """A warning where half precision, which is to save time, takes many times as long instead."""
    on_gpu = run.accelerator != "cpu" and torch.cuda.is_available()
    capability = torch.backends.cpu.get_cpu_capability()
    # On ARM "DEFAULT" says nothing of bfloat16.
    if (
        platform.machine() not in ("x86_64", "AMD64")
        or on_gpu
        or run.precision not in ("bf16-mixed", "16-mixed")
        or capability not in _WITHOUT_HALF_PRECISION
    ):
        return ()
    return (
        f"run.precision is {run.precision}, which this CPU ({capability}) has no instructions for: a step takes ten "
        "times as long as in float32, or longer; set run.precision=32-true",
    )


def prepare(recipe: Recipe, progress: Callable[[int, int], None] | None = None) -> TrainingSetup:
    """Open the data, measure them, build the network.

    Args:
        recipe: of the run.
        progress: called with (samples read, samples to read) while the training set is measured.

    Raises:
        SourceError: the data cannot be read.
        CheckpointError: the checkpoint to start from cannot be read.
        ValueError: a setting does not fit another.
    """
    data = TrainingData(recipe.data, recipe.optimizer.batch_size, recipe.run.seed)
    data.setup("fit")
    statistics = _statistics(recipe, data, progress)
    model, initialisation = _network(recipe, data, statistics)
    data.tasks = task_learning(model.config.tasks)
    with_targets = [task.spec.name for task in data.tasks if type(task).target is not TaskLearning.target]
    if recipe.losses.views.every and with_targets:
        raise ValueError(
            f"losses.views.every is {recipe.losses.views.every}, but second views have no targets of "
            f"{' and '.join(with_targets)}: set it to 0, or leave these tasks out"
        )
    loss = MultiTaskLoss(
        data.tasks,
        model.config.num_classes,
        model.config.decoder_channels[-1],
        class_weights(
            torch.tensor(statistics.class_pixels), recipe.losses.class_weighting, recipe.losses.class_weight_power
        ),
        recipe.losses.weights,
        depth_space=recipe.losses.depth_space,
        balance=recipe.losses.balance,
        variance_start=recipe.losses.consistency_start,
    )
    model.encoder.freeze(recipe.optimizer.frozen_levels)
    for part in model.modules():
        if isinstance(part, FeatureSharing):
            part.gradient = recipe.losses.sharing_gradient
    module = CINetModule(
        model,
        loss,
        recipe.plan(model.config),
        recipe.optimizer,
        recipe.data.canonical_focal,
        recipe.run.validate_every,
        compiled=recipe.run.compile,
        recompute=recipe.run.recompute,
        views=recipe.losses.views,
    )
    preparation = TrainingSetup(recipe, data, statistics, module, initialisation)
    preparation.metadata({})  # what could not be exported is refused before the first step, not after the last
    return preparation


def _network(
    recipe: Recipe, data: TrainingData, statistics: DatasetStatistics
) -> tuple[CINet, InitialisationReport | None]:
    settings = recipe.model
    own: dict[str, Any] = {"num_classes": len(data.label_set.classes)}
    depth = settings.initial_depth or statistics.median_depth
    if depth is not None:
        own["initial_depth"] = depth
    if settings.tasks is not None:
        own["tasks"] = settings.tasks
    named = settings.checkpoint or settings.init_from
    if named is None:
        config = get_config(settings.config, **{**own, **settings.overrides})
        return build_model(config, settings.pretrained_encoder, recipe.run.seed), None
    start = load_checkpoint(named)
    if settings.checkpoint is None:
        config = get_config(settings.config, **{**own, **settings.overrides})
    else:
        config = ModelConfig.from_dict({**start.metadata.config.to_dict(), **own, **settings.overrides})
    model = build_model(config, pretrained_encoder=False, seed=recipe.run.seed)
    camera = TrainingCamera(recipe.data.width, recipe.data.height, recipe.data.canonical_focal)
    report = initialise_from(model, data.label_set, camera, start)
    if not _DEPTH_BIASES.isdisjoint(report.loaded):
        if settings.initial_depth is not None:
            raise ValueError(
                f"model.initial_depth is {settings.initial_depth}, but the depth head comes from {named}: leave it out"
            )
        # On record stays the depth that the loaded head started at.
        model.config = dataclasses.replace(config, initial_depth=start.metadata.config.initial_depth)
    return model, report


def _statistics(recipe: Recipe, data: TrainingData, progress: Callable[[int, int], None] | None) -> DatasetStatistics:
    """Measured once for a run: kept beside its checkpoints, so that a resumed run weighs the classes as before."""
    path = Path(recipe.run.output) / STATISTICS_FILE
    measured = [recipe.learning()["data"], recipe.data.root, data.training.lengths]
    key = hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return DatasetStatistics.from_dict(stored["statistics"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # none yet, or of other data: measured now
    statistics = data.statistics(progress=progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(json.dumps({"key": key, "statistics": dataclasses.asdict(statistics)}, indent=1).encode())
    return statistics
