"""What Lightning is given to train on: the same samples whatever the processes, workers and interruptions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import lightning
import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser

from cinet_core.data.augmentation import NO_AUGMENTATION
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import open_dataset
from cinet_core.data.sample import Batch
from cinet_core.data.transforms import TrainingTransform
from cinet_core.label_sets import NYU13, NYU40
from cinet_core.training.data import TrainingData
from cinet_core.training.settings_data import DatasetSettings, DataSettings

WIDTH, HEIGHT = 24, 16
ROOMS, FRAMES = 10, 4


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Images are tiny: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten rooms of four frames; a frame's red is its room, so that an image tells where it comes from."""
    root = tmp_path_factory.mktemp("rooms")
    random = np.random.default_rng(0)
    lines = []
    for room in range(ROOMS):
        for view in range(FRAMES):
            name = f"{room:03d}_{view}"
            image = random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            cv2.imwrite(str(root / f"{name}.jpg"), image)
            cv2.imwrite(str(root / f"{name}_depth.png"), random.integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16))
            cv2.imwrite(str(root / f"{name}_label.png"), random.integers(0, 41, (HEIGHT, WIDTH)).astype(np.uint8))
            lines.append(json.dumps({"frame": name, "fx": 20.0, "fy": 20.0, "cx": 12.0, "cy": 8.0}))
    (root / "frames.jsonl").write_text("\n".join(lines))
    return root


def settings(root: Path | str, **options: Any) -> DataSettings:
    defaults: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "workers": 0}
    return DataSettings(root=str(root), **{**defaults, **options})


def synthetic(**options: Any) -> DataSettings:
    rooms = {"length": 4, "validation_length": 1, "test_length": 1, "width": 32, "height": 24, "shadows": False}
    return settings("synthetic", options=rooms, **options)


def as_process(data: TrainingData, rank: int, world_size: int) -> TrainingData:
    """With the facts about a trainer that the data depend on."""
    data.trainer = SimpleNamespace(global_rank=rank, world_size=world_size, current_epoch=0)  # type: ignore[assignment]
    return data


def batches(data: TrainingData, epoch: int = 0) -> list[Batch]:
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    return list(loader)


def assert_equal(first: Batch, second: Batch) -> None:
    assert first.names == second.names
    for part in ("images", "depth", "labels", "focal", "random_seeds", "has_depth", "has_labels"):
        assert torch.equal(getattr(first, part), getattr(second, part)), part


def joined(parts: tuple[Batch, ...]) -> Batch:
    tensors = {name: torch.cat([getattr(part, name) for part in parts]) for name in parts[0]._tensors()}
    return Batch(names=tuple(name for part in parts for name in part.names), **tensors)


@pytest.mark.parametrize(("workers", "cache"), [(0, False), (2, False), (2, True), (0, True)])
def test_processes_and_workers_see_what_one_process_sees(folder: Path, workers: int, cache: bool) -> None:
    alone = batches(TrainingData(settings(folder), 6, seed=3), epoch=2)
    parts = [
        batches(as_process(TrainingData(settings(folder, workers=workers, cache=cache), 3, seed=3), rank, 2), epoch=2)
        for rank in range(2)
    ]
    assert len(alone) == len(parts[0]) == TrainingData(settings(folder), 3).steps_per_epoch(2) == 5
    for whole, halves in zip(alone, zip(*parts, strict=True), strict=True):
        assert_equal(whole, joined(halves))


def test_epochs_and_seeds_differ(folder: Path) -> None:
    data = TrainingData(settings(folder), 4, seed=3)
    first, second, other = batches(data)[0], batches(data, 1)[0], batches(TrainingData(settings(folder), 4, 4))[0]
    assert len({first.names, second.names, other.names}) == 3
    assert_equal(first, batches(data)[0])


