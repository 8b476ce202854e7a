"""Training runs in this process: what each kind of recipe leaves behind."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tiny_network import tiny_checkpoint

pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")

import cinet_core
from cinet_core.checkpoint import load_checkpoint, random_checkpoint, read_metadata, save_checkpoint
from cinet_core.cli import main
from cinet_core.data.frame_files import SourceError
from cinet_core.data.registry import open_dataset
from cinet_core.losses import LossWeights, MultiTaskLoss
from cinet_core.tasks import TASKS
from cinet_core.training.ablation import (
    BASELINE,
    EVALUATION_FILE,
    VARIANTS,
    _stored,
    train_and_score,
    variants_named,
)
from cinet_core.training.checkpoints import BEST_FILE, FINAL_FILE, RESUME_FILE, ResumeError
from cinet_core.training.preparation import TrainingSetup, prepare
from cinet_core.training.run import TrainingResult, check_run, fit
from cinet_core.training.settings import Recipe
from cinet_core.training.settings_data import DataSettings
from cinet_core.training.settings_losses import LossSettings, ViewSettings
from cinet_core.training.settings_model import ModelSettings
from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings, StagesSettings
from cinet_core.training.settings_run import RunSettings

SMALL = {
    "encoder": "tf_mobilenetv3_small_minimal_100",
    "feature_channels": 16,
    "query_channels": 4,
    "decoder_channels": [8, 8, 8],
}
ROOMS = {"length": 8, "validation_length": 2, "test_length": 2, "width": 64, "height": 48, "shadows": False}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_recipe(output: Path, epochs: tuple[int, int, int] = (1, 1, 1), **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "data": DataSettings("synthetic", options=ROOMS, label_set="nyu13", width=64, height=48, workers=0, cache=True),
        "model": ModelSettings(overrides=SMALL, pretrained_encoder=False),
        "optimizer": OptimizerSettings(batch_size=4),
        "run": RunSettings(str(output), accelerator="cpu", devices=1, log_every=1, pictures=0),
    }
    stages = StagesSettings(*(StageSettings(count, 1e-2) for count in epochs))
    return Recipe("small", **{"stages": stages, **values, **changes})


def run(recipe: Recipe) -> tuple[TrainingSetup, TrainingResult]:
    preparation = prepare(recipe)
    return preparation, fit(preparation)


def test_each_stage_leaves_alone_what_it_freezes(tmp_path: Path) -> None:
    preparation = prepare(small_recipe(tmp_path, (1, 0, 0)))
    module = preparation.module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = fit(preparation)
    after = module.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    frozen = {name for name in after if "scene_understanding.query" in name or "scene_understanding.key" in name}
    assert len(frozen) == 8  # weight and bias of both, in the network and in its average
    assert not changed & (frozen | {"loss.feature_variance.log_sigma"})
    assert "model.scene_understanding.value.weight" in changed
    assert "average.module.segmentation_head.conv.weight" in changed
    statistics = {name for name in after if name.startswith("model.encoder") and "running" in name}
    assert statistics
    assert not changed & statistics  # fewer than 16 images at a time
    # Metrics that the labels helped with choose nothing.
    assert result.best is None
    assert not (tmp_path / BEST_FILE).exists()
    assert read_metadata(result.last).metrics["training"]["validation"]["oracle"] is True


def test_a_whole_run_can_be_used_and_looked_at(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = RunSettings(str(tmp_path), accelerator="cpu", devices=1, pictures=2)
    recipe = small_recipe(tmp_path, run=settings, licence="CC0-1.0")
    recipe = replace(recipe, data=replace(recipe.data, depth_range=(0.2, 12.0)))
    preparation, result = run(recipe)
    assert result.best is not None
    checkpoint = load_checkpoint(result.best)
    assert checkpoint.metadata.depth_range == (0.2, 12.0)
    assert checkpoint.metadata.label_set.name == "nyu13"
    assert checkpoint.metadata.licence == "CC0-1.0"
    assert checkpoint.metadata.camera == preparation.camera
    assert checkpoint.metadata.camera.canonical_focal == 262.5
    assert checkpoint.metadata.recipe["optimizer"]["batch_size"] == 4
    average = preparation.module.average.module.state_dict()
    last = load_checkpoint(result.last).model.state_dict()
    assert all(torch.equal(value, last[name]) for name, value in average.items())
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0})
    events.Reload()
    assert {"oracle/predictions", "validation/predictions", "validation/attention"} <= set(events.Tags()["images"])
    assert {"delta1", "rms", "mean_iou", "attention_bce"} <= result.metrics.keys()


def test_two_views_several_sizes_gradients_and_uncertainty_in_one_run(tmp_path: Path) -> None:
    """What the second generation is trained with, in half precision."""
    losses = LossSettings(
        LossWeights(gradient=0.5), depth_space="log", views=ViewSettings(every=2, weight=0.5), consistency=False
    )
    data = replace(small_recipe(tmp_path).data, sizes=((48, 32),))
    model = ModelSettings(overrides=SMALL, pretrained_encoder=False, tasks=("depth", "segmentation", "uncertainty"))
    settings = RunSettings(
        str(tmp_path), accelerator="cpu", devices=1, log_every=1, pictures=1, precision="bf16-mixed", loggers=("csv",)
    )
    recipe = small_recipe(tmp_path, (0, 2, 0), losses=losses, data=data, model=model, run=settings)
    preparation, result = run(recipe)
    logged = {}
    for line in (tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()[1:]:
        step, name, value = line.split(",")
        logged.setdefault(name, {})[int(step)] = float(value)
    assert len(logged["train/total"]) == 4
    assert len(set(logged["train/views"].values())) == 2  # every second batch; the value stands until there is another
    assert len(logged["train/depth_slope"]) == len(logged["train/log_depth_sd"]) == 2  # every epoch
    assert {"train/gradient", "train/uncertainty", "validation/depth_slope", "validation/within_1_sigma"} <= set(logged)
    assert {"depth_slope", "log_depth_sd", "true_log_depth_sd", "depth_nll"} <= result.metrics.keys()
    sizes = [tuple(batch.images.shape[-2:]) for batch in preparation.data.train_dataloader()]
    assert sorted(sizes) == [(32, 48), (48, 64)]
    low, high = preparation.statistics.focal_range
    assert preparation.camera.focal_range == pytest.approx((low * 0.75, high * 1.3))
    assert load_checkpoint(result.last).metadata.recipe["losses"]["views"]["every"] == 2
    assert "views" not in small_recipe(tmp_path).to_dict()["losses"]  # so that runs from before can be gone on with
    normals = replace(model, tasks=("depth", "segmentation", "normals"))
    with pytest.raises(ValueError, match="no targets of normals"):
        prepare(replace(recipe, model=normals, run=replace(settings, output=str(tmp_path / "other"))))


def test_an_annealed_start_teaches_fewer_and_fewer_images_and_their_maps_from_the_first_step(tmp_path: Path) -> None:
    preparation = prepare(small_recipe(tmp_path, (2, 0, 0), losses=LossSettings(teacher="annealed")))
    module = preparation.module
    stage = module.stage.losses
    assert (stage.ideal_attention, stage.annealed, stage.attention) == (True, True, True)
    assert not module.is_oracle
    batch = next(iter(preparation.data.train_dataloader()))
    shares = [module.taught(batch, progress).float().mean().item() for progress in (0.0, 0.5, 1.0)]
    assert (shares[0], shares[2]) == (1.0, 0.0)
    query = module.model.scene_understanding.query.weight.clone()  # type: ignore[union-attr]
    result = fit(preparation)
    assert not torch.equal(query, module.model.scene_understanding.query.weight)  # type: ignore[union-attr]
    assert result.best is not None  # validated with the predicted map: a result


def test_an_image_that_is_not_taught_sees_its_own_map(tmp_path: Path) -> None:
    preparation = prepare(small_recipe(tmp_path))
    module, batch = preparation.module.eval(), next(iter(preparation.data.train_dataloader()))
    taught = torch.tensor([True, False, True, False])
    with torch.no_grad():
        mixed = module.predict(module.model, batch, True, taught).depth
        ideal, own = module.predict(module.model, batch, True).depth, module.predict(module.model, batch, False).depth
    torch.testing.assert_close(mixed[taught], ideal[taught])
    torch.testing.assert_close(mixed[~taught], own[~taught])
    assert not torch.equal(ideal, own)


def test_without_a_teacher_the_first_stage_is_as_the_second(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, losses=LossSettings(teacher="none"))
    first, second, _ = recipe.plan(prepare(recipe).module.model.config)
    assert (first.losses.ideal_attention, first.losses.attention) == (False, True)
    assert second.losses.attention


@pytest.mark.parametrize("balance", ["uncertainty", "gradients"])
def test_what_balances_the_tasks_and_sigma_are_logged_and_move(tmp_path: Path, balance: Any) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = small_recipe(tmp_path, (0, 1, 1), losses=LossSettings(balance=balance, consistency_start="median"))
    preparation, _ = run(recipe)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    names = {f"train/factor_{task}" for task in ("depth", "segmentation")}
    assert names | {"train/variance_depth", "train/variance_semantic"} <= set(events.Tags()["scalars"])
    module = preparation.module
    factors = torch.stack(list(module.loss.balance.monitored().values()))
    assert not torch.equal(factors, torch.ones(2))
    # Eight channels of upsampled features: neighbours are far closer than random vectors.
    assert (module.loss.feature_variance() < 8).all()


def test_the_median_depth_and_the_class_counts_are_the_training_sets(tmp_path: Path) -> None:
    preparation = prepare(small_recipe(tmp_path))
    dataset = open_dataset("synthetic", "train", label_set="nyu13", **ROOMS)
    transform = preparation.data.transform
    counts = np.zeros(13)
    depths = []
    for sample in (dataset[index] for index in range(len(dataset))):
        counts += np.bincount(sample.labels[sample.labels < 13].numpy(), minlength=13)
        assert sample.intrinsics is not None
        depths.append(sample.depth.numpy().ravel() * transform.canonical_focal / sample.intrinsics.focal)
    config = preparation.module.model.config
    assert config.initial_depth == pytest.approx(np.median(np.concatenate(depths)), abs=0.02)
    assert config.num_classes == 13
    weights = preparation.module.loss.class_weights.numpy()
    np.testing.assert_allclose(weights, 1 - counts / counts.sum(), atol=1e-6)


def test_gradients_of_several_batches_make_one_step(tmp_path: Path) -> None:
    optimizer = OptimizerSettings(batch_size=2, accumulate=3)
    _, result = run(small_recipe(tmp_path, optimizer=optimizer))
    # 4 batches an epoch: one whole step, and what is left over is left out.
    assert read_metadata(result.last).metrics["training"]["step"] == 3


def test_the_end_of_each_stage_is_validated(tmp_path: Path) -> None:
    run_settings = RunSettings(str(tmp_path), accelerator="cpu", pictures=0, validate_every=100)
    preparation, result = run(small_recipe(tmp_path, (2, 1, 2), run=run_settings))
    assert (result.metrics["stage"], result.metrics["epoch"], result.metrics["oracle"]) == (3, 5, False)
    assert result.best is not None
    # Gone on with after its end, it has nothing to do, and remembers what it knew.
    again = prepare(preparation.recipe)
    resumed = fit(again, check_run(preparation.recipe, resume=True))
    assert resumed.metrics == result.metrics
    assert read_metadata(resumed.last).metrics["training"]["validation"] == result.metrics


def test_changed_data_do_not_go_on(tmp_path: Path) -> None:
    preparation, _ = run(small_recipe(tmp_path, (1, 1, 0)))
    recipe = preparation.recipe
    assert check_run(recipe, resume=True) is not None
    path = tmp_path / RESUME_FILE
    stored = torch.load(path, weights_only=True)
    stored["cinet_position"]["samples"] = [9]
    torch.save(stored, path)
    with pytest.raises(ResumeError, match=r"had \[9\] samples"):
        fit(prepare(recipe), check_run(recipe, resume=True))


def test_from_python_in_half_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = RunSettings(str(tmp_path), accelerator="cpu", devices=1, precision="bf16-mixed", pictures=0)
    recipe = small_recipe(tmp_path, run=settings)
    plans: list[cinet_core.TrainingPlan] = []
    result = cinet_core.train(recipe, planned=plans.append)
    assert result.metrics["rms"] < 5
    assert result.last == tmp_path / FINAL_FILE
    (plan,) = plans
    assert [(stage.number, stage.epochs, stage.steps) for stage in plan.stages] == [(1, 1, 2), (2, 1, 2), (3, 1, 2)]
    assert plan.device is None
    assert plan.stages[2].losses == ("depth", "segmentation", "attention", "consistency")
    # A dry run measures, and leaves the folder as it is.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    measured = cinet_core.plan_training(recipe)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert (measured.facts, measured.device) == (plan.facts, "cpu")
    assert all(stage.cost is not None and stage.cost.seconds > 0 for stage in measured.stages)
    with pytest.raises(ResumeError, match="holds a run already"):
        cinet_core.train(recipe)


def test_a_diverged_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = small_recipe(tmp_path, stages=StagesSettings(*(StageSettings(4, 1e9),) * 3))
    config = tmp_path / "recipe.json"
    config.write_text(_json(recipe), encoding="utf-8")
    assert main(["train", "--config", str(config)]) == 1
    message = capsys.readouterr().err
    assert "not finite at step" in message
    assert "learning rate" in message


def test_a_dry_run_tells_plan_and_memory_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = small_recipe(tmp_path / "run")
    config = tmp_path / "recipe.json"
    config.write_text(_json(recipe), encoding="utf-8")
    assert main(["train", "--config", str(config), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "8 samples" in printed
    assert printed.count(" MB") == 3
    assert not list((tmp_path / "run").glob("*.safetensors")) + list((tmp_path / "run").glob("*.ckpt"))


def write_frames(folder: Path) -> None:
    """Two frames of each of four rooms; of some the depth, of others the labels are missing."""
    rooms = open_dataset("synthetic", "train", **{**ROOMS, "length": 8})
    folder.mkdir()
    (folder / "classes.txt").write_text("chair\nwall\nrobot dock\n", encoding="utf-8")
    for index in range(8):
        sample = rooms[index]
        name = f"room{index // 2}_{index % 2}"
        cv2.imwrite(str(folder / f"{name}.jpg"), sample.image.permute(1, 2, 0).numpy()[..., ::-1])
        if index != 0:
            cv2.imwrite(str(folder / f"{name}_depth.png"), (1000 * sample.depth.numpy()).astype(np.uint16))
        if index not in (1, 2, 3):
            cv2.imwrite(str(folder / f"{name}_label.png"), sample.labels.numpy() % 3 + 1)


def test_fine_tuning_on_own_frames_with_other_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path / "frames")
    start = tiny_checkpoint(seed=1)
    save_checkpoint(tmp_path / "start.safetensors", start.model, start.metadata)
    output = tmp_path / "run"
    arguments = [
        *("train", "--config", str(Path(__file__).parents[2] / "config" / "train" / "fine_tune.yaml")),
        *(f"data.root={tmp_path / 'frames'}", f"model.checkpoint={tmp_path / 'start.safetensors'}"),
        *(f"run.output={output}", "run.accelerator=cpu", "run.devices=1", "data.workers=0"),
        *("data.width=64", "data.height=48", "optimizer.batch_size=2", "data.options={test_fraction: 0.0}"),
        *("stages.ideal.epochs=1", "stages.attention.epochs=1", "stages.consistency.epochs=1"),
    ]
    assert main(arguments) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "classes carried over by name (2): chair, wall" in printed
    assert "classes that start anew (1): robot dock" in printed
    tuned = load_checkpoint(output / FINAL_FILE)
    assert tuned.metadata.label_set.classes == ("chair", "wall", "robot dock")
    assert not tuned.metadata.random_weights


def test_the_next_generation_starts_from_what_fits_of_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Encoder, scene understanding, sharing and decoders of `lite_v1` are those of `lite`; its depth head is not."""
    write_frames(tmp_path / "frames")
    start = random_checkpoint("lite_v1", seed=1, encoder="test_efficientnet")
    save_checkpoint(tmp_path / "start.safetensors", start.model, start.metadata)
    data = DataSettings(str(tmp_path / "frames"), "folder", {"test_fraction": 0.0}, width=64, height=48, workers=0)
    model = ModelSettings(
        config="lite", overrides={"encoder": "test_efficientnet"}, init_from=str(tmp_path / "start.safetensors")
    )
    recipe = replace(small_recipe(tmp_path / "run", data=data), model=model)
    preparation = prepare(recipe)
    network, report = preparation.module.model, preparation.initialisation
    assert network.config.depth_activation == "exp"
    assert report is not None
    old, new = start.model.state_dict(), network.state_dict()
    for part in ("encoder.", "entry.", "scene_understanding.", "decoders.stages.1.share."):
        names = [name for name in new if name.startswith(part)]
        assert names
        assert all(torch.equal(new[name], old[name]) for name in names)
    assert all(name.startswith(("depth_head.conv.", "segmentation_head.")) for name in report.left_out)
    said = str(report)
    assert "re-initialised: entry_skip (2 tensors), decoders.stages.0 (10 tensors), depth_head (4 tensors)" in said
    assert "in the checkpoint, not used: depth_head (2 tensors)" in said
    with pytest.raises(ValueError, match="give one of them"):
        ModelSettings(checkpoint="default", init_from="default")


