"""Surface normals and occlusion boundaries all the way: trained, exported, deployed, scored, drawn, saved, in a bag."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_network import FIRST_GENERATION, tiny_checkpoint, trained_checkpoint

from cinet_core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cinet_core.cli import main
from cinet_core.evaluation.scoring import evaluate
from cinet_core.geometry import Intrinsics
from cinet_core.inference.availability import missing_requirement
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.prediction import PREDICTION_FILES
from cinet_core.inference.predictor import Predictor
from cinet_core.inference.selection import select
from cinet_core.losses import LossWeights
from cinet_core.messages.topics import topics_of
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.tasks import TASKS, output_names

ALL_TASKS = (*DEFAULT_TASKS, "normals", "boundaries")
FURTHER_TOPICS = {"normals/image_raw", "boundaries/image_raw", "boundaries/image_raw/compressed"}
ROOMS = {"length": 8, "validation_length": 2, "test_length": 2, "width": 64, "height": 48, "shadows": False}
CAMERA = Intrinsics(110.0, 110.0, 63.5, 47.5, 128, 96)
IMAGE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """From a file, with weights that call themselves trained."""
    made = trained_checkpoint(tasks=ALL_TASKS, **FIRST_GENERATION)
    with torch.no_grad():  # so that random weights answer with something else everywhere
        for head in made.model.task_heads.values():
            head.conv.weight.mul_(4)
    path = tmp_path_factory.mktemp("weights") / "further.safetensors"
    save_checkpoint(path, made.model, made.metadata)
    return load_checkpoint(path)


def graph_of(checkpoint: Checkpoint, output: tuple[int, int] | None = None) -> DeployableGraph:
    return DeployableGraph(checkpoint.model, checkpoint.metadata.camera, IMAGE.shape[:2], (48, 64), output)


def predicted(graph: DeployableGraph, focal: float = CAMERA.fx) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        intrinsics = torch.tensor([[focal, focal, CAMERA.cx, CAMERA.cy]])
        return {name: value[0].numpy() for name, value in graph(torch.from_numpy(IMAGE)[None], intrinsics).items()}


def test_a_file_holds_its_tasks_and_the_rest_of_the_network_is_as_without_them(checkpoint: Checkpoint) -> None:
    assert checkpoint.metadata.config.tasks == ALL_TASKS
    plain, more = tiny_checkpoint(seed=5), tiny_checkpoint(seed=5, tasks=ALL_TASKS)
    heads = {name for name in more.model.state_dict() if name.startswith("task_heads.")}
    assert {name.split(".")[1] for name in heads} == {"normals", "boundaries"}
    assert plain.model.state_dict().keys() == more.model.state_dict().keys() - heads
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, more.model.state_dict()[name])
    outputs, with_more = (predicted(graph_of(made)) for made in (plain, more))
    assert outputs.keys() == {"depth", "labels", "confidence"}
    assert all(np.array_equal(value, with_more[name], equal_nan=True) for name, value in outputs.items())


@pytest.mark.parametrize("size", [None, (48, 64), (30, 40)])
def test_the_graph_gives_unit_normals_and_bytes(checkpoint: Checkpoint, size: tuple[int, int] | None) -> None:
    found = predicted(graph_of(checkpoint, size))
    height, width = size or IMAGE.shape[:2]
    assert tuple(found) == output_names(ALL_TASKS) == ("depth", "labels", "confidence", "normals", "boundaries")
    normals, boundaries = found["normals"], found["boundaries"]
    assert (normals.shape, normals.dtype) == ((height, width, 3), np.float32)
    assert (boundaries.shape, boundaries.dtype) == ((height, width), np.uint8)
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 1e-5
    assert (normals[..., 2] < 0).all()  # the bias of an untrained head
    assert np.ptp(normals[..., :2], axis=(0, 1)).min() > 0.03
    assert np.ptp(boundaries) > 0


def test_normals_follow_the_focal_length(checkpoint: Checkpoint) -> None:
    """Twice the focal length is half of the field of view: what slants in x and y slants twice as much for its z."""
    graph = graph_of(checkpoint, (48, 64))
    once, twice = (predicted(graph, focal)["normals"].astype(np.float64) for focal in (100.0, 200.0))
    assert once[..., :2] / once[..., 2:] * 2 == pytest.approx(twice[..., :2] / twice[..., 2:], rel=1e-3)


@pytest.mark.usefixtures("exported_here")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_other_backends_answer_alike(
    checkpoint: Checkpoint, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reason = missing_requirement(name, torch.device("cpu"))
    if reason:
        pytest.skip(reason)
    graph = graph_of(checkpoint)
    folder = tmp_path_factory.getbasetemp() / "engines-of-further-tasks"  # both run one ONNX file
    backend = select(name, checkpoint, graph, "float32", folder)
    expected = predicted(graph)
    found = backend.run(IMAGE[None], np.array([[CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy]], dtype=np.float32)).outputs
    assert tuple(found) == tuple(expected)
    assert np.abs(found["normals"][0] - expected["normals"]).max() < 1e-3
    assert np.abs(found["boundaries"][0].astype(int) - expected["boundaries"]).max() <= 1


def test_a_prediction_shows_and_saves_them(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with Predictor(checkpoint, "cpu") as predictor:
        prediction = predictor.predict(IMAGE, CAMERA)
    assert prediction["normals"].shape == (96, 128, 3)
    plain = dataclasses.replace(
        prediction, outputs={name: prediction[name] for name in ("depth", "labels", "confidence")}
    )
    assert prediction.panel().shape[0] > plain.panel().shape[0]
    written = prediction.save(tmp_path, kinds=("normals", "boundaries"))
    stored = cv2.imread(str(written["normals"]), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert stored.dtype == np.uint16
    assert np.abs(stored / 32767.5 - 1 - prediction["normals"]).max() < 2e-5
    boundaries = cv2.imread(str(written["boundaries"]), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(boundaries, prediction["boundaries"])
    masked = prediction.within(np.arange(128) < np.full((96, 1), 64))
    assert np.isnan(masked["normals"][:, 64:]).all()
    assert not masked["boundaries"][:, 64:].any()
    assert np.array_equal(masked["normals"][:, :64], prediction["normals"][:, :64])


def test_the_command_writes_every_kind_of_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "docs/example_room.jpg", "--write", "everything"])
    assert ended.value.code == 2
    assert f"(choose from {', '.join(map(repr, PREDICTION_FILES))})" in " ".join(capsys.readouterr().err.split())
    assert {"normals", "boundaries"} < set(PREDICTION_FILES)


def test_a_checkpoint_says_what_it_has_learnt(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "further.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.metadata)
    assert main(["info", str(path)]) == 0
    assert "depth, segmentation, normals, boundaries" in capsys.readouterr().out


def test_topics_are_those_of_the_tasks() -> None:
    assert topics_of(ALL_TASKS).keys() - topics_of(DEFAULT_TASKS).keys() == FURTHER_TOPICS
    assert topics_of((*DEFAULT_TASKS, "normals")).keys() - topics_of(DEFAULT_TASKS).keys() == {"normals/image_raw"}
    assert len({output.name for task in TASKS for output in task.outputs}) == 6
    names = [metric.name for task in TASKS for metric in task.metrics]
    assert len(set(names)) == len(names)


def test_a_bag_with_them_and_one_without(
    checkpoint: Checkpoint, tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rosbags")
    import made_bags

    from cinet_core.bags.definitions import message_store

    def cinet_bag(*arguments: object) -> int:
        return main(["bag", "run", "--device", "cpu", *map(str, arguments)])

    source = made_bags.write(tmp_path / "in", made_bags.camera(2), "mcap")
    further = tmp_path / "further.safetensors"
    save_checkpoint(further, checkpoint.model, checkpoint.metadata)
    assert cinet_bag(source, tmp_path / "out", "--weights", further) == 0
    found = {topic: (kind, data) for topic, kind, _, data in made_bags.contents(tmp_path / "out")}
    plain = {f"/{topic}" for topic in FURTHER_TOPICS if not topic.endswith("compressed")}
    assert plain <= found.keys()
    kind, data = found["/normals/image_raw"]
    message = message_store().deserialize_cdr(data, kind)
    assert (message.encoding, message.step) == ("32FC3", 12 * message.width)
    normals = np.frombuffer(message.data, np.float32).reshape(message.height, message.width, 3)
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 1e-5
    assert cinet_bag(source, tmp_path / "plain", "--weights", weights) == 0
    assert not plain & {topic for topic, *_ in made_bags.contents(tmp_path / "plain")}
    arguments = ("--outputs", "normals/image_raw")
    assert cinet_bag(source, tmp_path / "refused", "--weights", weights, *arguments) == 2
    assert "these weights have no normals/image_raw" in capsys.readouterr().err


def test_learnt_scored_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`model.tasks` adds heads to a checkpoint that has none, and what comes out is scored by `cinet eval`."""
    pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")
    from cinet_core.training.preparation import prepare
    from cinet_core.training.run import fit
    from cinet_core.training.settings import Recipe
    from cinet_core.training.settings_data import DataSettings
    from cinet_core.training.settings_model import ModelSettings
    from cinet_core.training.settings_optimizer import OptimizerSettings, StageSettings, StagesSettings
    from cinet_core.training.settings_run import RunSettings

    start = tmp_path / "start.safetensors"
    plain = trained_checkpoint(num_classes=13, label_set="nyu13")
    save_checkpoint(start, plain.model, plain.metadata)
    none = StageSettings(0, 1e-2)
    recipe = Recipe(
        "further",
        DataSettings("synthetic", options=ROOMS, label_set="nyu13", width=64, height=48, workers=0, cache=True),
        ModelSettings(checkpoint=str(start), tasks=ALL_TASKS),
        StagesSettings(none, none, StageSettings(2, 1e-2)),
        optimizer=OptimizerSettings(batch_size=4),
        run=RunSettings(str(tmp_path / "run"), accelerator="cpu", devices=1, log_every=1, pictures=2),
    )
    preparation = prepare(recipe)
    assert preparation.initialisation is not None
    assert {name.split(".")[1] for name in preparation.initialisation.reinitialised} == {"normals", "boundaries"}
    batch = next(iter(preparation.data.train_dataloader()))
    assert batch.targets["normals"].shape == (4, 3, 48, 64)
    assert batch.targets["boundaries"].shape == (4, 48, 64)
    assert batch.to("meta").targets["normals"].device.type == "meta"
    losses = preparation.module.batch_loss(batch, preparation.plan[0].losses)
    without = losses["depth"] + 0.3 * losses["segmentation"] + losses["attention"] + 5 * losses["consistency"]
    assert losses["total"].item() == pytest.approx((without + 3 * losses["normals"] + 3 * losses["boundaries"]).item())
    before = {name: value.clone() for name, value in preparation.module.model.task_heads.state_dict().items()}
    result = fit(preparation)
    after = preparation.module.model.task_heads.state_dict()
    assert all(not torch.equal(value, after[name]) for name, value in before.items())
    assert {"angle_mean", "boundary_f", "edge_accuracy", "delta1"} <= result.metrics.keys()
    learnt = load_checkpoint(result.last)
    assert learnt.metadata.config.tasks == ALL_TASKS
    report = evaluate("synthetic", result.last, options=ROOMS, device="cpu")
    metrics = report.evaluation.metrics()
    assert 0 < metrics["angle_median"] < 90
    assert 0 <= metrics["boundary_f"] <= 1
    text = "\n".join(table.markdown() for table in report.tables())
    assert "Surface normals" in text
    assert "11.25°" in text
    assert "Occlusion boundaries" in text