class Recorder(lightning.LightningModule):
    """Trains one number, and notes which samples it saw."""

    def __init__(self, folder: Path, stop_after: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.folder, self.stop_after = folder, stop_after
        self.seen: list[tuple[int, tuple[str, ...], tuple[int, ...]]] = []
        self.validated: list[str] = []

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.seen.append((self.current_epoch, batch.names, tuple(batch.random_seeds.tolist())))
        return self.weight * batch.focal.mean()

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if len(self.seen) == self.stop_after:
            self.trainer.save_checkpoint(self.folder / "last.ckpt")
            raise KilledError

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.validated += batch.names

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


class KilledError(Exception):
    pass


def fit(data: TrainingData, module: Recorder, resume: bool = False) -> None:
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=data, ckpt_path=module.folder / "last.ckpt" if resume else None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("workers", "steps"), [(0, 7), (2, 3)])
def test_lightning_goes_on_exactly_where_it_was_killed(folder: Path, tmp_path: Path, workers: int, steps: int) -> None:
    """32 samples and batches of 6: epochs of 5 batches, killed in the second or first of three."""
    options = settings(folder, workers=workers)
    whole = Recorder(tmp_path)
    fit(TrainingData(options, 6), whole)
    assert len(whole.seen) == 15
    assert len({sample for _, names, seeds in whole.seen for sample in zip(names, seeds, strict=True)}) == 15 * 6
    killed = Recorder(tmp_path, stop_after=steps)
    with pytest.raises(KilledError):
        fit(TrainingData(options, 6), killed)
    assert killed.seen == whole.seen[:steps]
    resumed, data = Recorder(tmp_path), TrainingData(options, 6)
    data.resume_at(*divmod(steps, 5))
    fit(data, resumed, resume=True)
    assert resumed.seen == whole.seen[steps:]
    assert whole.validated[-len(resumed.validated) :] == resumed.validated


def test_loader_resumes_with_equal_images(folder: Path) -> None:
    expected = batches(TrainingData(settings(folder), 6), epoch=1)
    for workers in (0, 2):
        data = TrainingData(settings(folder, workers=workers), 6)
        data.resume_at(1, 2)
        loader = data.train_dataloader()
        for got, wanted in zip(loader, expected[2:], strict=True):
            assert_equal(got, wanted)
        for got, wanted in zip(loader, expected, strict=True):  # and no part of the next one is left out
            assert_equal(got, wanted)


def test_validation_is_unvaried_complete_and_of_other_rooms(folder: Path) -> None:
    data = TrainingData(settings(folder), 2)
    trained = {name[:3] for batch in batches(data) for name in batch.names}
    whole = joined(tuple(data.val_dataloader()))
    assert not trained & {name[:3] for name in whole.names}
    assert len(trained) == 8
    assert len(whole) == FRAMES
    parts = [
        joined(tuple(as_process(TrainingData(settings(folder), 3), rank, 3).val_dataloader())) for rank in range(3)
    ]
    assert [len(part) for part in parts] == [2, 1, 1]
    assert Counter(name for part in parts for name in part.names) == Counter(whole.names)  # none twice, none missing
    sample = open_dataset(folder, "validation")[0]
    still = TrainingTransform(WIDTH, HEIGHT, data.settings.canonical_focal, NO_AUGMENTATION)(sample)
    assert torch.equal(still.image, whole.images[0])
    assert torch.equal(still.depth, whole.depth[0])
    assert_equal(whole, joined(tuple(data.val_dataloader())))


def test_synthetic_validation_is_of_other_rooms() -> None:
    data = TrainingData(synthetic(), 2)
    data.setup()
    rooms = [part.name(index)[:12] for part in (data.training.sets[0], data._validation) for index in range(len(part))]
    assert rooms == ["synthetic-0-"] * 4 + ["synthetic-1-"]  # the seed of the rooms


