"""Metrics against float64 NumPy written from the definitions, over sets of images with holes and void."""

import dataclasses
import math
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from cinet_core.metrics import EIGEN, PAPER, DepthMetrics, DepthProtocol, SegmentationMetrics

POOLED = dataclasses.replace(PAPER, name="pooled", size=None)
PER_IMAGE = dataclasses.replace(EIGEN, name="per image", size=(7, 9), crop=(1, 6, 2, 8), min_depth=0.5, max_depth=4.0)
REPOSITORY = Path(__file__).parents[2]
CLASSES = 6
VOID = 255
Array = NDArray[np.float64]


def make_depth(images: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = 0.3 + 5 * torch.rand(images, 7, 9, generator=generator)
    prediction = truth * torch.exp(0.3 * torch.randn(images, 7, 9, generator=generator))
    truth[0, :4], truth[1, 3, 3], truth[2, 5, 5] = 0, math.nan, math.inf
    return prediction, truth


def reference_values(d_hat: Array, d: Array) -> dict[str, float]:
    ratio = np.maximum(d_hat / d, d / d_hat)
    g = np.log(d_hat) - np.log(d)
    return {
        "delta1": np.mean(ratio < 1.25),
        "delta2": np.mean(ratio < 1.25**2),
        "delta3": np.mean(ratio < 1.25**3),
        "rms": np.sqrt(np.mean((d - d_hat) ** 2)),
        "rms_log": np.sqrt(np.mean((np.log(d) - np.log(d_hat)) ** 2)),
        "abs_rel": np.mean(np.abs(d - d_hat) / d),
        "sq_rel": np.mean((d - d_hat) ** 2 / d),
        "log10": np.mean(np.abs(np.log10(d) - np.log10(d_hat))),
        "silog": np.sqrt(np.mean(g**2) - np.mean(g) ** 2),
    }


def reference(prediction: torch.Tensor, truth: torch.Tensor, protocol: DepthProtocol, align: bool) -> dict[str, float]:
    kept, scales = [], []
    for d_hat, d in zip(prediction.double().numpy(), truth.double().numpy(), strict=True):
        inside = np.zeros(d.shape, dtype=bool)
        top, bottom, left, right = protocol.crop or (0, *d.shape[:1], 0, *d.shape[1:])
        inside[top:bottom, left:right] = True
        valid = inside & np.isfinite(d) & (d > protocol.min_depth) & (d < protocol.max_depth)
        if not valid.any():
            continue
        d_hat, d = d_hat[valid], d[valid]
        scales.append(np.log(np.median(d) / np.median(d_hat)))
        if align:
            d_hat = d_hat * np.exp(scales[-1])
        if protocol.clamp_prediction:
            d_hat = np.clip(d_hat, protocol.min_depth, protocol.max_depth)
        kept.append((d_hat, d))
    if protocol.pooling == "pixels":
        values = reference_values(*(np.concatenate(part) for part in zip(*kept, strict=True)))
        # Each image has a scale of its own, which no pooling mixes: the variance within the images.
        within = [len(d) * np.var(np.log(d_hat) - np.log(d)) for d_hat, d in kept]
        values["silog"] = float(np.sqrt(sum(within) / sum(len(d) for _, d in kept)))
    else:
        images = [reference_values(*image) for image in kept]
        values = {name: float(np.mean([image[name] for image in images])) for name in images[0]}
    return {**values, "scale_ratio": float(np.exp(np.mean(scales))), "scale_spread": float(np.std(scales))}


def scored(prediction: torch.Tensor, truth: torch.Tensor, protocol: DepthProtocol, align: bool = False) -> DepthMetrics:
    metrics = DepthMetrics(protocol, align)
    for part in (slice(0, 1), slice(1, None)):
        metrics.update(prediction[part], truth[part])
    return metrics


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("protocol", [POOLED, PER_IMAGE], ids=["pixels", "images"])
def test_depth_metrics(protocol: DepthProtocol, align: bool) -> None:
    prediction, truth = make_depth()
    assert scored(prediction, truth, protocol, align).compute() == pytest.approx(
        reference(prediction, truth, protocol, align), rel=1e-12
    )


def test_the_two_poolings_differ() -> None:
    prediction, truth = make_depth()
    images = dataclasses.replace(POOLED, pooling="images")
    assert scored(prediction, truth, POOLED).compute()["rms"] != scored(prediction, truth, images).compute()["rms"]


def test_squares_are_divided_by_the_depth_not_by_its_square() -> None:
    metrics = DepthMetrics(POOLED)
    metrics.update(torch.full((1, 2, 2), 3.0), torch.full((1, 2, 2), 4.0))
    assert metrics.compute()["sq_rel"] == pytest.approx(1 / 4)


@pytest.mark.parametrize("protocol", [POOLED, PER_IMAGE], ids=["pixels", "images"])
def test_silog_does_not_judge_the_scale_of_an_image_and_log10_does(protocol: DepthProtocol) -> None:
    prediction, truth = make_depth()
    protocol = dataclasses.replace(protocol, clamp_prediction=False)
    scales = torch.tensor([0.5, 1.0, 1.7, 3.0]).reshape(-1, 1, 1)
    before, after = (
        scored(prediction, truth, protocol).compute(),
        scored(scales * prediction, truth, protocol).compute(),
    )
    assert after["silog"] == pytest.approx(before["silog"], rel=1e-6)
    assert after["log10"] > 1.5 * before["log10"]


def test_log10_and_silog_by_hand() -> None:
    metrics = DepthMetrics(POOLED)
    metrics.update(torch.tensor([[[10.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]]))
    metrics = metrics.compute()
    assert metrics["log10"] == pytest.approx(0.5)
    assert metrics["silog"] == pytest.approx(math.log(10) / 2)


def test_the_threshold_itself_is_outside() -> None:
    metrics = DepthMetrics(POOLED)
    metrics.update(torch.tensor([[[1.25, 1.2]]]), torch.ones(1, 1, 2))
    assert metrics.compute()["delta1"] == 0.5


@pytest.mark.parametrize("protocol", [POOLED, PER_IMAGE], ids=["pixels", "images"])
def test_images_without_truth_do_not_count(protocol: DepthProtocol) -> None:
    prediction, truth = make_depth()
    metrics = scored(prediction, truth, protocol)
    before = metrics.compute()
    metrics.update(prediction[:1].unsqueeze(1), torch.zeros_like(truth[:1]))
    assert metrics.compute() == before
    assert metrics.images == 4


def test_an_empty_set_is_nan_and_a_reset_metric_is_empty() -> None:
    metrics = scored(*make_depth(), POOLED)
    metrics.reset()
    assert metrics.images == 0
    assert all(math.isnan(value) for value in metrics.compute().values())
    labels = SegmentationMetrics(CLASSES)
    assert all(math.isnan(value) for value in labels.compute().values())


def test_numbers_of_images_must_agree() -> None:
    prediction, truth = make_depth()
    with pytest.raises(ValueError, match="3 predictions for 4"):
        DepthMetrics(POOLED).update(prediction[:3], truth)


def make_labels(images: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Class 4 is predicted but never true, class 5 neither; some pixels are void or of no class."""
    generator = torch.Generator().manual_seed(3)
    truth = torch.randint(0, 4, (images, 7, 9), generator=generator)
    guess = torch.randint(0, 5, (images, 7, 9), generator=generator)
    prediction = torch.where(torch.rand(images, 7, 9, generator=generator) < 0.6, truth, guess)
    truth[0, :2], truth[1, 0, 0], truth[2, 0, 0] = VOID, CLASSES, -1
    return prediction, truth


def reference_labels(prediction: torch.Tensor, truth: torch.Tensor) -> dict[str, float]:
    p, t = prediction.numpy().ravel(), truth.numpy().ravel()
    labelled = (t >= 0) & (t < CLASSES)
    p, t = p[labelled], t[labelled]
    iou, recall = [], []
    for c in range(CLASSES):
        if (t == c).any():
            iou.append(np.sum((p == c) & (t == c)) / np.sum((p == c) | (t == c)))
            recall.append(np.mean(p[t == c] == c))
    return {"pixel_accuracy": np.mean(p == t), "mean_recall": np.mean(recall), "mean_iou": np.mean(iou)}


def test_segmentation_metrics() -> None:
    prediction, truth = make_labels()
    metrics = SegmentationMetrics(CLASSES)
    for image in range(4):
        metrics.update(prediction[image].to(torch.uint8), truth[image])
    assert metrics.compute() == pytest.approx(reference_labels(prediction, truth), rel=1e-12)


def test_mean_iou_is_of_the_set_not_of_the_images() -> None:
    """One confusion matrix: a class that one image lacks takes nothing from that image."""
    prediction, truth = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 1]]), torch.tensor([[0, 0, 0, 0], [1, 1, 1, 1]])
    metrics = SegmentationMetrics(3)
    metrics.update(prediction, truth)
    assert metrics.sums.tolist() == [[4, 0, 0], [1, 3, 0], [0, 0, 0]]
    assert metrics.class_iou().tolist()[:2] == [4 / 5, 3 / 4]
    assert math.isnan(metrics.class_iou()[2])
    assert metrics.compute()["mean_iou"] == pytest.approx((4 / 5 + 3 / 4) / 2)


def test_labels_that_cannot_be_scored_are_refused() -> None:
    metrics = SegmentationMetrics(3)
    with pytest.raises(ValueError, match=r"0 to 255.*0\.\.2"):
        metrics.update(torch.tensor([0, 255]), torch.tensor([0, 0]))
    metrics.update(torch.tensor([0, 255]), torch.tensor([0, 255]))  # void on void: nothing to score
    with pytest.raises(ValueError, match="agree in shape"):
        metrics.update(torch.zeros(2, 3), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="num_classes is 0"):
        SegmentationMetrics(0)


def test_without_a_process_group_the_reduced_metric_is_a_copy() -> None:
    metrics = scored(*make_depth(), POOLED)
    reduced = metrics.all_reduced()
    assert reduced.compute() == metrics.compute()
    metrics.reset()
    assert reduced.images == 4


def test_two_processes_score_the_whole_set(tmp_path: Path) -> None:
    """On gloo: this process has three images of the four, another one the last."""
    other = subprocess.Popen([sys.executable, __file__, str(tmp_path)], cwd=REPOSITORY)
    try:
        score_in_parallel(0, tmp_path)
        assert other.wait(timeout=60) == 0
    finally:
        other.kill()
    labels = SegmentationMetrics(CLASSES)
    labels.update(*make_labels())
    for rank in range(2):
        depth_values, label_values = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert depth_values == pytest.approx(scored(*make_depth(), PER_IMAGE).compute(), rel=1e-12)
        assert label_values == labels.compute()


def score_in_parallel(rank: int, folder: Path) -> None:
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", rendezvous, timedelta(seconds=60), rank=rank, world_size=2)
    try:
        part = (slice(0, 3), slice(3, 4))[rank]
        depth, labels = DepthMetrics(PER_IMAGE), SegmentationMetrics(CLASSES)
        depth.update(*(tensor[part] for tensor in make_depth()))
        labels.update(*(tensor[part] for tensor in make_labels()))
        torch.save((depth.all_reduced().compute(), labels.all_reduced().compute()), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    score_in_parallel(1, Path(sys.argv[1]))
