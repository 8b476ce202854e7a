"""Data sets, their mixture and its variation as Lightning wants them: loaders for training and for validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import lightning
import torch
from torch.utils.data import DataLoader, Dataset

from cinet_core.data.augmentation import NO_AUGMENTATION
from cinet_core.data.cached import FORK, CachedSamples
from cinet_core.data.check import spread
from cinet_core.data.mixture import MixtureBatches, MixtureOrder, SceneMixture
from cinet_core.data.registry import open_dataset
from cinet_core.data.sample import Batch, Sample, TrainingSample, collate
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.data.statistics import DatasetStatistics, measure
from cinet_core.data.transforms import TrainingTransform, TransformedDataset
from cinet_core.label_sets import LabelSet, get_label_set
from cinet_core.tasks.learning import TaskLearning
from cinet_core.training.settings_data import DatasetSettings, DataSettings

__all__ = ["TrainingData"]


class TrainingData(lightning.LightningDataModule):
    """What a run learns from, and the validation split of its main set.

    What is drawn, in what order and how it is varied depends on (settings, seed, epoch, global batch size) only: not on
    the number of workers, of processes, or of interruptions.

    Args:
        settings: see there.
        batch_size: samples a process takes at once.
        seed: of order and variation.

    Attributes:
        tasks: whose targets the loaders serve beside depth and labels; set it before they are asked for.

    Raises:
        ValueError: the batch size is below 1.
    """

    tasks: Sequence[TaskLearning] = ()

    def __init__(self, settings: DataSettings, batch_size: int, seed: int = 0) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: it must be at least 1")
        self.settings, self.batch_size, self.seed = settings, batch_size, seed
        self._position: tuple[int, int] | None = None
        self._training: SceneMixture | None = None
        self._validation: SceneDataset | None = None
        self._stores: dict[Split, CachedSamples] = {}

    def setup(self, stage: str | None = None) -> None:
        """Open the data sets, once.

        Raises:
            SourceError: one cannot be read.
            ValueError: a setting does not fit its data set, or their labels cannot be made the same.
        """
        if self._training is not None:
            return
        settings = self.settings
        target = None if settings.label_set is None else get_label_set(settings.label_set)
        main = _open(settings, "train", target, settings.workers)
        others = [_open(other, "train", main.label_set, settings.workers) for other in settings.mix]
        if settings.validates:
            self._validation = _open(settings, "validation", target, settings.workers)
        if settings.on_device:
            from cinet_core.rooms.raycast.batches import the_rooms

            the_rooms([main, *others])
        self._training = SceneMixture([main, *others])

    @property
    def training(self) -> SceneMixture:
        """The training sets, opened if need be."""
        self.setup()
        assert self._training is not None
        return self._training

    @property
    def label_set(self) -> LabelSet:
        """Of all labels."""
        return self.training.label_set

    @property
    def transform(self) -> TrainingTransform:
        """What makes training samples of samples."""
        return self._transforms()[0]

    def _transforms(self) -> list[TrainingTransform]:
        """One for each size of the network's input."""
        s = self.settings
        # A window of a part of the input, nothing of it smaller, is a part of the size seen at a zoom of its inverse.
        low, high = s.augmentation.scale
        augmentation = replace(s.augmentation, scale=(low / s.crop, high / s.crop))
        sizes = [(round(s.crop * width), round(s.crop * height)) for width, height in ((s.width, s.height), *s.sizes)]
        return [
            TrainingTransform(width, height, s.canonical_focal, augmentation, self.seed, self.tasks)
            for width, height in sizes
        ]

    def steps_per_epoch(self, world_size: int = 1) -> int:
        """Batches that each of so many processes takes in an epoch.

        Raises:
            ValueError: there is not one.
        """
        return len(self._batches(0, world_size))

    def statistics(self, progress: Callable[[int, int], None] | None = None) -> DatasetStatistics:
        """Figures of the training sets, mixed as they are in training."""
        lengths, max_samples = self.training.lengths, self.settings.statistics_samples
        if len(lengths) == 1:
            indices = spread(lengths[0], max_samples)
        else:
            drawn = [number for _, number in self._order().keys(0)]
            indices = sorted(drawn[place] for place in spread(len(drawn), max_samples))
        return measure(self._samples("train"), indices, len(self.label_set.classes), self.transform, progress)

    def describe(self) -> str:
        """What is learnt from and what is validated on, in one line."""
        order = self._order()
        sets = [
            f"{part.meta.name} ({len(part)} samples{f', {share:.0%}' if len(order.shares) > 1 else ''})"
            for part, share in zip(self.training.sets, order.shares, strict=True)
        ]
        line = f"{' + '.join(sets)}, {order.samples} drawn an epoch"
        if self.settings.on_device:
            line += ", made on the device"
        if self._validation is None:
            return f"{line}; no validation"
        chosen = len(spread(len(self._validation), self.settings.validation_limit))
        return f"{line}; validation on {chosen} of {len(self._validation)} held out of {self._validation.meta.name}"

    def resume_at(self, epoch: int, batch: int = 0) -> None:
        """Let the next training loader start here, after so many batches of that epoch."""
        self._position = (epoch, batch)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Start the copy and do not wait for it: the loader's batches lie in page-locked memory.

        With `DataSettings.on_device` the loader serves batches of rooms, which are rendered here.
        """
        return batch.to(device, non_blocking=True)

    def train_dataloader(self) -> DataLoader[TrainingSample]:
        """Batches of this process; starts where ``resume_at`` said, once, or else with the trainer's epoch."""
        trainer = self.trainer
        rank, world_size = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        batches = self._batches(rank, world_size)
        epoch, first = self._position or (0 if trainer is None else trainer.current_epoch, 0)
        batches.start_at(epoch, first)
        self._position = None
        if self.settings.on_device:
            return self._room_loader(self.training.sets, *self._transforms(), batch_sampler=batches)
        return self._loader(TransformedDataset(self._samples("train"), *self._transforms()), batch_sampler=batches)

    def val_dataloader(self) -> DataLoader[TrainingSample] | list[DataLoader[TrainingSample]]:
        """This process' part of the validation split, unvaried and in fixed order; no sample is in two parts.

        Returns:
            The loader; an empty list where nothing is to be validated on.

        Raises:
            ValueError: there are fewer samples than processes.
        """
        self.setup()
        if self._validation is None:
            return []
        trainer = self.trainer
        rank, world_size = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        chosen = spread(len(self._validation), self.settings.validation_limit)
        if len(chosen) < world_size:
            raise ValueError(
                f"{len(chosen)} validation samples for {world_size} processes: raise validation_limit or the data "
                "set's validation_fraction, so that each has one"
            )
        s = self.settings
        still = TrainingTransform(s.width, s.height, s.canonical_focal, NO_AUGMENTATION, self.seed, self.tasks)
        keys = [(0, index) for index in chosen[rank::world_size]]
        if self.settings.on_device:
            return self._room_loader([self._validation], still, batch_size=self.batch_size, sampler=keys)
        return self._loader(
            TransformedDataset(self._samples("validation"), still), batch_size=self.batch_size, sampler=keys
        )

    def _order(self) -> MixtureOrder:
        return MixtureOrder(
            self.training.lengths, self.settings.shares, self.settings.samples_per_epoch, seed=self.seed
        )

    def _batches(self, rank: int, world_size: int) -> MixtureBatches:
        sizes = 1 + len(self.settings.sizes)
        return MixtureBatches(self._order(), self.batch_size, rank, world_size, sizes)

    def _samples(self, split: Split) -> Dataset[Sample]:
        """The samples of a split, kept in memory if this was asked for."""
        source: Dataset[Sample] | None = self.training if split == "train" else self._validation
        assert source is not None
        return self._store(split, source) if self.settings.cache else source

    def _store(self, split: Split, source: Dataset[Sample]) -> CachedSamples:
        if split not in self._stores:
            limit = round(self.settings.cache_limit * 2**30)
            if split == "validation":  # the training samples come first
                limit -= self._store("train", self.training).bytes_needed()
            self._stores[split] = CachedSamples(source, limit)
        return self._stores[split]

    def _room_loader(self, sets: Sequence[SceneDataset], *transforms: TrainingTransform, **options: object) -> Any:
        """Of batches that are rendered where they are sent."""
        from cinet_core.rooms.raycast.batches import RoomViews, room_collate, the_rooms

        rooms = the_rooms(sets)
        views = RoomViews(rooms, keep=self.settings.cache)
        return self._loader(views, room_collate(rooms, *transforms), **options)

    def _loader(
        self, dataset: Dataset[Any], collated: Callable[[Any], Any] = collate, **options: object
    ) -> DataLoader[TrainingSample]:
        workers = self.settings.workers
        return DataLoader(
            dataset,
            collate_fn=collated,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=_single_threaded,
            multiprocessing_context=FORK if workers and self.settings.cache else None,
            pin_memory=torch.cuda.is_available(),
            **options,  # type: ignore[arg-type]
        )


def _open(
    settings: DataSettings | DatasetSettings, split: Split, label_set: LabelSet | None, workers: int
) -> SceneDataset:
    """A split of a set, with this label set unless its own is wanted.

    Raises:
        SourceError, ValueError: as open_dataset; with the set's name.
    """
    if not settings.root and settings.kind == "auto":
        raise ValueError('data.root is empty: give the place of a data set, or "synthetic" for synthetic rooms')
    options = dict(settings.options)
    if label_set is not None:
        options["label_set"] = label_set
    on_device = isinstance(settings, DataSettings) and settings.on_device
    if workers and not on_device and str(options.get("device", "cpu")) != "cpu":
        raise ValueError(
            f"synthetic rooms are to be rendered on {options['device']!r} by {workers} workers, which cannot use it: "
            "set data.workers to 0, or data.on_device to true"
        )
    return open_dataset(settings.root, split, settings.kind, **options)


def _single_threaded(worker: int) -> None:
    """Workers are processes: threads of their own would only compete."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
