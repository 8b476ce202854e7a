"""Calibration: a temperature for the confidence of labels, a factor for the uncertainty of depth, on held-out frames.

Both become part of the weights, so that every backend has them at no cost: logits divided by T are those of a last
convolution that is divided by T, and b times k has ln k more in the bias of its head. The labels stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cinet_core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cinet_core.data.check import spread
from cinet_core.data.registry import open_for_network
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.evaluation.evaluation_graph import EvaluationGraph
from cinet_core.inference.choices import AUTO
from cinet_core.label_sets import UNLABELLED
from cinet_core.metrics.calibration import ConfidenceMetrics
from cinet_core.metrics.uncertainty import UncertaintyMetrics
from cinet_core.progress import SILENT, Progress
from cinet_core.tasks import UNCERTAINTY
from cinet_core.tasks.learning.uncertainty import predicted_scale

__all__ = [
    "Calibration",
    "CalibrationPixels",
    "calibrate",
    "calibrated",
    "collect_pixels",
    "fit_factor",
    "fit_temperature",
]

METRICS_KEY = "calibration"
# Of each frame: neighbours say the same.
PIXELS = 2000
# Temperatures that are tried: a network is hardly ever wrong about its logits by more.
COLDEST, HOTTEST = 0.1, 10.0
GOLDEN = (math.sqrt(5) - 1) / 2
SEARCH_STEPS = 40


@dataclass(frozen=True, eq=False)
class CalibrationPixels:
    """Random pixels of frames with a truth.

    Attributes:
        logits: (N, C) of the network.
        labels: (N,) true class ids of these.
        depth, true_depth, scale: (M,) metric depth, the truth, and b of ln depth; empty without uncertainty.
        frames: they are of.
    """

    logits: Tensor
    labels: Tensor
    depth: Tensor
    true_depth: Tensor
    scale: Tensor
    frames: int

    def metrics(self, temperature: float = 1.0, factor: float = 1.0) -> dict[str, float]:
        """Calibration error and the like (`ConfidenceMetrics`, `UncertaintyMetrics`), after both."""
        found: dict[str, float] = {}
        if len(self.labels):
            confidence, predicted = (self.logits / temperature).softmax(dim=1).max(dim=1)
            labels = ConfidenceMetrics()
            labels.update(confidence, predicted == self.labels)
            found |= labels.compute()
        if len(self.scale):
            uncertainty = UncertaintyMetrics()
            uncertainty.update(*(values[None, None] for values in (self.depth, self.true_depth, factor * self.scale)))
            found |= uncertainty.compute()
        return found


@dataclass(frozen=True)
class Calibration:
    """What a calibration found; stored as `metrics["calibration"]` with the weights.

    Attributes:
        temperature: T, that logits were divided by; 1 where no frame has labels.
        uncertainty_factor: k, that the scale of ln depth was multiplied by; None where the network has none.
        fitted_on: data set and split, with the number of frames.
        before, after: of these frames, see `CalibrationPixels.metrics`.
        checked_on: frames that nothing was fitted on, likewise; None where there are none.
        check_before, check_after: of these.
        path: of the calibrated checkpoint; None where nothing was written.
    """

    temperature: float
    uncertainty_factor: float | None
    fitted_on: str
    before: dict[str, float]
    after: dict[str, float]
    checked_on: str | None = None
    check_before: dict[str, float] | None = None
    check_after: dict[str, float] | None = None
    path: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, without the path."""
        values = asdict(self)
        del values["path"]
        return values


def calibrate(
    data: str | Path,
    weights: str | Path,
    output: str | Path | None = None,
    *,
    split: Split = "validation",
    check: Split | None = "test",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    progress: Progress = SILENT,
) -> Calibration:
    """Fit temperature and uncertainty factor of a checkpoint on held-out frames, and write it with both in its weights.

    Args:
        data: a data set (docs/training.md).
        weights: the checkpoint, or "default".
        output: where the calibrated checkpoint goes; None writes nothing, and only measures.
        split: to fit on: what the training chose its checkpoint by, never what it learnt from.
        check: a split to measure both on that they were not fitted on; None: none.
        kind: of data set; "auto" detects it from the files.
        options: keyword arguments of the data set's class.
        limit: take at most this many frames of a split, evenly spread; None = all.
        progress: is told of the frames.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: the data cannot be read, or no frame has labels.
        OSError: the output cannot be written.
    """
    checkpoint = load_checkpoint(weights)
    given, label_set = dict(options or {}), checkpoint.metadata.label_set

    def pixels_of(part: Split) -> tuple[CalibrationPixels, str]:
        dataset = open_for_network(data, part, kind, given, label_set)
        progress.begin(f"{dataset.meta.name}, {part}", min(len(dataset), limit or len(dataset)))
        pixels = collect_pixels(checkpoint, dataset, limit, progress)
        return pixels, f"{dataset.meta.name}, {part}, {pixels.frames} frames"

    pixels, described = pixels_of(split)
    if not len(pixels.labels):
        raise ValueError(f"no frame of {described} has labels: confidence cannot be calibrated on it")
    temperature = fit_temperature(pixels.logits, pixels.labels)
    factor = fit_factor(pixels.depth, pixels.true_depth, pixels.scale) if len(pixels.scale) else None
    fitted = Calibration(
        temperature, factor, described, pixels.metrics(), pixels.metrics(temperature, 1.0 if factor is None else factor)
    )
    if check is not None:
        others, described = pixels_of(check)
        after = others.metrics(temperature, 1.0 if factor is None else factor)
        fitted = replace(fitted, checked_on=described, check_before=others.metrics(), check_after=after)
    if output is None:
        return fitted
    changed = calibrated(checkpoint, fitted)
    save_checkpoint(output, changed.model, changed.metadata)
    return replace(fitted, path=Path(output))