def test_validation_is_never_taken_from_the_test_set(folder: Path) -> None:
    test = open_dataset(folder, "test")
    data = TrainingData(settings(folder), 2)
    used = {
        name for loader in (data.train_dataloader(), data.val_dataloader()) for batch in loader for name in batch.names
    }
    assert not used & {test.name(index) for index in range(len(test))}
    assert len(used) + len(test) == ROOMS * FRAMES


def test_validation_can_be_limited_or_left_out(folder: Path) -> None:
    limited = TrainingData(settings(folder, validation_limit=2), 8)
    assert len(next(iter(limited.val_dataloader()))) == 2
    assert "validation on 2 of 4" in limited.describe()
    for options in (settings(folder, validation_limit=0), settings(folder, options={"validation_fraction": 0.0})):
        data = TrainingData(options, 8)
        assert data.val_dataloader() == []
        assert "no validation" in data.describe()
    assert sum(data.training.lengths) == 36  # all but the test rooms
    with pytest.raises(ValueError, match="2 validation samples for 3 processes"):
        as_process(limited, 0, 3).val_dataloader()


@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_without_validation(folder: Path, tmp_path: Path) -> None:
    module = Recorder(tmp_path)
    fit(TrainingData(settings(folder, validation_limit=0), 8), module)
    assert len(module.seen) == 3 * 4
    assert not module.validated


def test_sets_are_mixed_and_mapped_to_one_label_set(folder: Path) -> None:
    rooms = DatasetSettings("synthetic", options=dict(synthetic().options), probability=0.25)
    mixed = settings(folder, mix=(rooms,), label_set="nyu13", samples_per_epoch=40, statistics_samples=20, cache=True)
    data = TrainingData(mixed, 5)
    assert data.label_set == NYU13
    names = [name for batch in batches(data) for name in batch.names]
    assert sum(name.startswith("synthetic-0") for name in names) == 10
    assert len(names) == 40
    labels = joined(tuple(batches(data))).labels
    assert int(labels[labels != 255].max()) < 13
    assert data.describe().startswith(f"{folder.name} (32 samples, 75%) + synthetic_rooms (4 samples, 25%), 40 drawn")
    statistics = data.statistics()
    assert statistics.samples == 20
    assert statistics.of_samples == 36
    assert len(statistics.class_pixels) == 13
    assert statistics == data.statistics()
    own = TrainingData(settings(folder, mix=(rooms,)), 5)
    assert own.label_set == NYU40  # that of the main set


def test_statistics_of_one_set_are_evenly_spread(folder: Path) -> None:
    data = TrainingData(settings(folder), 5)
    assert data.statistics().samples == data.statistics().of_samples == 32
    assert TrainingData(settings(folder, statistics_samples=7), 5).statistics().samples == 7
    assert sum(data.statistics().class_pixels) == pytest.approx(32 * WIDTH * HEIGHT * 40 / 41, rel=0.01)


def test_rooms_are_rendered_once_and_served_by_all_workers() -> None:
    plain, cached = TrainingData(synthetic(), 2), TrainingData(synthetic(cache=True, workers=2), 2)
    loader = cached.train_dataloader()
    loader.batch_sampler.set_epoch(1)
    for got, wanted in zip(loader, batches(plain, 1), strict=True):
        assert_equal(got, wanted)
    # In this process, which rendered a few of them at most, all are there.
    assert cached._stores["train"].bytes_used == cached._stores["train"].bytes_needed() > 0


def test_a_crop_is_a_window_of_the_input_at_its_scale() -> None:
    """What it shows is as large in pixels as in the whole, and as far away; what is validated on is the whole."""
    whole, part = (
        TrainingData(synthetic(width=64, height=48, crop=crop, augmentation=NO_AUGMENTATION), 2) for crop in (1.0, 0.5)
    )
    sample = whole.training[0]
    seen, cut = (data.transform(sample) for data in (whole, part))
    assert cut.image.shape[-2:] == (24, 32)
    assert cut.focal == pytest.approx(seen.focal)
    assert torch.equal(cut.depth, seen.depth[..., 12:36, 16:48])
    assert batches(part)[0].images.shape == (2, 3, 24, 32)
    assert next(iter(part.val_dataloader())).images.shape == (1, 3, 48, 64)  # type: ignore[union-attr]


