"""Evaluates a checkpoint on a data set and reports the metrics beside the published results."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cinet_core.checkpoint import DEFAULT_WEIGHTS, Checkpoint, named_checkpoint
from cinet_core.data.check import first_look
from cinet_core.data.registry import resolved_kind
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.evaluation.evaluate import evaluate_model
from cinet_core.evaluation.evaluation import Evaluation
from cinet_core.evaluation.report import DataOrigin, EvaluationReport
from cinet_core.evaluation.scored_data import open_scored
from cinet_core.evaluation.scores import BackendFor
from cinet_core.evaluation.views import PLAIN, Views
from cinet_core.inference.availability import TORCH, check_backend, resolve_precision
from cinet_core.inference.backend import Backend
from cinet_core.inference.choices import AUTO, FLOAT32
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.selection import select
from cinet_core.inference.torch_backend import resolve_device
from cinet_core.progress import SILENT, Progress

__all__ = ["evaluate"]


def evaluate(
    data: str | Path,
    weights: str | Path = DEFAULT_WEIGHTS,
    *,
    split: Split = "test",
    kind: str = AUTO,
    options: Mapping[str, Any] | None = None,
    config: str | None = None,
    device: str = AUTO,
    backend: str = TORCH,
    precision: str = AUTO,
    batch: int = 4,
    limit: int | None = None,
    tta: str = str(PLAIN),
    progress: Progress = SILENT,
) -> EvaluationReport:
    """Evaluate a checkpoint on a split of a data set, under every protocol of the data set.

    >>> import cinet_core
    >>> small = {"test_length": 2, "width": 64, "height": 48}
    >>> report = cinet_core.evaluate("synthetic", "random", options=small, device="cpu")
    >>> report.evaluation.counts.frames, report.warnings()[0]
    (2, 'RANDOM WEIGHTS: nothing was learnt, these metrics mean nothing')

    Args:
        data: nyu_depth_v2_labeled.mat, the folder of SUN RGB-D, a folder of frames, or "synthetic".
        weights: a checkpoint, "default", or "random".
        split: "train", "validation", "trainval", "test" or "all".
        kind: kind of data set; "auto" detects it from the files.
        options: keyword arguments of the data set's class.
        config: network of "random", a name in `CONFIGS`; None = the default, `DEFAULT_CONFIG`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        backend: what runs the network. Another one than "torch" is judged as deployed, by its depth and labels alone,
            and prepared anew for each size of image.
        precision: that it runs in; "auto" is float32 with "torch": metrics are compared.
        batch: images at a time.
        limit: evaluate at most this many frames, evenly spread; None = all.
        tta: test-time augmentation: "none", or "flip" and scales with commas between, such as "flip,0.75,1.25": depth
            and labels are averages over the views (`AugmentedGraph`), at a multiple of the time; with PyTorch in
            float32 only. No published result of the paper is said to have any.
        progress: receives the progress over the frames, and warnings about the data set.

    Returns:
        The metrics (`EvaluationReport.evaluation`), where they come from, and tables beside the published ones; where
        the data set undoes the distortion of a lens, those of the images as recorded beside them, too. Frames
        that could not be read are in `EvaluationReport.evaluation.broken`.

    Raises:
        CheckpointError: the weights cannot be read.
        SourceError, ValueError: no such data set, backend, device, precision or view, or they do not go together.
        OSError: a file cannot be read.
        torch.OutOfMemoryError: the memory of the GPU is full; use a smaller `batch`.
    """
    views = Views.parse(tta)
    checkpoint = named_checkpoint(weights, config)
    given = dict(options or {})
    dataset, raw = open_scored(data, split, kind, given, checkpoint.metadata.label_set)
    for warning in first_look(dataset):
        progress.warn(warning)
    precision = _resolved(precision, backend, device)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress.advance(done)

    recorded = dataset.as_recorded()
    with tempfile.TemporaryDirectory() as folder:
        frames = min(len(dataset), limit or len(dataset))
        progress.begin(f"{dataset.meta.name}, {dataset.split}", frames * (1 if recorded is None else 2))
        backend_for = _backend_for(backend, precision, device, checkpoint, Path(folder))

        def scored(frames: SceneDataset, raw: SceneDataset | None) -> Evaluation:
            return evaluate_model(
                checkpoint.model,
                checkpoint.metadata.camera,
                frames,
                raw=raw,
                device=resolve_device(device),
                backend_for=backend_for,
                batch=batch,
                limit=limit,
                views=views,
                progress=advance,
            )

        evaluation = scored(dataset, raw)
        unrectified = None if recorded is None else scored(recorded, None)
    origin = DataOrigin(str(data), resolved_kind(data, kind), given)
    return EvaluationReport(evaluation, origin, checkpoint.metadata, checkpoint.sha256, precision, unrectified)


def _resolved(precision: str, backend: str, device: str) -> str:
    """What the network is run in. PyTorch keeps to float32 unless another one is asked for: metrics are compared."""
    if precision == AUTO and backend == TORCH:
        return FLOAT32
    return resolve_precision(precision, resolve_device(device))


def _backend_for(backend: str, precision: str, device: str, checkpoint: Checkpoint, folder: Path) -> BackendFor | None:
    """Makes the backend that was asked for; None where PyTorch runs in float32, which gives more to be judged.

    Args:
        backend, precision, device: asked for; not "auto" in precision.
        checkpoint: to be scored.
        folder: for what is built; not the cache, in which a node's graphs would have to make room for these.
    """
    if (backend, precision) == (TORCH, FLOAT32):
        return None
    check_backend(backend, precision, resolve_device(device))

    def make(graph: DeployableGraph) -> Backend:
        try:
            return select(backend, checkpoint, graph, precision, folder)
        except RuntimeError as error:  # whatever the runtime has against the graph, or its answer
            raise ValueError(f"backend {backend} in {precision}: {error}") from error

    return make
