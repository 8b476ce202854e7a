"""``cinet train``: a recipe in, trained weights out; or what it would do."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from cinet_core.cli.recipe_arguments import RecipeParser, missing

if TYPE_CHECKING:
    from rich.console import Console

    from cinet_core.training.plan import TrainingPlan
    from cinet_core.training.rate_range import RateRange

DESCRIPTION = (
    "Trains a network by the recipe of a YAML file, of which every value can be replaced: "
    "cinet train --config config/train/nyu_resnet101.yaml data.root=nyu_depth_v2_labeled.mat run.devices=2"
)
# Of the table of a range test.
ROWS = 20


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    return RecipeParser(prog, DESCRIPTION, _add_options)


def _add_options(parser: Any) -> None:
    parser.add_argument("--resume", action="store_true", help="go on where the run in run.output was stopped, if any")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and the memory it needs, train nothing")
    parser.add_argument(
        "--find-lr", action="store_true", help="print the loss of 200 steps as the learning rate grows, keep nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Train, or print the plan; returns the exit status: 0 done, 1 the training failed, 2 it could not start."""
    try:
        from cinet_core.training.train import find_learning_rate, plan_training, train
    except ModuleNotFoundError as error:
        print(missing("cinet train", error), end="", file=sys.stderr)
        return 2
    from lightning.pytorch.utilities import rank_zero_only
    from rich.console import Console

    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.data.frame_files import SourceError
    from cinet_core.model.imagenet import ImageNetWeightsError
    from cinet_core.model_metadata import CheckpointError
    from cinet_core.training.checkpoints import ResumeError
    from cinet_core.training.errors import TrainingError

    recipe = options.recipe
    console = Console(quiet=getattr(rank_zero_only, "rank", 0) != 0)
    try:
        with ConsoleProgress(console, transient=True) as progress:
            if options.dry_run:
                plan = plan_training(recipe, progress=progress)
                progress.end()
                _print(plan, console)
                return 0

            if options.find_lr:
                rates = find_learning_rate(recipe, progress=progress)
                progress.end()
                _print_rates(rates, console)
                return 0

            def planned(plan: TrainingPlan) -> None:
                progress.end()
                _print(plan, console)

            result = train(recipe, resume=options.resume, planned=planned, progress=progress)
    except (CheckpointError, SourceError, ValueError, OSError, ResumeError, ImageNetWeightsError) as error:
        print(f"cinet train: {error}", file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"cinet train: {error}", file=sys.stderr)
        return 1
    if result.best is None:
        console.print("No best checkpoint: no stage was validated without the labels' help.")
    else:
        console.print(f"Best by {recipe.run.score} on the validation split: {result.best}", soft_wrap=True)
    console.print(f"Last weights: {result.last}. Score either on the test split: cinet eval CHECKPOINT --data ROOT")
    return 0


def _print(plan: TrainingPlan, console: Console) -> None:
    from rich.table import Table

    console.rule(f"[bold]{plan.name}")
    for name, fact in plan.facts.items():
        text = fact.replace("\n", "\n" + " " * 9)
        console.print(f"{name:<9}{text}", soft_wrap=True, highlight=False)
    for warning in plan.warnings:
        console.print(f"WARNING  {warning}", style="bold red", markup=False, soft_wrap=True, highlight=False)
    if plan.initialisation is not None:
        console.print(plan.initialisation, soft_wrap=True, highlight=False)
    table = Table("stage", "epochs", "steps", "learning rate", "attention map", "losses")
    if plan.device is not None:
        for heading in ("s a step", "peak memory", "hours"):
            table.add_column(heading, justify="right")
    for stage in plan.stages:
        rate = f"{stage.learning_rate:g} {stage.schedule}"
        row = [str(stage.number), str(stage.epochs), str(stage.steps), rate, stage.attention, ", ".join(stage.losses)]
        if stage.cost is not None and stage.hours is not None:
            row += [f"{stage.cost.seconds:.3f}", f"{stage.cost.bytes / 2**20:.0f} MB", f"{stage.hours:.2f}"]
        table.add_row(*row)
    console.print(table)
    if plan.device is not None:
        console.print(f"measured on {plan.device} in one process; loading, validation and checkpoints not included")


def _print_rates(rates: RateRange, console: Console) -> None:
    from rich.table import Table

    table = Table("learning rate", "loss, running mean")
    every = max(1, len(rates.rates) // ROWS)
    for rate, loss in list(zip(rates.rates, rates.losses, strict=True))[::every]:
        table.add_row(f"{rate:.2e}", f"{loss:.4f}")
    console.print(table)
    console.print(f"A tenth of the rate of the least loss: {rates.suggested:.1e}", highlight=False)