def test_settings_name_what_is_no_task() -> None:
    pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")
    from cinet_core.training.settings_model import ModelSettings

    with pytest.raises(ValueError, match=r"no task 'normal': .*; did you mean 'normals'"):
        ModelSettings(tasks=("depth", "segmentation", "normal"))
    with pytest.raises(ValueError, match="no task 'boundary'"):
        LossWeights(tasks={"boundary": 1.0})
    with pytest.raises(ValueError, match="its loss weight is called depth itself"):
        LossWeights(tasks={"depth": 1.0})
    with pytest.raises(ValueError, match="loss weight normals is -1"):
        LossWeights(tasks={"normals": -1.0})
    with pytest.raises(ValueError, match="every network has depth and segmentation"):
        tiny_checkpoint(tasks=("normals",))


def test_rows_of_an_ablation() -> None:
    pytest.importorskip("lightning", reason="training is an extra: pip install 'cinet[train]'")
    from cinet_core.evaluation.ablation_report import AblationReport
    from cinet_core.training.ablation import variants_named

    normals, boundaries = variants_named(["full_normals", "Full + boundaries"])
    assert (normals.tasks, boundaries.tasks) == (("normals",), ("boundaries",))
    metrics = {
        "Full": {seed: {"full/rms": 0.5 + 0.1 * seed, "mean_iou": 0.4} for seed in range(3)},
        "Full + normals": {seed: {"full/rms": 0.45 + 0.101 * seed, "angle_mean": 20.0} for seed in range(3)},
    }
    report = AblationReport("test", metrics)
    (pair,) = report.comparisons()
    assert (pair.better, pair.worse, pair.metric, pair.verdict) == ("Full + normals", "Full", "rms", "gain")
    assert "20.0" in report.markdown()
