"""Evaluates a network on a split of a data set with the graph that is deployed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from cinet_core.checkpoint import TrainingCamera
from cinet_core.data.check import spread
from cinet_core.data.frame_files import SourceError
from cinet_core.data.nyu_depth_v2 import META as NYU
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.evaluation.evaluation import BrokenFrame, Evaluation
from cinet_core.evaluation.scorers import ScoredFrame
from cinet_core.evaluation.scores import BackendFor, Scores
from cinet_core.evaluation.views import PLAIN, Views
from cinet_core.metrics.protocols import EIGEN, FULL, PAPER, DepthProtocol
from cinet_core.model.cinet import CINet

__all__ = ["evaluate_model", "protocols_for"]


def protocols_for(dataset: SceneDataset) -> tuple[DepthProtocol, ...]:
    """Return the protocols under which a data set is evaluated.

    NYU-Depth-v2 has two published ones. Any other set gets every pixel with a depth below what its sensor can measure,
    of the depth maps that it was opened with.
    """
    if dataset.meta.benchmark == NYU.benchmark:
        return PAPER, EIGEN
    return (replace(FULL, truth=dataset.depth_source, max_depth=dataset.meta.depth_range[1]),)


def evaluate_model(
    model: CINet,
    camera: TrainingCamera,
    dataset: SceneDataset,
    *,
    raw: SceneDataset | None = None,
    protocols: Sequence[DepthProtocol] | None = None,
    device: torch.device | str = "cpu",
    backend_for: BackendFor | None = None,
    batch: int = 4,
    limit: int | None = None,
    views: Views = PLAIN,
    progress: Callable[[], None] | None = None,
) -> Evaluation:
    """Run a network over full-resolution frames and evaluate its predictions at their size.

    Images are resized, and depth becomes metric, by the deployable graph; an unknown camera is taken to be the
    canonical one, as the predictor does. A frame that cannot be read is passed over and named. Stability is measured
    where the data set knows poses (`PosedDataset`), between frames of one recording that follow one another in it.

    Args:
        model: the network; it is moved to `device`, runs in evaluation mode, and is left in the mode it was in.
        camera: of its training.
        dataset: what to score, its labels mapped to the network's classes (its option `label_set`).
        raw: the same frames with the sensor's own depth, for protocols whose truth is "raw"; may be `dataset`.
        protocols: for depth; None for `protocols_for`.
        device: to run on. All metrics are summed up on the CPU in float64.
        backend_for: makes what runs the network at one size, such as `selection.select` in the precision that is to be
            judged. It gives predictions only: labels as deployed, nothing of the attention. None: PyTorch in float32.
        batch: images at a time, as far as consecutive ones have the same size.
        limit: score only this many frames, spread evenly over the split.
        views: of each image, that depth and labels are averaged over; see `AugmentedGraph`.
        progress: called after each frame.

    Raises:
        ValueError: the data set has other classes than the network, `raw` is missing or another set, a protocol does
            not fit the frames, the network's depth is not finite and positive, or several views are asked of a backend.
    """
    if len(views) > 1 and backend_for is not None:
        raise ValueError(
            f"test-time augmentation {views} averages logits, and a backend gives labels: use PyTorch in float32"
        )
    protocols = protocols_for(dataset) if protocols is None else tuple(protocols)
    _check(model, dataset, raw, protocols)
    scores = Scores(model, camera, dataset, protocols, backend_for, views)
    numbers = spread(len(dataset), limit)
    with _evaluating(model.to(device)), torch.inference_mode():
        waiting: list[ScoredFrame] = []
        for number in numbers:
            try:
                frame = _read(dataset, raw, number)
            except SourceError as error:
                scores.broken.append(BrokenFrame(dataset.name(number), str(error)))
            else:
                if waiting and (len(waiting) == batch or waiting[0].sample.size != frame.sample.size):
                    scores.add(waiting)
                    waiting = []
                waiting.append(frame)
            if progress is not None:
                progress()
        if waiting:
            scores.add(waiting)
    return scores.evaluation()


def _read(dataset: SceneDataset, raw: SceneDataset | None, number: int) -> ScoredFrame:
    sample = dataset[number]
    other = sample if raw is dataset else raw[number] if raw is not None else None
    if not isinstance(dataset, PosedDataset):
        return ScoredFrame(number, sample, other, None)
    return ScoredFrame(number, sample, other, dataset.pose(number), dataset.world(number))


def _check(model: CINet, dataset: SceneDataset, raw: SceneDataset | None, protocols: Sequence[DepthProtocol]) -> None:
    classes = len(dataset.label_set.classes)
    if classes != model.config.num_classes:
        raise ValueError(
            f"{dataset.meta.name} serves the {classes} classes of {dataset.label_set.name!r}, the network predicts "
            f"{model.config.num_classes}: open the data set with the network's label_set"
        )
    for protocol in protocols:
        if protocol.truth == "raw" and raw is None and dataset.depth_source != "raw":
            raise ValueError(
                f"protocol {protocol.name!r} needs raw depth: open {dataset.meta.name} with it too, as `raw`"
            )
        if protocol.truth == "filled" and dataset.depth_source == "raw":
            raise ValueError(
                f"protocol {protocol.name!r} needs filled depth: open {dataset.meta.name} with depth='filled'"
            )
    if raw is not None and (len(raw) != len(dataset) or raw.split != dataset.split):
        raise ValueError(
            f"raw depth has {len(raw)} frames of split {raw.split!r}, the data set {len(dataset)} of "
            f"{dataset.split!r}: open both in the same way"
        )


@contextlib.contextmanager
def _evaluating(model: CINet) -> Iterator[None]:
    """Evaluation mode, and back to training mode where the model came from there."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        if training:
            model.train()
