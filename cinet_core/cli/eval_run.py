"""``cinet eval``: a checkpoint and a data set in, figures beside the published ones out."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cinet_core.atomic_file import write_whole
from cinet_core.checkpoint import Checkpoint, CheckpointError
from cinet_core.cli.weights import RANDOM, named_checkpoint
from cinet_core.data.check import first_look
from cinet_core.data.registry import resolved_kind
from cinet_core.data.scene_dataset import SceneDataset
from cinet_core.evaluation.evaluate import BackendFor, evaluate
from cinet_core.evaluation.evaluation import Evaluation
from cinet_core.evaluation.report import DataOrigin, Report
from cinet_core.evaluation.scored_data import open_scored
from cinet_core.inference.backend import Backend
from cinet_core.inference.choices import AUTO, FLOAT32
from cinet_core.inference.graph import DeployableGraph
from cinet_core.inference.selection import TORCH, check_backend, resolve_precision, select
from cinet_core.inference.torch_backend import resolve_device


def run_evaluation(options: argparse.Namespace) -> int:
    """Score a checkpoint; returns the exit status (see the command's help)."""
    try:
        checkpoint = _checkpoint(options)
        given = dict(options.option)
        dataset, raw = open_scored(options.data, options.split, options.kind, given, checkpoint.metadata.label_set)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        for warning in first_look(dataset):
            print(f"WARNING {warning}", file=sys.stderr)
        evaluation = _evaluate(options, checkpoint, dataset, raw)
        origin = DataOrigin(options.data, resolved_kind(options.data, options.kind), given)
        report = Report(evaluation, origin, checkpoint.metadata, checkpoint.sha256, _precision(options))
        table = options.output.with_suffix(".md")
        write_whole(options.output, (json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n").encode())
        write_whole(table, report.markdown().encode())
    except (CheckpointError, ValueError, OSError) as error:
        print(f"cinet eval: {error}", file=sys.stderr)
        return 2
    except torch.OutOfMemoryError as error:
        remedy = f"lower --batch (now {options.batch})" if options.batch > 1 else "use another --device"
        print(f"cinet eval: {error}\nThe GPU's memory is full: {remedy}", file=sys.stderr)
        return 2
    _print(report)
    print(f"\nwritten: {options.output} and {table}")
    for frame in evaluation.broken:
        print(f"BROKEN {frame.name}: {frame.reason}", file=sys.stderr)
    return 1 if evaluation.broken else 0


def _checkpoint(options: argparse.Namespace) -> Checkpoint:
    if options.config and options.checkpoint != RANDOM:
        raise ValueError(f"--config chooses the network of the checkpoint {RANDOM!r}; a file knows its own")
    return named_checkpoint(options.checkpoint, options.config)


def _precision(options: argparse.Namespace) -> str:
    """What the network is run in. PyTorch keeps to float32 unless another one is asked for: figures are compared."""
    if options.precision == AUTO and options.backend == TORCH:
        return FLOAT32
    return resolve_precision(options.precision, resolve_device(options.device))


def _backend_for(options: argparse.Namespace, checkpoint: Checkpoint, folder: Path) -> BackendFor | None:
    """Makes the backend that was asked for; None where PyTorch runs in float32, which gives more to be judged.

    Args:
        options: of the command.
        checkpoint: to be scored.
        folder: for what is built; not the cache, in which a node's graphs would have to make room for these.
    """
    precision = _precision(options)
    if (options.backend, precision) == (TORCH, FLOAT32):
        return None
    check_backend(options.backend, precision, resolve_device(options.device))

    def make(graph: DeployableGraph) -> Backend:
        try:
            return select(options.backend, checkpoint, graph, precision, folder)
        except RuntimeError as error:  # whatever the runtime has against the graph, or its answer
            raise ValueError(f"backend {options.backend} in {precision}: {error}") from error

    return make


def _evaluate(
    options: argparse.Namespace, checkpoint: Checkpoint, dataset: SceneDataset, raw: SceneDataset | None
) -> Evaluation:
    """Score the frames under a progress bar."""
    device = resolve_device(options.device)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, tempfile.TemporaryDirectory() as folder:
        total = min(len(dataset), options.limit or len(dataset))
        task = progress.add_task(f"{dataset.meta.name}, {dataset.split}", total=total)
        return evaluate(
            checkpoint.model,
            checkpoint.metadata.camera,
            dataset,
            raw=raw,
            device=device,
            backend_for=_backend_for(options, checkpoint, Path(folder)),
            batch=options.batch,
            limit=options.limit,
            progress=lambda: progress.advance(task),
        )


def _print(report: Report) -> None:
    console = Console()
    console.print(report.heading(), style="bold", markup=False, highlight=False)
    for warning in report.warnings():
        console.print(f"WARNING: {warning}", style="bold red", markup=False, highlight=False)
    for fact in report.facts():
        console.print(f"  {fact}", markup=False, highlight=False, soft_wrap=True)
    for table in report.tables():
        console.print(table.rich())
    for note in report.notes():
        console.print(f"- {note}", markup=False, highlight=False, soft_wrap=True)
