"""``cinet fleet``: a command on many recordings, in parts that are done once, on as many machines as there are."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cinet_core.cli.arguments import positive
from cinet_core.cli.commands import UsageError

if TYPE_CHECKING:
    from cinet_core.jobs import Job, JobResult


class Step(NamedTuple):
    """A command that is run on each part, and whether it takes the name of its part."""

    words: tuple[str, ...]
    named: bool
    what: str


STEPS = {
    "run": Step(("bag", "run"), False, "cinet bag run: add predictions to each bag"),
    "extract": Step(("bag", "extract"), True, "cinet bag extract: make a data set of each bag"),
    "label": Step(("data", "label"), False, "cinet data label: label each folder that extract made"),
    "select": Step(("data", "select"), False, "cinet data select: choose frames of each folder"),
    "render": Step(("data", "render"), False, "cinet data render: --rooms N rooms, in parts of --each"),
}


class _WithOptions(argparse.ArgumentParser):
    """What follows ``--`` is for the step's own command."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        given: list[str] = []
        if "--" in words:
            place = words.index("--")
            words, given = words[:place], words[place + 1 :]
        options, unknown = super().parse_known_args(words, namespace)
        options.options = given
        return options, unknown


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = _WithOptions(prog, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = "\n".join(f"  {name:<9}{step.what}" for name, step in STEPS.items())
    parser.description = (
        "Runs a command on every recording. Each part is written whole or not at all; what is done is not done again,\n"
        "what was killed goes on, what cannot be read is named and the rest is done. OUT/parts/NAME is what each\n"
        "wrote, OUT/manifest.jsonl says what became of each. Options of the command follow after --.\n\n"
        f"steps:\n{steps}\n\n"
        "Exit status: 0 all is well, 1 some parts failed or have faults, 2 it could not start, 130 interrupted."
    )
    parser.add_argument("step", choices=STEPS, metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="bags; or - to read their paths from standard input")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT", help="folder of the job")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes of this machine (one for each core)")
    parser.add_argument(
        "--shard", type=_shard, metavar="I/N", help="do only the I-th of N parts of the work: for arrays of jobs"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of Dask, such as tcp://HOST:8786: its workers do it")
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="of each part (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=0.0, metavar="M", help="give a part up after so long (0: never)"
    )
    parser.add_argument("--rooms", type=positive, metavar="N", help="number of rooms, for the step render")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first room (%(default)s)")
    parser.add_argument("--each", type=positive, default=20, metavar="N", help="rooms of a part (%(default)s)")
    return parser


def run(options: argparse.Namespace) -> int:
    """Do the job, or a shard of it; returns the exit status (see the command's help)."""
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.jobs import JobError, run_local
    from cinet_core.jobs.dask_engine import run_on_dask
    from cinet_core.jobs.job import shard_of

    if options.scheduler and options.workers:
        raise UsageError("--workers are processes of this machine, --scheduler has workers of its own: give one")
    try:
        job = job_of(options)
        parts = shard_of(job, *options.shard) if options.shard else job.parts
        with ConsoleProgress() as progress:
            if options.scheduler:
                result = run_on_dask(job, options.scheduler, parts, progress=progress)
            else:
                result = run_local(job, parts, workers=options.workers or 0, progress=progress)
    except (JobError, OSError) as error:
        print(f"cinet fleet: {error}", file=sys.stderr)
        return 2
    _print(job, result)
    return 0 if result.complete else 1


def job_of(options: argparse.Namespace) -> Job:
    """The job that the command line asks for.

    Raises:
        UsageError: inputs and step do not go together.
        JobError: there is nothing to do.
        SystemExit: the step's command does not take its options; it says so, as if it were called itself.
    """
    from cinet_core.jobs import Job, parts_of_inputs, parts_of_rooms

    step = STEPS[options.step]
    if options.step == "render":
        if options.inputs or not options.rooms:
            raise UsageError("the step render takes --rooms N, and no inputs")
        parts = parts_of_rooms(options.rooms, options.first, options.each)
    elif options.rooms:
        raise UsageError(f"--rooms is for the step render: {options.step} takes inputs")
    else:
        parts = parts_of_inputs(_paths(options.inputs), step.named)
    job = Job(
        str(options.output), step.words, parts, tuple(options.options), threads=options.threads, minutes=options.minutes
    )
    command = importlib.import_module(".".join(("cinet_core.cli", *step.words)))
    command.parser(" ".join(("cinet", *step.words))).parse_args([*parts[0].arguments, *job.options])
    return job


def _paths(inputs: Sequence[str]) -> list[str]:
    found: list[str] = []
    for item in inputs:
        found += [line.strip() for line in sys.stdin if line.strip()] if item == "-" else [item]
    return found


def _print(job: Job, result: JobResult) -> None:
    counts = Counter("there already" if record.skipped else record.outcome for record in result.records)
    print(f"{job.folder}: {len(result.records)} parts: {', '.join(f'{n} {name}' for name, n in counts.items())}")
    for record in result.with_outcome("faults", "failed", "busy"):
        lines = record.error.splitlines() or [""]
        print(f"  {record.outcome} {record.part}: {lines[-1]}")
    print(f"  {result.manifest}")


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N with I from 1 to N")
    return int(found[1]), int(found[2])
