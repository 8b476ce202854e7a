"""What learns: the network, and what its weights start from, as read from a configuration file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from cinet_core.model.config import DEFAULT_CONFIG

__all__ = ["ModelSettings"]


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
