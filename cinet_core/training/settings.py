"""What a training run is made from: plain frozen dataclasses, read from ``config/train/*.yaml`` and the command line.

Every decision that the paper leaves open (spec: "[D]") is a named value here, in `ModelConfig` or in `LossWeights`,
so that it can be ablated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from cinet_core.losses.recipe import (
    STAGES,
    Balance,
    ClassWeighting,
    DepthSpace,
    LossWeights,
    Stage,
    Teacher,
    VarianceStart,
)
from cinet_core.model.config import DEFAULT_CONFIG, ModelConfig
from cinet_core.training.settings_data import DataSettings

__all__ = [
    "Algorithm",
    "LoggerName",
    "LossSettings",
    "ModelSettings",
    "OptimizerSettings",
    "PlannedStage",
    "Precision",
    "Recipe",
    "RunSettings",
    "Schedule",
    "Score",
    "StageSettings",
    "StagesSettings",
    "ViewSettings",
]

Algorithm = Literal["sgd", "adamw"]
Schedule = Literal["constant", "poly", "cosine"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]
Score = Literal["joint", "delta1", "abs_rel", "mean_iou"]
LoggerName = Literal["tensorboard", "csv", "wandb"]


@dataclass(frozen=True)
class ModelSettings:
    """The network, and what its weights start from.

    Attributes:
        config: name of a configuration (`cinet_core.model.CONFIGS`).
        overrides: fields of it to replace, for example {sharing: lsu}.
        pretrained_encoder: start the encoder from ImageNet weights.
        checkpoint: start from this .safetensors checkpoint, or "default": what ships (fine-tuning). Its configuration
            is taken, `config` and `pretrained_encoder` are then ignored. What does not fit, such as heads of another
            class count, is re-initialised, and said.
        init_from: start from the tensors of this checkpoint, or of "default", that fit the network of `config` by name
            and shape: the way from one generation of a network to the next. It must have the same encoder; what does
            not fit is said. Not together with `checkpoint`.
        initial_depth: canonical depth in metres at which a new depth head starts; None: the median of the training set.
        tasks: what is learnt, for example [depth, segmentation, normals, boundaries]; None: what the configuration, or
            the checkpoint to start from, has.
    """

    config: str = DEFAULT_CONFIG
    overrides: dict[str, Any] = field(default_factory=dict)
    pretrained_encoder: bool = True
    checkpoint: str | None = None
    init_from: str | None = None
    initial_depth: float | None = None
    tasks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError on a depth that is none, an unknown task, or two starts."""
        if self.checkpoint is not None and self.init_from is not None:
            raise ValueError(
                f"checkpoint is {self.checkpoint!r} and init_from {self.init_from!r}: the first brings its own "
                "network, the second fills that of `config`; give one of them"
            )
        if self.initial_depth is not None and not 0 < self.initial_depth < math.inf:
            raise ValueError(f"initial_depth is {self.initial_depth}: it must be above 0 metres, or null")
        if self.tasks:
            from cinet_core.tasks import task_specs  # takes OpenCV, which help on a recipe does without

            task_specs(self.tasks)


@dataclass(frozen=True)
class StageSettings:
    """How long and how fast a stage learns.

    Attributes:
        epochs: passes through the training set; 0 leaves the stage out.
        learning_rate: of everything but the encoder, which gets `OptimizerSettings.encoder_factor` of it.
        schedule: "constant", "poly": (1 - step / steps) ^ 0.9, or "cosine": (1 + cos(pi step / steps)) / 2, per
            iteration, over the stage.
    """

    epochs: int
    learning_rate: float
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        """Raise ValueError, naming the value, unless it can be trained with."""
        if self.epochs < 0:
            raise ValueError(f"epochs is {self.epochs}: a stage has 0 (left out) or more")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}: it must be above 0")


@dataclass(frozen=True)
class StagesSettings:
    """The three stages of the recipe (paper 4.2), by what is new in each; the defaults are the paper's for NYU.

    Attributes:
        ideal: stage 1, with the labels' ideal attention map in place of the predicted one.
        attention: stage 2, with the predicted map and its loss.
        consistency: stage 3, with all losses.
    """

    ideal: StageSettings = StageSettings(300, 6e-4)
    attention: StageSettings = StageSettings(200, 2e-4)
    consistency: StageSettings = StageSettings(200, 2e-4, "poly")

    def __post_init__(self) -> None:
        """Raise ValueError where there is nothing to do."""
        if not self.ideal.epochs + self.attention.epochs + self.consistency.epochs:
            raise ValueError("all three stages have 0 epochs: give at least one of them some")


