"""The arguments of the commands that train: a recipe, which has a parser made of its dataclasses."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any

_OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*\+?=.*", re.DOTALL)


class RecipeParser(argparse.ArgumentParser):
    """Reads a recipe by jsonargparse; the options have it as ``recipe``, beside those of the command.

    Args:
        prog: the command.
        description: for its help.
        add_options: adds the command's own options.
    """

    def __init__(self, prog: str, description: str, add_options: Callable[[Any], None]) -> None:
        super().__init__(prog)
        self._description, self._add_options = description, add_options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The options, and nothing unknown: a wrong argument or file ends the process with status 2."""
        try:
            from cinet_core.training.recipe_file import recipe_of, recipe_parser

            parser = recipe_parser(self._add_options, prog=self.prog, description=self._description)
        except ModuleNotFoundError as error:
            self.exit(2, missing(self.prog, error))
        try:
            recipe, options = recipe_of(parser, parser.parse_args(as_options(args)))
        except (ValueError, OSError) as error:  # a value that its dataclass refuses
            self.exit(2, f"{self.prog}: {error}\n")
        return argparse.Namespace(recipe=recipe, **options), []


def missing(prog: str, error: ModuleNotFoundError) -> str:
    """A line that names the extra which a training package belongs to.

    Raises:
        ModuleNotFoundError: what is missing is none of them.
    """
    if (error.name or "").partition(".")[0] not in ("lightning", "jsonargparse", "tensorboard", "matplotlib"):
        raise error
    return f"{prog}: {error.name} is not installed: pip install 'cinet[train]'\n"


def as_options(arguments: Sequence[str]) -> list[str]:
    """``data.root=PATH`` as ``--data.root=PATH``, which is what the parser knows; all else as it is."""
    return [f"--{argument}" if _OVERRIDE.fullmatch(argument) else argument for argument in arguments]
