"""``cinet train``: reads a recipe, and runs it, or says what it would do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cinet_core.checkpoint import CheckpointError
from cinet_core.data.frame_files import SourceError

if TYPE_CHECKING:
    from cinet_core.training.settings import Recipe

DESCRIPTION = (
    "Trains a network by the recipe of a YAML file, of which every value can be replaced: "
    "cinet train --config config/train/nyu_resnet101.yaml data.root=nyu_depth_v2_labeled.mat run.devices=2"
)
_OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*\+?=.*", re.DOTALL)


def run_train(arguments: Sequence[str]) -> int:
    """Run ``cinet train``; returns the exit status: 0 done, 1 the training failed, 2 it could not start."""
    try:
        from cinet_core.cli.train_run import run_recipe
    except ModuleNotFoundError as error:
        return explain_missing("train", error)
    try:
        recipe, options = read_recipe(arguments)
        return run_recipe(recipe, resume=options["resume"], dry_run=options["dry_run"])
    except (CheckpointError, SourceError, ValueError, OSError) as error:
        print(f"cinet train: {error}", file=sys.stderr)
        return 2


def explain_missing(command: str, error: ModuleNotFoundError) -> int:
    """Name the extra that a training package belongs to; returns the exit status.

    Raises:
        ModuleNotFoundError: what is missing is none of them.
    """
    if (error.name or "").partition(".")[0] not in ("lightning", "jsonargparse", "tensorboard", "matplotlib"):
        raise error
    print(f"cinet {command}: {error.name} is not installed: pip install 'cinet[train]'", file=sys.stderr)
    return 2


def read_recipe(
    arguments: Sequence[str],
    program: str = "cinet train",
    description: str = DESCRIPTION,
    add_options: Callable[[Any], None] | None = None,
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe, and the options that are no part of it.

    Args:
        arguments: of the command line.
        program, description: for the help.
        add_options: adds the command's own options to the parser; None adds ``--resume`` and ``--dry-run``.

    Raises:
        SystemExit: an argument or the YAML file is wrong, status 2; or help was asked for, 0.
    """
    from jsonargparse import ArgumentParser

    from cinet_core.training.settings import Recipe

    parser = ArgumentParser(prog=program, description=description)
    parser.add_argument("--config", action="config", help="a YAML file; several are laid over each other")
    (add_options or _add_options)(parser)
    parser.add_class_arguments(Recipe)
    values = vars(parser.instantiate(parser.parse_args(as_options(arguments))))
    own = {field.name for field in fields(Recipe)}
    options = {name: value for name, value in values.items() if name not in own and name != "config"}
    return Recipe(**{name: value for name, value in values.items() if name in own}), options


def _add_options(parser: Any) -> None:
    parser.add_argument("--resume", action="store_true", help="go on where the run in run.output was stopped, if any")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and the memory it needs, train nothing")


def as_options(arguments: Sequence[str]) -> list[str]:
    """``data.root=PATH`` as ``--data.root=PATH``, which is what the parser knows; all else as it is."""
    return [f"--{argument}" if _OVERRIDE.fullmatch(argument) else argument for argument in arguments]
