"""Recipes as they are read from YAML files, with values laid over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinet_core.training.settings import Recipe

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

__all__ = ["read_recipe", "recipe_of", "recipe_parser"]


def read_recipe(*files: str | Path, values: Mapping[str, Any] | None = None) -> Recipe:
    """Read the recipe of a training.

    >>> recipe = read_recipe("config/train/fine_tune.yaml", values={"data.root": "rooms", "run.seed": 3})
    >>> recipe.name, recipe.data.root, recipe.run.seed
    ('fine_tune', 'rooms', 3)

    Args:
        files: of YAML, such as config/train/fine_tune.yaml; each is laid over those before it.
        values: to replace, by their names with dots, such as {"data.root": "rooms"}; see `Recipe`.

    Raises:
        ValueError: a file cannot be read, or holds what is no setting or no value of one.
        ModuleNotFoundError: jsonargparse is not installed: pip install 'cinet[train]'.
    """
    from jsonargparse import ArgumentError

    given = [f"--config={file}" for file in files]
    for name, value in (values or {}).items():
        given.append(f"--{name}={value if isinstance(value, str | Path) else json.dumps(value)}")
    parser = recipe_parser(exit_on_error=False)
    try:
        return recipe_of(parser, parser.parse_args(given))[0]
    except ArgumentError as error:
        raise ValueError(str(error)) from error


def recipe_parser(add_options: Callable[[Any], None] | None = None, **settings: Any) -> ArgumentParser:
    """A parser of ``--config FILE`` and of every value of a recipe.

    Args:
        add_options: adds options beside it.
        settings: of jsonargparse's ArgumentParser.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(**settings)
    parser.add_argument("--config", action="config", help="a YAML file; several are laid over each other")
    if add_options is not None:
        add_options(parser)
    parser.add_class_arguments(Recipe)
    return parser


def recipe_of(parser: ArgumentParser, values: Any) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of what a parser read, and the options beside it."""
    read = vars(parser.instantiate(values))
    own = {field.name for field in fields(Recipe)}
    options = {name: value for name, value in read.items() if name not in own and name != "config"}
    return Recipe(**{name: value for name, value in read.items() if name in own}), options