def test_workers_have_one_thread(folder: Path) -> None:
    loader = TrainingData(settings(folder, workers=1), 4).train_dataloader()

    class Threads:
        def __getitem__(self, key: object) -> tuple[int, int]:
            return torch.get_num_threads(), cv2.getNumThreads()

    found = torch.utils.data.DataLoader(
        Threads(),
        batch_size=None,
        sampler=[0],
        num_workers=1,
        worker_init_fn=loader.worker_init_fn,  # type: ignore[arg-type]
    )
    assert list(found) == [[1, 1]]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"root": ""}, "data.root is empty"),
        ({"kind": "coco"}, "no data set 'coco'"),
        ({"label_set": "nyu41"}, "nyu41"),
        ({"options": {"depht": 1}}, "no option 'depht'"),
        ({"root": "synthetic", "options": {"device": "cuda"}, "workers": 2}, "data.workers to 0"),
        ({"mix": (DatasetSettings(),)}, "data.root is empty"),
    ],
)
def test_settings_that_fit_no_data_are_refused(folder: Path, options: dict[str, Any], text: str) -> None:
    data = TrainingData(settings(**{"root": folder, **options}), 4)
    with pytest.raises(ValueError, match=text):
        data.setup()


def test_what_cannot_be_trained_on_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        TrainingData(settings(tmp_path / "nowhere"), 4).setup()
    with pytest.raises(ValueError, match=r"32 samples .* no batch of 33: lower batch_size"):
        TrainingData(settings(folder), 33).steps_per_epoch()
    with pytest.raises(ValueError, match="batch_size is 0"):
        TrainingData(settings(folder), 0)
    with pytest.raises(ValueError, match=r"raise data\.cache_limit"):
        TrainingData(settings(folder, cache=True, cache_limit=1e-6), 4).train_dataloader()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"width": 8}, "width is 8"),
        ({"workers": -1}, "workers is -1"),
        ({"crop": 1.5}, r"crop is 1\.5"),
        ({"width": 32, "height": 32, "crop": 0.4}, "crop is 0.4: .* at least 16 pixels"),
        ({"samples_per_epoch": 0}, "samples_per_epoch is 0"),
        ({"validation_limit": -1}, "validation_limit is -1"),
        ({"canonical_focal": 0.0}, "canonical_focal is 0.0"),
        ({"cache_limit": float("nan")}, "cache_limit is nan"),
        ({"depth_range": (0.0, 10.0)}, "depth_range is"),
        ({"depth_range": (5.0, 1.0)}, "depth_range is"),
        ({"mix": (DatasetSettings("a", probability=0.6), DatasetSettings("b", probability=0.4))}, "add up to 1"),
    ],
)
def test_settings_are_checked(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DataSettings(**options)
    with pytest.raises(ValueError, match=r"probability of '/x' is 1.0"):
        DatasetSettings("/x", probability=1.0)


def test_settings_are_read_from_the_command_line() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--data", type=DataSettings, default=DataSettings())
    arguments = parser.parse_args(
        [
            "--data.options={length: 12}",
            "--data.mix=[{root: /x, probability: 0.3}]",
            "--data.augmentation.scale=[1, 1.2]",
        ]
    )
    data = parser.instantiate(arguments).data
    assert data.options == {"length": 12}
    assert data.mix == (DatasetSettings("/x", probability=0.3),)
    assert data.shares == pytest.approx((0.7, 0.3))
    assert data.augmentation.scale == (1.0, 1.2)
    assert data.canonical_focal == 262.5
    assert DataSettings(width=640).canonical_focal == 262.5
