"""What a training run is made from: plain frozen dataclasses, read from ``config/train/*.yaml`` and the command line.

Every decision that the paper leaves open (spec: "[D]") is a named value of `Recipe`, of `ModelConfig` or of
`LossWeights`, so that it can be ablated. Its parts are in ``settings_*.py``, one for each section of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cinet_core.losses.recipe import STAGES, Stage
from cinet_core.model.config import ModelConfig
from cinet_core.training.settings_data import DataSettings
from cinet_core.training.settings_losses import LossSettings, ViewSettings
from cinet_core.training.settings_model import ModelSettings
from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings, StagesSettings
from cinet_core.training.settings_run import RunSettings

__all__ = ["PlannedStage", "Recipe"]


@dataclass(frozen=True)
class PlannedStage:
    """A stage as it is run.

    Attributes:
        losses: which terms are active, and whether the ideal map is in place.
        settings: its length and speed.
        first_epoch: epochs of the run before it.
    """

    losses: Stage
    settings: StageSettings
    first_epoch: int

    @property
    def end_epoch(self) -> int:
        """First epoch after it."""
        return self.first_epoch + self.settings.epochs


@dataclass(frozen=True)
class Recipe:
    """A whole training run.

    Attributes:
        name: of the run, for logs and tables.
        data: what it learns from.
        model: what learns.
        stages: the three stages.
        losses: what is minimised.
        optimizer: how.
        run: where.
        licence: of the weights, as the training data demand it.
        attribution: likewise; both travel in the exported checkpoints.
    """

    name: str
    data: DataSettings
    model: ModelSettings = field(default_factory=ModelSettings)
    stages: StagesSettings = field(default_factory=StagesSettings)
    losses: LossSettings = field(default_factory=LossSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    run: RunSettings = field(default_factory=RunSettings)
    licence: str = ""
    attribution: str = ""

    def plan(self, config: ModelConfig) -> tuple[PlannedStage, ...]:
        """The stages that are run, in order. What a network has no part for is switched off, not ignored silently."""
        supervised = self.losses.supervise_attention and config.scene_understanding
        teacher = self.losses.teacher
        planned: list[PlannedStage] = []
        epoch = 0
        settings = (self.stages.ideal, self.stages.attention, self.stages.consistency)
        for stage, length in zip(STAGES, settings, strict=True):
            active = replace(
                stage,
                ideal_attention=stage.ideal_attention and supervised and teacher != "none",
                annealed=stage.ideal_attention and supervised and teacher == "annealed",
                # Where the predicted map is used, the labels teach it.
                attention=(stage.attention or teacher != "ideal") and supervised,
                consistency=stage.consistency and self.losses.consistency and self.losses.weights.consistency > 0,
            )
            if length.epochs:
                planned.append(PlannedStage(active, length, epoch))
            epoch += length.epochs
        return tuple(planned)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types; later settings only where they are not the default, as before there were such.

        A run from before them goes on (`--resume`) that way.
        """
        values = _plain(asdict(self))
        for place in (values["model"], values["losses"]["weights"]):
            if not place["tasks"]:
                del place["tasks"]
        for place, name, usual in (
            (values["model"], "init_from", None),
            (values["losses"]["weights"], "gradient", 0.0),
            (values["losses"], "views", asdict(ViewSettings())),
            (values["losses"], "sharing_gradient", 1.0),
            (values["data"], "sizes", []),
            (values["data"], "crop", 1.0),
            (values["optimizer"], "frozen_statistics", "encoder"),
        ):
            if place[name] == usual:
                del place[name]
        return values

    def learning(self) -> dict[str, Any]:
        """What decides the result, as JSON types: all but names, places, and how fast it is computed.

        Two runs that agree in it, in their data and in the number of processes learn the same.
        """
        values = self.to_dict()
        run = values.pop("run")
        values["run"] = {name: run[name] for name in ("seed", "precision")}
        for name in ("name", "licence", "attribution"):
            del values[name]
        for name in ("root", "workers", "on_device", "cache", "cache_limit"):
            values["data"].pop(name)
        for other in values["data"]["mix"]:
            other.pop("root")
        return values


def _plain(value: Any) -> Any:
    """Tuples as lists, so that a round trip through JSON or YAML compares equal."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
