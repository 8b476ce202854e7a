"""Synthetic rooms made on the device that trains: the same samples as a loader's, in the same order."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pretend_cuda import pretended_cuda
from tiny_network import TINY

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")

from cinet_core.data.augmentation import Augmentation
from cinet_core.data.camera_artifacts import CameraArtifacts
from cinet_core.data.hue import shift_hue
from cinet_core.data.sample import Batch
from cinet_core.rooms.raycast.batches import RoomBatch, RoomViews
from cinet_core.tasks.learning import task_learning
from cinet_core.tasks.learning.normals import true_normals
from cinet_core.tasks.learning.surfaces import occlusion_boundaries
from cinet_core.training.data import TrainingData
from cinet_core.training.plan import plan_of
from cinet_core.training.preparation import prepare
from cinet_core.training.run import check_run, fit
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_data import DatasetSettings, DataSettings
from cinet_core.training.settings_model import ModelSettings
from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings, StagesSettings
from cinet_core.training.settings_run import RunSettings

FAULTS = CameraArtifacts(white_balance=0.6, noise=0.05, jpeg=50, gamma=0.3)


def settings(**changed: Any) -> DataSettings:
    rooms = {"length": 6, "validation_length": 2, "test_length": 1, "width": 48, "height": 36, "shadows": False}
    fixed = DataSettings(
        "synthetic", options=rooms, label_set="nyu13", width=32, height=24, workers=0, on_device=True,
        augmentation=Augmentation(artifacts=FAULTS),
    )  # fmt: skip
    return replace(fixed, **changed)


def batches(data: DataSettings) -> list[Any]:
    made = TrainingData(data, batch_size=3, seed=1)
    made.tasks = task_learning(("depth", "segmentation", "normals", "boundaries"))
    return [*made.train_dataloader(), *made.val_dataloader()]


def test_they_are_the_samples_of_a_loader() -> None:
    undrawn, expected = batches(settings()), batches(settings(on_device=False))
    assert [type(batch) for batch in undrawn] == [RoomBatch] * 3
    assert [len(batch) for batch in undrawn] == [3, 3, 2]
    for batch, other in zip(undrawn, expected, strict=True):
        made = batch.to("cpu")
        assert isinstance(made, Batch)
        assert made.names == other.names
        for name in ("images", "depth", "labels", "focal", "random_seeds", "has_depth"):
            torch.testing.assert_close(getattr(made, name), getattr(other, name), msg=name)
        assert made.targets.keys() == other.targets.keys() == {"normals", "boundaries"}
        for name, target in other.targets.items():
            torch.testing.assert_close(made.targets[name], target, msg=name)


def test_each_batch_is_of_a_size() -> None:
    sizes = [tuple(batch.to("cpu").images.shape[2:]) for batch in batches(settings(sizes=((48, 36),)))]
    assert sizes == [(24, 32), (36, 48), (24, 32)]


def test_workers_make_up_what_is_rendered_here() -> None:
    assert len(batches(settings(workers=1))) == 3
    batch = batches(settings())[0]
    sent = pickle.loads(pickle.dumps(batch))
    assert torch.equal(sent.to("cpu").images, batch.to("cpu").images)


def test_kept_rooms_are_made_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = TrainingData(settings(cache=True), batch_size=3)
    views = data.train_dataloader().dataset
    assert isinstance(views, RoomViews)
    first = views[0, 4]
    monkeypatch.setattr(type(views.rooms), "view", None)
    key, view = views[7, 4]
    assert (key, view) == ((7, 4), first[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"mix": (DatasetSettings("synthetic", "synthetic_rooms", probability=0.5),)},
        {"root": str(Path(__file__).parents[2] / "docs"), "kind": "folder", "options": {}, "label_set": None},
    ],
    ids=["a mixture", "files"],
)
def test_of_other_data_there_is_nothing_to_make(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"set data.kind to synthetic_rooms with nothing in data.mix"):
        TrainingData(settings(**changed, validation_limit=0), batch_size=2).setup()


def recipe(folder: Path, epochs: int = 2) -> Recipe:
    none = StageSettings(0, 1e-3)
    return Recipe(
        "rooms here",
        data=settings(statistics_samples=2),
        model=ModelSettings(overrides=TINY, pretrained_encoder=False),
        stages=StagesSettings(none, none, StageSettings(epochs, 1e-3)),
        optimizer=OptimizerSettings(batch_size=3),
        run=RunSettings(str(folder), accelerator="cpu", pictures=0, checkpoint_minutes=0, loggers=("csv",)),
    )


def test_a_training_makes_its_own_rooms_and_goes_on_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(prepare(recipe(tmp_path / "none")), measure=True)
    assert "made on the device" in plan.facts["data"]
    whole = fit(prepare(recipe(tmp_path / "whole")))
    assert whole.metrics["step"] == 4
    stopped = prepare(recipe(tmp_path / "stopped"))

    def stop(batch: Any, batch_index: int) -> None:
        if stopped.module.global_step == 3:
            raise KeyboardInterrupt

    stopped.module.on_train_batch_start = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        fit(stopped)
    begun = check_run(recipe(tmp_path / "stopped"), resume=True)
    assert begun is not None
    assert begun.step == 3
    assert fit(prepare(recipe(tmp_path / "stopped")), begun).metrics == whole.metrics


def test_how_rooms_are_made_does_not_keep_a_run_from_going_on() -> None:
    here = recipe(Path("runs"))
    assert here.learning() == replace(here, data=replace(here.data, on_device=False)).learning()


def test_colours_are_turned_on_a_device_too() -> None:
    image = torch.randint(0, 256, (3, 20, 30), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for shift in (-0.05, 0.3, 0.9):
        with pretended_cuda():
            turned = shift_hue(image.to("cuda"), shift)
            assert turned.device.type == "cuda"
            turned = turned.cpu()
        assert (turned.int() - shift_hue(image, shift).int()).abs().max() <= 1


def test_rooms_and_targets_are_made_on_the_pretended_device() -> None:
    """All but torchvision's own kernels, which a pretended tensor does not get through: test_gpu.py has these."""
    batch = batches(settings())[0]
    here = batch.rooms.render(batch.views, "cpu")
    camera = batch.views[0].camera.intrinsics
    with pretended_cuda():
        there = batch.rooms.render(batch.views, "cuda")
        normals, edges = true_normals(there.depth[0], camera), occlusion_boundaries(there.depth[0])
        assert {value.device.type for value in (there.images, there.labels, normals, edges)} == {"cuda"}
        labels, normals, edges = there.labels.cpu(), normals.cpu(), edges.cpu()
    assert torch.equal(labels, here.labels)
    torch.testing.assert_close(normals, true_normals(here.depth[0], camera))
    assert torch.equal(edges, occlusion_boundaries(here.depth[0]))