def test_a_broken_frame_is_named_by_training_workers_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path / "frames")
    options = {"test_fraction": 0.0, "validation_fraction": 0.0}
    data = DataSettings(str(tmp_path / "frames"), "folder", options, width=64, height=48, workers=1)
    recipe = small_recipe(tmp_path / "run", data=data)
    config = tmp_path / "recipe.json"
    config.write_text(_json(recipe), encoding="utf-8")
    assert main(["train", "--config", str(config), "--dry-run"]) == 0  # and the statistics are known
    broken = tmp_path / "frames" / "room3_1_depth.png"
    broken.write_bytes(broken.read_bytes()[:100])
    assert main(["train", "--config", str(config)]) == 1
    message = capsys.readouterr().err
    assert str(broken) in message
    assert "Traceback" not in message


class Done(cinet_core.Progress):
    """Remembers what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_an_ablation_trains_scores_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    recipe = small_recipe(tmp_path, (1, 1, 0))
    rows = variants_named(["baseline", "Full"])
    recipe = replace(recipe, run=replace(recipe.run, output=str(tmp_path / "ablation")))
    progress = Done()
    report = cinet_core.ablate(recipe, rows=["baseline", "Full"], seeds=[3], jobs=2, progress=progress)
    metrics, done = report.metrics, progress.notes
    assert {row: list(own) for row, own in metrics.items()} == {"Baseline": [3], "Full": [3]}
    assert sorted(done) == ["done: small: Baseline, seed 3", "done: small: Full, seed 3"]
    assert "attention/average_precision" in metrics["Full"][3]
    assert "attention/average_precision" not in metrics["Baseline"][3]
    baseline = load_checkpoint(tmp_path / "ablation" / "baseline-seed3" / FINAL_FILE).model.config
    assert (baseline.scene_understanding, baseline.sharing) == (False, "none")
    written = (tmp_path / "ablation" / "full-seed3" / RESUME_FILE).stat().st_mtime_ns
    for row in rows:  # what each process of another run would do
        assert train_and_score(row.applied(recipe, 3, tmp_path / "ablation")) == metrics[row.name][3]
    assert (tmp_path / "ablation" / "full-seed3" / RESUME_FILE).stat().st_mtime_ns == written
    stored = tmp_path / "ablation" / "full-seed3" / EVALUATION_FILE
    identity = {name: json.loads(stored.read_text())[name] for name in ("learning", "data", "start", "split", "limit")}
    assert _stored(stored, identity) == metrics["Full"][3]
    assert _stored(stored, {**identity, "data": ["elsewhere"]}) is None
    assert _stored(stored, {**identity, "start": "another checkpoint"}) is None
    assert _stored(stored, {**identity, "split": "validation"}) is None  # scored anew, not taken for the test split's
    stored.write_text(stored.read_text()[:100])  # cut off by a kill
    assert _stored(stored, identity) is None
    numbers, tables = report.save(tmp_path / "report")
    assert json.loads(numbers.read_text())["metrics"]["Full"]["3"] == metrics["Full"][3]
    assert "0.563" in tables.read_text()  # the paper's baseline


def test_an_ablation_names_data_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = small_recipe(tmp_path / "run", data=DataSettings(str(tmp_path / "nowhere"), "folder", workers=0))
    config = tmp_path / "recipe.json"
    config.write_text(_json(recipe), encoding="utf-8")
    assert main(["ablate", "--config", str(config), "--seeds", "0"]) == 2
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in capsys.readouterr().err
    assert main(["ablate", "--config", str(config), "run.devices=2"]) == 2
    assert "run.devices is 2" in capsys.readouterr().err


def test_a_file_error_survives_the_way_to_another_process() -> None:
    error = SourceError("frames/a.png", "it is cut off", "write it anew")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.path) == (SourceError, str(error), "frames/a.png")


def test_rows_differ_in_what_they_are_called_after_only(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    applied = {variant.name: variant.applied(recipe, 1, tmp_path) for variant in VARIANTS}
    assert len({own.run.output for own in applied.values()}) == len(VARIANTS)
    for own in applied.values():
        assert (own.data, own.stages, own.optimizer) == (recipe.data, recipe.stages, recipe.optimizer)
        assert own.model.overrides.items() >= SMALL.items()
    assert applied["Full"].losses == LossSettings()
    assert applied["+SUM+FSM"].losses == LossSettings(consistency=False)
    assert applied["Full without attention loss"].losses == LossSettings(supervise_attention=False)
    with pytest.raises(ValueError, match="no row 'everything'"):
        variants_named(["everything"])
    assert variants_named(["baseline"]) == (BASELINE,)


def test_every_loss_moves_every_part_it_should(tmp_path: Path) -> None:
    """The gradient at the start of each stage: none dead, none exploding, in any part of the network."""
    every_task = ModelSettings(overrides=SMALL, pretrained_encoder=False, tasks=tuple(task.name for task in TASKS))
    preparation = prepare(small_recipe(tmp_path, model=every_task))
    module, batch = preparation.module, next(iter(preparation.data.train_dataloader()))
    assert isinstance(module.loss, MultiTaskLoss)
    for stage in preparation.plan:
        module.zero_grad()
        module.batch_loss(batch, stage.losses)["total"].backward()
        for name, part in module.model.named_children():
            if not list(part.parameters()):  # heads of further tasks, where there are none
                continue
            norm = torch.cat([p.grad.ravel() for p in part.parameters() if p.grad is not None]).norm().item()
            assert 1e-4 < norm < 1e3, (stage.losses.number, name, norm)


def _json(recipe: Recipe) -> str:
    return json.dumps(recipe.to_dict())