@dataclass(frozen=True)
class ViewSettings:
    """Two views of one image must give one depth: how often there is a second one, and how it differs.

    A batch with a second view learns from the truth of both, and what the network answers for the second is held
    against what the averaged weights answer for the first, in ln of metric depth (`view_consistency`).

    Attributes:
        every: batches, of which one has a second view; 0: none has.
        weight: of the loss.
        zoom: at most, 1 or above.
        shift: at most, either way, as a share of the input's width and height, beyond what the zoom leaves room for.
        roll: at most, degrees, either way.
        blur: length of motion blur at most, as a share of the width.
        blur_probability: share of the views that are blurred.
    """

    every: int = 0
    weight: float = 1.0
    zoom: float = 1.3
    shift: float = 0.04
    roll: float = 2.0
    blur: float = 0.03
    blur_probability: float = 0.5

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        limits = {
            "every": (0, math.inf),
            "weight": (0.0, math.inf),
            "zoom": (1.0, 4.0),
            "shift": (0.0, 0.5),
            "roll": (0.0, 45.0),
            "blur": (0.0, 0.2),
            "blur_probability": (0.0, 1.0),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"views {name} is {getattr(self, name)}: it must be from {low:g} to {high:g}")


@dataclass(frozen=True)
class LossSettings:
    """Which losses there are, and how they weigh.

    Attributes:
        weights: of the terms.
        depth_space: "metres" is the paper's; "log" takes BerHu and pairs of log depth, and adds half of SILog: errors
            count by their ratio, so that near surfaces weigh as much as far ones.
        class_weighting: "linear" is the paper's (Eq. 12); "inverse_log" favours rare classes much more.
        class_weight_power: of these weights, 0 to 1: below 1 rare classes are favoured less.
        supervise_attention: the labels teach the attention map, by its loss and by taking its place in stage 1. Without
            it the map is learnt from the tasks alone (paper, Fig. 6).
        consistency: the consistency loss is active in stage 3.
        consistency_start: where its sigma^2 starts: "channels", their count, with which it hardly moves anything, or
            "median" of the features' distances, as the first batches of stage 3 show them. There it has a quarter to a
            half of the gradient at the paper's beta = 5, and labels suffer in short trainings: lower
            `weights.consistency` with it (docs/training.md).
        teacher: what stage 1 learns with. "ideal" is the paper's: the labels' ideal map in place of the predicted one.
            "annealed": it takes that place for a share of the images that falls from all to none, and the attention
            loss is active from the start. "none": stage 1 is as stage 2.
        views: second views of the images, and the loss that holds both together.
        balance: of the tasks' losses: "fixed" weights, or "uncertainty" or "gradients" (see `TaskBalance`).
        sharing_gradient: what of the gradient passes from one task to the other's features through the feature sharing
            modules, 0 to 1; 1 is the paper's. See `FeatureSharing.gradient`.
    """

    weights: LossWeights = field(default_factory=LossWeights)
    depth_space: DepthSpace = "metres"
    class_weighting: ClassWeighting = "linear"
    class_weight_power: float = 1.0
    supervise_attention: bool = True
    consistency: bool = True
    consistency_start: VarianceStart = "channels"
    teacher: Teacher = "ideal"
    balance: Balance = "fixed"
    sharing_gradient: float = 1.0
    views: ViewSettings = field(default_factory=ViewSettings)

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        if not 0 <= self.sharing_gradient <= 1:
            raise ValueError(f"sharing_gradient is {self.sharing_gradient}: it must be from 0 to 1")
        if not 0 <= self.class_weight_power <= 1:
            raise ValueError(f"class_weight_power is {self.class_weight_power}: it must be from 0 to 1")


