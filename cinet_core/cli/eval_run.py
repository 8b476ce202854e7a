"""``cinet eval``: a checkpoint and a data set in, figures beside the published ones out."""

from __future__ import annotations

import argparse
import json
import sys

import torch
from rich.console import Console

from cinet_core.atomic_file import write_whole
from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.console import ConsoleProgress
from cinet_core.evaluation.report import Report
from cinet_core.evaluation.scoring import evaluate


def run_evaluation(options: argparse.Namespace) -> int:
    """Score a checkpoint; returns the exit status (see the command's help)."""
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress() as progress:
            report = evaluate(
                options.data,
                options.checkpoint,
                split=options.split,
                kind=options.kind,
                options=dict(options.option),
                config=options.config,
                device=options.device,
                backend=options.backend,
                precision=options.precision,
                batch=options.batch,
                limit=options.limit,
                progress=progress,
            )
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
    for frame in report.evaluation.broken:
        print(f"BROKEN {frame.name}: {frame.reason}", file=sys.stderr)
    return 1 if report.evaluation.broken else 0


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