def collect_pixels(
    checkpoint: Checkpoint, dataset: SceneDataset, limit: int | None = None, progress: Progress = SILENT
) -> CalibrationPixels:
    """Run a network over frames, as it is deployed, and keep `PIXELS` random pixels of each; the same in every run."""
    model, metadata = checkpoint.model.eval(), checkpoint.metadata
    generator = torch.Generator().manual_seed(0)
    graphs: dict[tuple[int, int], EvaluationGraph] = {}
    kept: dict[str, list[Tensor]] = {name: [] for name in ("logits", "labels", "depth", "true_depth", "scale")}
    numbers = spread(len(dataset), limit)
    for done, number in enumerate(numbers):
        sample = dataset[number]
        width, height = sample.size
        graph = graphs.setdefault((height, width), EvaluationGraph(model, metadata.camera, (height, width)))
        with torch.inference_mode():
            output, outputs = graph.predict(sample.image[None], [sample.intrinsics])
        if sample.has_labels:
            logits = output.logits[0].float()
            truth = _nearest(sample.labels, logits.shape[-2:]).long()
            chosen = _drawn((truth != UNLABELLED) & (truth < len(logits)), generator)
            kept["logits"].append(logits.flatten(1)[:, chosen].T)
            kept["labels"].append(truth.flatten()[chosen])
        if sample.has_depth and UNCERTAINTY.name in output.extra:
            depth = outputs["depth"][0]
            truth = _nearest(sample.depth, depth.shape)
            chosen = _drawn((truth > 0) & torch.isfinite(truth) & torch.isfinite(depth), generator)
            kept["depth"].append(depth.flatten()[chosen])
            kept["true_depth"].append(truth.flatten()[chosen])
            kept["scale"].append(predicted_scale(output.extra[UNCERTAINTY.name][0, 0]).flatten()[chosen])
        progress.advance(done + 1)
    empty = {"logits": torch.zeros(0, metadata.config.num_classes), "labels": torch.zeros(0, dtype=torch.int64)}
    joined = {name: torch.cat(values) if values else empty.get(name, torch.zeros(0)) for name, values in kept.items()}
    return CalibrationPixels(**joined, frames=len(numbers))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """T of Guo 2017: of which logits / T give the true labels the greatest likelihood.

    It is convex in 1 / T, and is found by golden section over ln T.

    Args:
        logits: (N, C).
        labels: (N,) class ids.
    """
    values, truth = logits.double(), labels.long()

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(values / math.exp(log_temperature), truth).item()

    low, high = math.log(COLDEST), math.log(HOTTEST)
    for _ in range(SEARCH_STEPS):
        first, second = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, second) if loss(first) < loss(second) else (first, high)
    return math.exp((low + high) / 2)


def fit_factor(depth: Tensor, true_depth: Tensor, scale: Tensor) -> float:
    """k for which k b gives the errors of ln depth the greatest Laplace likelihood: the mean of ``|error| / b``.

    Args:
        depth, true_depth: (M,) metres, > 0.
        scale: (M,) b, > 0.
    """
    return ((depth.double().log() - true_depth.double().log()).abs() / scale.double()).mean().item()


def calibrated(checkpoint: Checkpoint, calibration: Calibration) -> Checkpoint:
    """The checkpoint with temperature and factor in its weights, and with both in its metadata.

    A second calibration starts from the first one's weights; its temperature is that beyond it. The checkpoint's own
    model is changed.
    """
    model, metadata = checkpoint.model, checkpoint.metadata
    with torch.no_grad():
        for parameter in model.segmentation_head.parameters():
            parameter.div_(calibration.temperature)
        if calibration.uncertainty_factor is not None:
            head: Any = model.task_heads[UNCERTAINTY.name]
            head.conv.bias += math.log(calibration.uncertainty_factor)
    metrics = {**metadata.metrics, METRICS_KEY: calibration.to_dict()}
    return replace(checkpoint, metadata=replace(metadata, metrics=metrics))


def _nearest(values: Tensor, size: Any) -> Tensor:
    """(H, W) -> size, nearest-exact, same type."""
    return F.interpolate(values[None, None].float(), size=tuple(size), mode="nearest-exact")[0, 0].to(values.dtype)


def _drawn(valid: Tensor, generator: torch.Generator) -> Tensor:
    """Flat indices of at most `PIXELS` random valid pixels."""
    places = valid.flatten().nonzero().squeeze(1)
    return places[torch.randperm(len(places), generator=generator)[:PIXELS]]
