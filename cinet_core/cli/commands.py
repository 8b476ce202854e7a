"""The one way from the command line to a command: its words name a module, which has a parser and a run.

The module ``cinet_core.cli.bag.run`` is ``cinet bag run``: its function ``parser(prog)`` returns the parser of its
arguments, and ``run(options)`` does the work and returns the exit status. A package such as ``cinet_core.cli.bag`` has
a parser only, made by `group_parser` of its table of commands. A module is imported when the command line names it, and
imports what takes long when it runs.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping
from typing import Any

__all__ = ["UsageError", "add_commands", "group_parser"]


class UsageError(Exception):
    """Arguments that do not go together; it is said as a wrong argument is, and the exit status is 2."""


def add_commands(
    parser: argparse.ArgumentParser, package: str, commands: Mapping[str, str], metavar: str = "COMMAND"
) -> None:
    """Let a parser choose between the modules of a package.

    Args:
        parser: takes the name of a command, and hands what follows to the command's own parser. The options that it
            returns have the command's function as their attribute ``run``.
        package: of the modules.
        commands: a line of help by the name of the module; in the order of the help.
        metavar: of the name, in the help.
    """
    choice = parser.add_subparsers(required=True, metavar=metavar, parser_class=_Unread)
    for name, text in commands.items():
        choice.add_parser(name, help=text, module=f"{package}.{name}")


def group_parser(
    prog: str, package: str, commands: Mapping[str, str], description: str | None = None, metavar: str = "COMMAND"
) -> argparse.ArgumentParser:
    """The parser of a command that only chooses between others, see `add_commands`."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add_commands(parser, package, commands, metavar)
    return parser


class _Unread(argparse.ArgumentParser):
    """Stands for a command of which only the name is known; the parser of its module reads the rest."""

    def __init__(self, *, module: str, **rest: Any) -> None:
        super().__init__(**rest)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        command = importlib.import_module(self._module)
        options, unknown = command.parser(self.prog).parse_known_args(args, namespace)
        if not hasattr(options, "run"):  # a group's has that of the chosen command already
            options.run = command.run
        return options, unknown
