"""The Lightning module: one training step, one validation, and the change from stage to stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from cinet_core.data.sample import Batch
from cinet_core.losses import MultiTaskLoss, Stage
from cinet_core.losses.balance import REBALANCE_EVERY
from cinet_core.model import CINet, CINetOutput
from cinet_core.training.batch_losses import BatchLosses, answer, taught_images
from cinet_core.training.batch_norm import freeze_as_set, synchronise
from cinet_core.training.divergence import DIVERGED_REMEDY, DivergenceWatch
from cinet_core.training.errors import TrainingDivergedError
from cinet_core.training.optimization import ExponentialAverage, make_optimizer, make_schedule, unused_parameters
from cinet_core.training.recomputation import recompute_activations
from cinet_core.training.settings import PlannedStage
from cinet_core.training.settings_losses import ViewSettings
from cinet_core.training.settings_optimizer import OptimizerSettings
from cinet_core.training.validation import EpochSlope, ValidationMetrics

__all__ = ["CINetModule"]

STAGE_KEY = "cinet_stage"


class CINetModule(lightning.LightningModule):
    """Trains a CI-Net through the planned stages; weights carry over, the optimiser starts fresh with each.

    Args:
        model: the network.
        loss: its losses, with their learned sigma.
        plan: the stages, in order.
        settings: of the optimiser.
        canonical_focal: f_c in pixels of the network's input: metric depth = canonical * f_net / f_c.
        validate_every: epochs between two validations; the last epoch of each stage is always validated.
        compiled: train the network through `torch.compile`.
        recompute: see `recompute_activations`.
        views: second views of the images, if there are to be any.

    Attributes:
        average: exponential average of the network's weights: what is validated and exported.
        validated: the last validation: "stage", "oracle" (the labels helped), "epoch", "step" and its metrics by name;
            empty before the first.
    """

    def __init__(
        self,
        model: CINet,
        loss: MultiTaskLoss,
        plan: Sequence[PlannedStage],
        settings: OptimizerSettings,
        canonical_focal: float,
        validate_every: int = 1,
        compiled: bool = False,
        recompute: bool = False,
        views: ViewSettings | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.plan = tuple(plan)
        self.settings = settings
        self.validate_every = validate_every
        self.compiled, self.recompute = compiled, recompute
        self.views = views or ViewSettings()
        self.average = ExponentialAverage(model, settings.average_decay)
        self.validated: dict[str, Any] = {}
        self._losses = BatchLosses(model, loss, self.average, canonical_focal, self.views)
        self._metrics = ValidationMetrics(model.config, canonical_focal)
        self._epoch_slope = EpochSlope(canonical_focal)
        self._stage_index = 0
        self._frozen: Sequence[Tensor] = []
        self._divergence = DivergenceWatch()

    @property
    def stage(self) -> PlannedStage:
        """The stage that the present epoch belongs to."""
        return self.plan[self._stage_index]

    @property
    def is_oracle(self) -> bool:
        """The metrics of this stage are made with the help of the labels: never a result."""
        stage = self.stage.losses
        return stage.ideal_attention and not stage.annealed

    def setup(self, stage: str) -> None:
        """Make N GPUs equal one with N times the batch, as far as normalisation is concerned."""
        processes, device = self.trainer.world_size, self.trainer.strategy.root_device
        if processes > 1:
            synchronise(self.model, device)
        freeze_as_set(self.model, self.settings, processes, device)
        # Last, and in place: what is exported, averaged and resumed from has the names that it has without.
        if self.recompute:
            recompute_activations(self.model)
        if self.compiled:
            self.model.compile(dynamic=False)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Fresh optimiser and schedule of the present stage."""
        stage, settings = self.stage, self.settings
        optimizer = make_optimizer(
            self.model,
            self.loss,
            stage.losses,
            stage.settings.learning_rate,
            settings.weight_decay,
            settings.encoder_factor,
            settings.momentum,
            settings.algorithm,
        )
        self._frozen = unused_parameters(self.model, self.loss, stage.losses)
        batches: int = self.trainer.datamodule.steps_per_epoch(self.trainer.world_size)  # type: ignore[attr-defined]
        steps = stage.settings.epochs * (batches // settings.accumulate)
        schedule = make_schedule(optimizer, stage.settings.schedule, steps, settings.poly_power, settings.warmup_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_start(self) -> None:
        """Enter the stage of the first epoch, or of the one that a resumed run is in the middle of."""
        self._enter(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Enter the stage of this epoch."""
        self._enter(self.current_epoch)

    def on_train_epoch_end(self) -> None:
        """Log the slope of ln predicted on ln true depth over the batches of this epoch, and how much depth varies."""
        slope = self._epoch_slope.reduced(self.device)
        self._epoch_slope.reset()
        if not slope.is_empty:
            self.log_dict({f"train/{name}": value for name, value in slope.compute().items()}, sync_dist=False)

    def _enter(self, epoch: int) -> None:
        index = next(place for place, stage in enumerate(self.plan) if epoch < stage.end_epoch)
        if index != self._stage_index:
            self._stage_index = index
            self.trainer.strategy.setup_optimizers(self.trainer)
        # Lightning knows no stages: the last epoch of each is validated, whatever the interval.
        last = epoch + 1 == self.stage.end_epoch
        self.trainer.check_val_every_n_epoch = 1 if last else self.validate_every

    def predict(
        self, network: torch.nn.Module, batch: Batch, ideal_attention: bool, taught: Tensor | None = None
    ) -> CINetOutput:
        """Run a network on a batch.

        Args:
            network: the model, or its average.
            batch: on this module's device.
            ideal_attention: the labels' ideal map replaces the predicted one,
            taught: (B,) bool, of these images; None: of all.
        """
        return answer(network, self.model, batch, ideal_attention, taught)

    def taught(self, batch: Batch, progress: float) -> Tensor:
        """(B,) bool: the images that the ideal map teaches in an annealed stage, decided by their own random seeds.

        Args:
            batch: with seeds that are new at every step.
            progress: of the stage, 0 (all images are taught) to 1 (none is).
        """
        return taught_images(batch, progress)

    def batch_loss(
        self, batch: Batch, stage: Stage, autocast: torch.dtype | None = None, progress: float = 0.0
    ) -> dict[str, Tensor]:
        """The losses of a batch by name, with their `total`; the losses themselves in float32.

        Args:
            batch: on this module's device.
            stage: decides which terms are active.
            autocast: half precision of the network where Lightning does not set it.
            progress: of the stage, 0 to 1; an annealed one teaches fewer and fewer images.
        """
        return self._losses.of(batch, stage, autocast, progress)[1]

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The total loss; every term is logged by name.

        Raises:
            TrainingDivergedError: it is NaN or infinite; on a GPU that of the step before (see `DivergenceWatch`).
        """
        stage = self.stage.losses
        progress = self._progress(batch_index)
        output, losses = self._losses.of(batch, stage, progress=progress)
        # Other batches from epoch to epoch: sizes alternate by batch too, and each is to have second views.
        if self.views.every and (batch_index + self.current_epoch) % self.views.every == 0:
            losses = self._losses.with_second_view(batch, stage, losses, progress)
        self._epoch_slope.update(output, batch)
        if self.global_step % REBALANCE_EVERY == 0:
            self.loss.balance.measure(self.loss.weighted(losses), self._shared)
        total = losses["total"]
        self._divergence.look_at(losses, f"step {self.global_step} (stage {stage.number})")
        logged = losses | self.loss.monitored(stage)
        self.log_dict({f"train/{name}": value.detach() for name, value in logged.items()}, batch_size=len(batch))
        # A tensor of the device: a number would be copied there, and waited for.
        self.log("stage", total.new_full((), stage.number), batch_size=len(batch))
        # DistributedDataParallel waits for a gradient of every parameter, also of those that this stage leaves alone.
        return total + sum((0.0 * parameter.sum() for parameter in self._frozen), torch.zeros_like(total))

    @property
    def _shared(self) -> Tensor:
        """The last convolution that all tasks share."""
        return [weight for weight in self.model.entry.parameters() if weight.dim() == 4][-1]

    def _progress(self, batch_index: int) -> float:
        """How much of the present stage is done, 0 to below 1."""
        stage = self.stage
        epochs = self.current_epoch - stage.first_epoch + batch_index / max(1, int(self.trainer.num_training_batches))
        return epochs / stage.settings.epochs

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Step, then follow with the average: here, so that a checkpoint never holds the one without the other."""
        super().optimizer_step(*arguments, **options)
        self.average.update_parameters(self.model)

    def check_weights(self) -> None:
        """See that no weight has become NaN or infinite.

        Raises:
            TrainingDivergedError: one has.
        """
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise TrainingDivergedError(
                    f"weights of {name} are not finite at step {self.global_step} (stage {self.stage.losses.number}): "
                    f"{DIVERGED_REMEDY}"
                )

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation.

        Raises:
            TrainingDivergedError: a weight is not finite.
        """
        self.check_weights()
        if self.trainer.world_size > 1:
            # Scored is what is saved, the first process's: without GPUs each has running statistics of its own.
            for buffer in self.average.buffers():
                torch.distributed.broadcast(buffer, src=0)
        self._metrics.reset()

    def validation_step(self, batch: Batch, batch_index: int) -> CINetOutput:  # type: ignore[override]
        """Score the averaged weights on a batch."""
        output = self.predict(self.average.module, batch, self.is_oracle)
        self._metrics.update(output, batch, self.stage.losses.attention)
        return output

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation split, as "oracle" where the labels helped."""
        metrics = self._metrics.compute(self.device)
        self.validated = {
            "stage": self.stage.losses.number,
            "oracle": self.is_oracle,
            "epoch": self.current_epoch + 1,
            "step": self.global_step,
            **metrics,
        }
        kind = "oracle" if self.is_oracle else "validation"
        # Equal on all processes already.
        self.log_dict({f"{kind}/{name}": value for name, value in metrics.items()}, sync_dist=False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of: the stage, its last validation, torch's random state, sums of the epoch.

        All processes come here.
        """
        checkpoint[STAGE_KEY] = {
            "epoch_sums": self._epoch_slope.reduced(self.device).sums,
            "index": self._stage_index,
            "validated": self.validated,
            "random_state": torch.get_rng_state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go back into the stage before the optimiser is built, so that its state fits."""
        self._stage_index = checkpoint[STAGE_KEY]["index"]
        self.validated = checkpoint[STAGE_KEY]["validated"]
        sums = checkpoint[STAGE_KEY].get("epoch_sums")  # files from before have none
        if sums is not None and self.trainer.is_global_zero:  # of all processes: one alone takes them on
            self._epoch_slope.resume(sums)
        torch.set_rng_state(checkpoint[STAGE_KEY]["random_state"])