@dataclass(frozen=True)
class OptimizerSettings:
    """How the weights move: by default the paper's stochastic gradient descent (4.2).

    Attributes:
        algorithm: "sgd", or "adamw" (weight decay apart from the gradient), whose rates are 10 to 100 times smaller.
        batch_size: images a process takes at once.
        accumulate: batches whose gradients are averaged for one step. Losses are means over a batch. What an epoch
            leaves over for a step is left out.
        momentum: of SGD; of AdamW the decay of its first moment.
        weight_decay: of all weights but the log-sigma of the consistency loss.
        encoder_factor: learning rate of the encoder, relative.
        poly_power: of the "poly" schedule.
        warmup_steps: first steps of each stage, over which the rate rises in a line.
        frozen_levels: feature levels of the encoder (see Encoder.freeze), from the image on, whose weights stay as they
            are: pretrained ones outlive small or artificial training sets so, and a step costs less. Their BatchNorm
            statistics follow `frozen_statistics_below`.
        gradient_clip: limit of the gradient's norm; 0 sets none.
        average_decay: of the exponential average of the weights, which is what is evaluated and exported.
        frozen_statistics_below: the encoder's BatchNorm statistics stay as they are where fewer images than this are
            normalised together (of all processes on GPUs, of one process on the CPU).
    """

    algorithm: Algorithm = "sgd"
    batch_size: int = 8
    accumulate: int = 1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    encoder_factor: float = 0.1
    poly_power: float = 0.9
    warmup_steps: int = 0
    frozen_levels: int = 0
    gradient_clip: float = 0.0
    average_decay: float = 0.999
    frozen_statistics_below: int = 16

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        for name in ("batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("momentum", "average_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be from 0 to below 1")
        if not 0 < self.encoder_factor < math.inf:
            raise ValueError(f"encoder_factor is {self.encoder_factor}: it must be above 0")
        for name in (
            "weight_decay",
            "poly_power",
            "warmup_steps",
            "frozen_levels",
            "gradient_clip",
            "frozen_statistics_below",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 0 or above")


@dataclass(frozen=True)
class RunSettings:
    """Where and how a run is computed. Of this, seed, precision and the number of processes change what is learnt.

    Attributes:
        output: folder for checkpoints, figures and the loggers' files.
        seed: of weights, order, augmentation and pixel pairs.
        accelerator: "auto", "cpu" or "gpu".
        devices: how many, or "auto" for all: each gets `batch_size` images, so that N take steps of N times the batch.
        nodes: machines of a multi-node run; they must share the folder `output`.
        precision: "32-true", "bf16-mixed" or "16-mixed" (in which the attention can overflow above 240x320); "64-true"
            to check that two runs are the same, whose rounding training otherwise magnifies without limit.
        compile: the network through `torch.compile`: minutes at the start, then fewer and larger kernels on a GPU.
        recompute: keep of each stage of encoder and decoders only its input, and compute the rest again in the backward
            pass: less memory for a third more time. Not together with `compile`, which does so by itself.
        deterministic: use deterministic algorithms only, on a GPU too, where it costs speed.
        checkpoint_minutes: time between two `last.ckpt`; each stage's end writes one as well.
        validate_every: epochs between two validations; the end of each stage is always validated.
        score: what the best checkpoint is best at: "joint" (the geometric mean of delta1 and mean IoU, or the one that
            can be measured), delta1, mean_iou or abs_rel, on the validation split of the training set.
        images: validation images shown in TensorBoard.
        log_every: steps between two entries of the loss curves.
        loggers: what these go to, any of tensorboard, csv (metrics.csv, a line each: step, name, value) and wandb
            (Weights & Biases, where it is installed; WANDB_MODE=offline keeps them in `output`).
    """

    output: str = "runs/cinet"
    seed: int = 0
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int | Literal["auto"] = 1
    nodes: int = 1
    precision: Precision = "32-true"
    compile: bool = False
    recompute: bool = False
    deterministic: bool = False
    checkpoint_minutes: float = 3.0
    validate_every: int = 1
    score: Score = "joint"
    pictures: int = 4
    log_every: int = 10
    loggers: tuple[LoggerName, ...] = ("tensorboard",)

    def __post_init__(self) -> None:
        """Raise ValueError, naming value and limit."""
        unknown = [name for name in self.loggers if name not in get_args(LoggerName)]
        if unknown or len(set(self.loggers)) != len(self.loggers):
            raise ValueError(
                f"loggers are {list(self.loggers)}: give any of {', '.join(get_args(LoggerName))}, each once"
            )
        for name, least in (("seed", 0), ("nodes", 1), ("validate_every", 1), ("pictures", 0), ("log_every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if self.compile and self.recompute:
            raise ValueError("run.recompute and run.compile are both set: a compiled network needs no recompute")
        if self.devices != "auto" and self.devices < 1:
            raise ValueError(f"devices is {self.devices}: it must be at least 1, or auto")
        if not 0 <= self.checkpoint_minutes < math.inf:
            raise ValueError(f"checkpoint_minutes is {self.checkpoint_minutes}: it must be 0 (each step) or above")


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
