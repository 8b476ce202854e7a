"""Evaluation of a data set against metrics computed from the predictor's output with NumPy alone."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from cinet_core.checkpoint import Checkpoint, TrainingCamera, random_checkpoint
from cinet_core.data.augmentation import NO_AUGMENTATION
from cinet_core.data.check import spread
from cinet_core.data.folder import FolderDataset
from cinet_core.data.nyu_depth_v2 import FILE_NAME, NyuDepthV2
from cinet_core.data.sample import Sample, collate
from cinet_core.data.transforms import TrainingTransform
from cinet_core.evaluation import BatchMetrics
from cinet_core.evaluation.evaluate import evaluate_model, protocols_for
from cinet_core.evaluation.evaluation import Evaluation
from cinet_core.evaluation.evaluation_graph import EvaluationGraph
from cinet_core.geometry import Intrinsics
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import NYU13, NYU40
from cinet_core.metrics import EIGEN, PAPER
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_core.tasks.learning import task_learning

CAMERA = TrainingCamera(width=96, height=72, canonical_focal=80.0)
SIZES = ((64, 48), (64, 48), (101, 55), (64, 48), (40, 70))
Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """A network that decides between the classes a room is full of, and differently from pixel to pixel."""
    checkpoint = random_checkpoint("lite", seed=1)
    model, common = checkpoint.model, NYU40.ids(["wall", "floor", "ceiling", "table"])
    with torch.no_grad():
        for convolution in (model.depth_head.log_depth, model.segmentation_head.conv):
            assert convolution is not None
            convolution.weight.mul_(5)
        # An untrained network's biases and the image's mean outweigh what varies: they are taken out.
        frame = torch.from_numpy(SyntheticRoom(seed=0, width=96, height=72).render(0).image).permute(2, 0, 1)[None]
        usual = model((frame / 255 - model.image_mean) / model.image_std).logits.mean(dim=(0, 2, 3))
        bias = model.segmentation_head.conv.bias
        assert bias is not None
        bias -= usual + 100
        bias[common] += 100
    return dataclasses.replace(checkpoint, metadata=dataclasses.replace(checkpoint.metadata, camera=CAMERA))


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of three sizes; the fourth without labels, the fifth without depth and labels."""
    root = tmp_path_factory.mktemp("rooms")
    lines = []
    for index, (width, height) in enumerate(SIZES):
        room = SyntheticRoom(seed=index, width=width, height=height)
        frame, k = room.render(10), room.intrinsics
        Image.fromarray(frame.image).save(root / f"{index:05d}_00.jpg")
        lines.append(json.dumps({"frame": f"{index:05d}_00", "fx": k.fx, "fy": 1.1 * k.fy, "cx": k.cx, "cy": k.cy}))
        if index < 4:
            cv2.imwrite(str(root / f"{index:05d}_00_depth.png"), (frame.depth * 1000).astype(np.uint16))
        if index < 3:
            labels = frame.labels + np.uint8(1)
            labels[:7, :9] = 0
            cv2.imwrite(str(root / f"{index:05d}_00_label.png"), labels)
    (root / "frames.jsonl").write_text("\n".join(lines))
    return root


class SomeCameras(FolderDataset):
    """Of which two frames come from unknown cameras."""

    def _intrinsics(self, member: int, width: int, height: int) -> Intrinsics | None:
        return None if member in (1, 4) else super()._intrinsics(member, width, height)


def run(checkpoint: Checkpoint, dataset: FolderDataset | NyuDepthV2, **options: object) -> Evaluation:
    return evaluate_model(checkpoint.model, checkpoint.metadata.camera, dataset, **options)  # type: ignore[arg-type]


def predicted(checkpoint: Checkpoint, sample: Sample) -> tuple[Array, NDArray[np.uint8]]:
    """Depth and labels as they are deployed."""
    predictor = Predictor(checkpoint, "cpu", depth_range=(1e-6, 1e6))
    result = predictor.predict(sample.image.permute(1, 2, 0).numpy(), sample.intrinsics)
    return result.depth.astype(np.float64), result.labels


def depth_metrics(d_hat: Array, d: Array) -> dict[str, float]:
    ratio = np.maximum(d_hat / d, d / d_hat)
    return {
        "delta1": float(np.mean(ratio < 1.25)),
        "rms": float(np.sqrt(np.mean((d - d_hat) ** 2))),
        "rms_log": float(np.sqrt(np.mean((np.log(d) - np.log(d_hat)) ** 2))),
        "abs_rel": float(np.mean(np.abs(d - d_hat) / d)),
    }


