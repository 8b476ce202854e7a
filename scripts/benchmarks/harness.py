"""Runs groups of measurements one after another, and writes what they found."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from cinet_core.inference.choices import AUTO, PRECISIONS
from cinet_core.inference.torch_backend import resolve_device
from cinet_core.model import CONFIGS
from scripts.benchmarks import (
    anchors,
    generations,
    loading,
    machine,
    network,
    obstacles,
    peers,
    scaling,
    start,
    steps,
    training,
)
from scripts.benchmarks.rows import BenchmarkReport, Row
from scripts.benchmarks.run import QUICK, BenchmarkBudget, BenchmarkRun, Group, LeftOutError
from scripts.benchmarks.tables import print_report, write_table

CORE_GROUPS: Mapping[str, Group] = {
    "network": network.measure,
    "generations": generations.measure,
    "peers": peers.measure,
    "start": start.measure,
    "training": training.measure,
    "loading": loading.measure,
    "steps": steps.measure,
    "scaling": scaling.measure,
    "obstacles": obstacles.measure,
    "anchors": anchors.measure,
}


def main(groups: Mapping[str, Group], arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and write the files that are asked for; returns the exit status: 1 where a group failed.

    Args:
        groups: by name, in their order.
        arguments: of the command line.
    """
    options = _parser(groups).parse_args(arguments)
    console = Console()
    try:
        device = resolve_device(options.device)
    except ValueError as error:
        console.print(str(error))
        return 2
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cinet_bench_") as scratch, console.status("") as status:
        budget = QUICK if options.quick else BenchmarkBudget()
        if options.together is not None:
            budget = dataclasses.replace(budget, together=options.together)
        run = BenchmarkRun(
            budget,
            device,
            Path(scratch),
            options.output.resolve().parent if options.output else None,
            tuple(options.configs),
            options.peers,
            options.against,
            options.precision,
            status.update,
            image=options.image,
        )
        report = measure(run, {name: groups[name] for name in options.only})
    print_report(report, console)
    if options.output is not None:
        report.save(options.output)
        console.print(f"wrote {options.output}")
    if options.table is not None:
        write_table(report, options.table)
        console.print(f"wrote {options.table}")
    return 1 if report.failures else 0


def measure(run: BenchmarkRun, groups: Mapping[str, Group]) -> BenchmarkReport:
    """Run the groups; one that cannot be measured here is left out, with a note, and one that breaks off is named."""
    facts, rows, failures = machine.machine_facts(run.device), list[Row](), list[str]()
    for name, group in groups.items():
        begun = time.monotonic()
        try:
            rows.extend(row.within(name) for row in group(run))
        except LeftOutError as error:
            run.notes.append(f"{name}: {error}")
        except Exception as error:  # the minutes that the others took are not to be lost
            failures.append(f"{name}: {type(error).__name__}: {error}")
        facts[f"seconds of {name}"] = round(time.monotonic() - begun)
    return BenchmarkReport(facts, rows, run.notes, failures)


def _parser(groups: Mapping[str, Group]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure speed and memory, nothing else running.")
    parser.add_argument("--only", nargs="+", choices=list(groups), default=list(groups), metavar="GROUP")
    parser.add_argument("--configs", nargs="+", choices=sorted(CONFIGS), default=list(CONFIGS), metavar="NAME")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N or auto")
    parser.add_argument("--precision", choices=PRECISIONS, default=AUTO, help="of start and node (%(default)s)")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="checkouts of other networks (docs/benchmarks.md)")
    parser.add_argument("--together", type=float, metavar="SECONDS", help="of one run of the group mapping")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="for mapping (set up) and steps: it by turns")
    parser.add_argument("--image", type=Path, metavar="FILE", help="image of traffic (the synthetic room)")
    parser.add_argument("--quick", action="store_true", help="tiny and few: shows that every row comes out, not more")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON to write; plots go beside it")
    parser.add_argument("--table", type=Path, metavar="FILE", help="markdown whose tables are renewed")
    return parser