def label_metrics(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    known = truth != 255
    prediction, truth = prediction[known], truth[known]
    ious = []
    for label in np.unique(truth):
        mine, true = prediction == label, truth == label
        ious.append(np.sum(mine & true) / np.sum(mine | true))
    return {"pixel_accuracy": float(np.mean(prediction == truth)), "mean_iou": float(np.mean(ious))}


def chosen(metrics: object, names: dict[str, float]) -> dict[str, float]:
    return {name: metrics[name] for name in names}  # type: ignore[index]


@pytest.mark.parametrize("batch", [1, 3])
def test_against_the_deployed_predictions(checkpoint: Checkpoint, rooms: Path, batch: int) -> None:
    dataset = SomeCameras(rooms, "all")
    result = run(checkpoint, dataset, batch=batch)
    samples = [dataset[index] for index in range(len(dataset))]
    pairs: dict[bool, list[tuple[Array, Array]]] = {False: [], True: []}
    scales, labels = [], []
    for sample in samples:
        depth, ids = predicted(checkpoint, sample)
        if sample.has_depth:
            truth = sample.depth.double().numpy()
            d_hat, d = depth[truth > 0], truth[truth > 0]
            scales.append(np.median(d) / np.median(d_hat))
            pairs[False].append((d_hat, d))
            pairs[True].append((d_hat * scales[-1], d))
        if sample.has_labels:
            labels.append((ids.ravel(), sample.labels.numpy().ravel()))
    for score in result.depth:
        expected = depth_metrics(*(np.concatenate(part) for part in zip(*pairs[score.aligned], strict=True)))
        assert chosen(score.metrics, expected) == pytest.approx(expected, rel=1e-4)
        assert score.metrics["scale_ratio"] == pytest.approx(np.exp(np.mean(np.log(scales))), rel=1e-5)
        assert score.metrics["scale_spread"] == pytest.approx(np.std(np.log(scales)), rel=1e-4)
        assert score.images == 4
        assert score.rules == "full: own depth, any size, no crop, 0 < d < 65.534 m, pixel-pooled"
    assert [score.aligned for score in result.depth] == [False, True]
    deployed = result.labels[1]
    assert deployed.order == "argmax-resize"
    expected = label_metrics(*(np.concatenate(part) for part in zip(*labels, strict=True)))
    assert chosen(deployed.metrics, expected) == pytest.approx(expected, abs=2e-3)  # a logit may round the other way
    assert 0.05 < expected["pixel_accuracy"] < 0.95
    counts = result.counts
    assert dataclasses.astuple(counts) == (5, 4, 3, 3, 5)
    assert result.network_sizes == ((64, 112), (96, 72), (120, 64))
    assert result.complete


def test_labels_are_decided_after_resizing(checkpoint: Checkpoint, rooms: Path) -> None:
    dataset = FolderDataset(rooms, "all")
    score = run(checkpoint, dataset, limit=5).labels[0]
    assert score.order == "resize-argmax"
    found, truth = [], []
    for index in range(3):
        sample = dataset[index]
        width, height = sample.size
        graph = EvaluationGraph(checkpoint.model, CAMERA, (height, width))
        with torch.inference_mode():
            output, _ = graph.predict(sample.image[None], [sample.intrinsics])
            logits = F.interpolate(output.logits, (height, width), mode="bilinear", align_corners=False)
        found.append(logits[0].argmax(dim=0).numpy().ravel())
        truth.append(sample.labels.numpy().ravel())
    prediction, true = np.concatenate(found), np.concatenate(truth)
    expected = label_metrics(prediction, true)
    assert chosen(score.metrics, expected) == pytest.approx(expected, abs=2e-3)
    assert set(score.class_iou) == set(NYU40.classes)
    occurring = {NYU40.classes[label] for label in np.unique(true) if label != 255}
    assert {name for name, iou in score.class_iou.items() if iou is not None} == occurring


def test_batches_and_progress_change_nothing(checkpoint: Checkpoint, rooms: Path) -> None:
    dataset = FolderDataset(rooms, "all")
    ticks: list[int] = []
    one = run(checkpoint, dataset, batch=1)
    three = run(checkpoint, dataset, batch=3, progress=lambda: ticks.append(1))
    assert len(ticks) == 5
    assert three.metrics() == pytest.approx(one.metrics(), rel=1e-4, abs=2e-3)
    assert {"full/rms", "full/delta1", "mean_iou", "attention/average_precision"} <= set(one.metrics())
    assert json.loads(json.dumps(one.to_dict(), allow_nan=False)) == one.to_dict()


def test_the_mode_and_the_weights_stay(checkpoint: Checkpoint, rooms: Path) -> None:
    before = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    checkpoint.model.train()
    try:
        run(checkpoint, FolderDataset(rooms, "all"), limit=2)
        assert checkpoint.model.training
    finally:
        checkpoint.model.eval()
    run(checkpoint, FolderDataset(rooms, "all"), limit=2)
    assert not checkpoint.model.training
    assert all(torch.equal(value, before[name]) for name, value in checkpoint.model.state_dict().items())


def test_broken_frames_are_named_and_passed_over(checkpoint: Checkpoint, rooms: Path, tmp_path: Path) -> None:
    for path in rooms.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / "00001_00_depth.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    result = run(checkpoint, FolderDataset(tmp_path, "all"))
    assert [frame.name for frame in result.broken] == ["00001_00"]
    assert str(damaged) in result.broken[0].reason
    assert (result.counts.frames, result.counts.available) == (4, 5)
    assert not result.complete


def test_labels_of_another_set_are_mapped_or_refused(checkpoint: Checkpoint, rooms: Path) -> None:
    coarse = random_checkpoint("lite", label_set="nyu13", seed=1)
    coarse = dataclasses.replace(coarse, metadata=dataclasses.replace(coarse.metadata, camera=CAMERA))
    result = run(coarse, FolderDataset(rooms, "all", label_set=NYU13), limit=2)
    assert (result.label_set, result.own_label_set) == ("nyu13", "nyu40")
    assert set(result.labels[0].class_iou) == set(NYU13.classes)
    coarse_id = np.array([*NYU40.groupings["nyu13"].lookup[:40], *[255] * 216])
    dataset, found, truth = FolderDataset(rooms, "all"), [], []
    for index in spread(len(dataset), 2):
        sample = dataset[index]
        if sample.has_labels:
            found.append(predicted(coarse, sample)[1].ravel())
            truth.append(coarse_id[sample.labels.numpy().ravel()])
    expected = label_metrics(np.concatenate(found), np.concatenate(truth))
    assert chosen(result.labels[1].metrics, expected) == pytest.approx(expected, abs=2e-3)
    assert expected["mean_iou"] > 0.02
    with pytest.raises(
        ValueError, match="serves the 40 classes of 'nyu40', the network predicts 13: open the data set"
    ):
        evaluate_model(coarse.model, CAMERA, FolderDataset(rooms, "all"))


def test_a_folder_with_the_name_of_a_benchmark_is_none(checkpoint: Checkpoint, rooms: Path, tmp_path: Path) -> None:
    root = tmp_path / "nyu_depth_v2"
    shutil.copytree(rooms, root)
    result = run(checkpoint, FolderDataset(root, "all"), limit=1)
    assert (result.dataset, result.benchmark) == ("nyu_depth_v2", None)
    assert [score.protocol for score in result.depth] == ["full", "full"]


def test_protocols_read_the_depth_that_they_name(checkpoint: Checkpoint, rooms: Path) -> None:
    dataset = FolderDataset(rooms, "all")
    dataset.depth_source = "raw"  # as SUN RGB-D opened with depth="raw"
    (protocol,) = protocols_for(dataset)
    assert str(protocol).startswith("full: raw depth")
    assert run(checkpoint, dataset, limit=1).depth[0].rules == str(protocol)
    with pytest.raises(ValueError, match=r"protocol 'any' needs filled depth: open .* with depth='filled'"):
        run(checkpoint, dataset, protocols=[dataclasses.replace(PAPER, name="any", size=None)])


def test_without_truth_there_are_no_figures(checkpoint: Checkpoint, rooms: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.jpg").write_bytes((rooms / "00000_00.jpg").read_bytes())
    result = run(checkpoint, FolderDataset(tmp_path, "all"))
    assert result.counts.frames == 1
    assert (result.depth, result.labels, result.attention, result.metrics()) == ((), (), None, {})


def test_a_network_without_attention(rooms: Path) -> None:
    baseline = random_checkpoint("lite", scene_understanding=False, sharing="none")
    result = evaluate_model(baseline.model, CAMERA, FolderDataset(rooms, "all"), limit=2)
    assert result.attention is None
    assert result.labels


def write_nyu(path: Path, written: dict[int, tuple[Array, Array]]) -> None:
    """The official layout, axes reversed; depths (filled, raw) of some images, the rest is empty."""
    h5py = pytest.importorskip("h5py", reason="the .mat file is HDF5: needs the extra `train`")
    shapes = {"images": (1449, 3, 640, 480), "labels": (1449, 640, 480)}
    shapes |= {"depths": (1449, 640, 480), "rawDepths": (1449, 640, 480)}
    types = {"images": "u1", "labels": "u2", "depths": "f4", "rawDepths": "f4"}
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            file.create_dataset(name, shape, types[name], chunks=(1, *shape[1:]), compression="gzip")
        for image, (filled, raw) in written.items():
            noise = random.integers(0, 256, size=(3, 16, 12), dtype=np.uint8)
            file["images"][image] = noise.repeat(40, axis=1).repeat(40, axis=2)
            file["labels"][image] = random.integers(0, 895, size=(64, 48)).repeat(10, axis=0).repeat(10, axis=1)
            file["depths"][image], file["rawDepths"][image] = filled.T, raw.T


def test_both_protocols_of_nyu(checkpoint: Checkpoint, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    written = {}
    for image in (358, 1099):  # images 0 to 1448; both are in the test set
        filled = random.uniform(0.5, 12.0, size=(480, 640))
        written[image] = filled, np.where(random.uniform(size=filled.shape) < 0.3, 0, filled)
    write_nyu(tmp_path / FILE_NAME, written)
    sets = {depth: NyuDepthV2(tmp_path, "test", depth=depth) for depth in ("filled", "raw")}  # type: ignore[arg-type]
    names = [f"nyu_{image + 1:04d}" for image in written]
    places = [index for index in range(654) if sets["filled"].name(index) in names]
    assert len(places) == 2
    for dataset in sets.values():
        dataset._members = tuple(dataset._members[place] for place in places)
    result = run(checkpoint, sets["filled"], raw=sets["raw"])

    pooled, per_image = [], []
    for index, (filled, raw) in enumerate(written.values()):
        depth, _ = predicted(checkpoint, sets["filled"][index])
        pooled.append((depth.ravel(), filled.astype(np.float32).astype(np.float64).ravel()))
        d_hat, d = depth[45:471, 41:601], raw.astype(np.float32).astype(np.float64)[45:471, 41:601]
        counted = (d > 1e-3) & (d < 10)
        per_image.append(depth_metrics(np.clip(d_hat[counted], 1e-3, 10), d[counted]))
    expected = depth_metrics(*(np.concatenate(part) for part in zip(*pooled, strict=True)))
    assert result.benchmark == "nyu_depth_v2"
    paper, aligned, eigen, _ = result.depth
    assert (paper.rules, eigen.rules, aligned.aligned) == (str(PAPER), str(EIGEN), True)
    assert chosen(paper.metrics, expected) == pytest.approx(expected, rel=1e-4)
    means = {name: float(np.mean([image[name] for image in per_image])) for name in expected}
    assert chosen(eigen.metrics, means) == pytest.approx(means, rel=1e-4)

    with pytest.raises(ValueError, match="protocol 'eigen' needs raw depth"):
        run(checkpoint, sets["filled"])
    with pytest.raises(ValueError, match="raw depth has 654 frames of split 'test', the data set 2"):
        run(checkpoint, sets["filled"], raw=NyuDepthV2(tmp_path, "test", depth="raw"))


def test_batches_of_training_are_scored_in_metric_metres(checkpoint: Checkpoint, rooms: Path) -> None:
    dataset = FolderDataset(rooms, "all")
    transform = TrainingTransform(96, 72, CAMERA.canonical_focal, NO_AUGMENTATION)
    samples = [transform(dataset[index]) for index in range(5)]
    metrics = BatchMetrics(task_learning(DEFAULT_TASKS), 40, CAMERA.canonical_focal)
    depths, truths, labels = [], [], []
    for part in (samples[:2], samples[2:4], samples[4:]):
        batch = collate(part)
        model = checkpoint.model
        with torch.inference_mode():
            output = model((batch.images / 255 - model.image_mean) / model.image_std)
        metrics.update(output, batch)
        for index, sample in enumerate(part):
            scale = sample.focal / CAMERA.canonical_focal
            known = sample.depth.numpy() > 0
            depths.append(output.depth[index, 0].double().numpy()[known] * scale)
            truths.append(sample.depth.double().numpy()[known] * scale)
            logits = F.interpolate(output.logits[index : index + 1], (72, 96), mode="bilinear", align_corners=False)
            labels.append((logits[0].argmax(dim=0).numpy().ravel(), sample.labels.numpy().ravel()))
    assert len({sample.focal for sample in samples}) > 1
    expected = depth_metrics(np.concatenate(depths), np.concatenate(truths))
    expected |= label_metrics(*(np.concatenate(part) for part in zip(*labels, strict=True)))
    assert chosen(metrics.compute(), expected) == pytest.approx(expected, rel=1e-5)

    reduced = metrics.all_reduced()
    metrics.reset()
    assert metrics.compute() == {}
    assert chosen(reduced.compute(), expected) == pytest.approx(expected, rel=1e-5)
    metrics.update(output, collate(samples[4:]))  # this frame has no truth
    assert metrics.compute() == {}


def test_real_frames(checkpoint: Checkpoint, shared_data: Path) -> None:
    dataset = FolderDataset(shared_data / "rendered_rooms", "test")
    result = run(checkpoint, dataset, limit=4)
    assert result.counts == dataclasses.replace(result.counts, frames=4, with_depth=4, with_labels=4, with_camera=4)
    assert all(math.isfinite(value) for value in result.metrics().values())
    attention = result.attention
    assert attention is not None
    assert 0 < attention["chance_precision"] < 0.5
    assert attention["constant_bce"] < math.log(2)
