"""Arguments of the launch files: declared with a description, read as text, checked for their type and their name."""

from __future__ import annotations

import difflib
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction

Table = Mapping[str, tuple[str, str]]
"""Argument -> (default, description). The default '' is "not given": then the parameter file holds."""

PACKAGE = "cinet_ros"

# Options of `ros2 launch` itself, which it writes among the arguments.
OF_ROS2_LAUNCH = ("launch-prefix", "launch-prefix-filter")

# How alike a name must be to one of ours to be taken for a misspelling: `imgae`, `camera_inf`, `deivce`.
ALIKE = 0.75


def described(launch_file: str, table: Table, start: Callable[[LaunchContext], list[Any]]) -> LaunchDescription:
    """A launch file's description: its arguments, a check of the names that were given, and what is started.

    Args:
        launch_file: ``__file__`` of the launch file.
        table: all arguments that it understands, with those of the files that it includes.
        start: makes the actions, once the arguments are known.
    """
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in table.items()
            ),
            OpaqueFunction(function=check_names, args=[Path(launch_file), frozenset(table)]),
            OpaqueFunction(function=start),
        ]
    )


def check_names(context: LaunchContext, launch_file: Path, known: frozenset[str]) -> list[LogInfo]:
    """Refuse arguments that the launch file does not have: ``ros2 launch`` itself swallows them.

    Arguments are ours to judge where this is the launch file of the command line. Where another one includes it, the
    command line and the configurations that are inherited belong to that file: then only what looks like a
    misspelling of ours is pointed out.

    Raises:
        ValueError: an argument of the command line is unknown; the text has its name and the one that it resembles.
    """
    if named_on_command_line(launch_file, sys.argv):
        given = [argument.split(":=", 1)[0] for argument in context.argv if ":=" in argument]
        unknown = [name for name in given if name not in known and name not in OF_ROS2_LAUNCH]
        if unknown:
            raise ValueError(
                "; ".join(f"unknown argument {name}{_suggestion(name, known)}" for name in dict.fromkeys(unknown))
                + f". All arguments: ros2 launch {PACKAGE} {launch_file.name} --show-args"
            )
        return []
    return [
        LogInfo(msg=f"{launch_file.name} has no argument {name}, and leaves it alone{_suggestion(name, known)}")
        for name in sorted(context.launch_configurations.keys() - known)
        if _misspelt(name, known)
    ]


def named_on_command_line(launch_file: Path, command_line: list[str]) -> bool:
    """Tell whether ``ros2 launch PACKAGE FILE`` or ``ros2 launch PATH`` names this launch file.

    Args:
        launch_file: where it lies.
        command_line: of the process, ``sys.argv``.
    """
    for before, word in itertools.pairwise(command_line):
        if Path(word).name != launch_file.name:
            continue
        path = Path(word)
        if (before == PACKAGE and path.name == word) or (path.is_file() and path.samefile(launch_file)):
            return True
    return False


def _suggestion(name: str, known: frozenset[str]) -> str:
    alike = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" (did you mean {alike[0]}?)" if alike else ""


def _misspelt(name: str, known: frozenset[str]) -> bool:
    """An including file may have `camera` where we have `cameras`, or `base_image` beside our `image`: both fine."""
    return any(
        name not in ours and ours not in name for ours in difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)
    )


class Values:
    """Arguments as the user gave them; '' is "not given", and so is none, because `ros2 launch` takes no ``name:=``.

    Args:
        context: of the launch service.
        table: the arguments.
        literal: those whose value `none` means something.
    """

    def __init__(self, context: LaunchContext, table: Table, literal: tuple[str, ...] = ()) -> None:
        given = {name: str(context.launch_configurations[name]).strip() for name in table}
        self._values = {name: "" if value == "none" and name not in literal else value for name, value in given.items()}
        self._defaults = {name: default for name, (default, _) in table.items()}

    def __getitem__(self, name: str) -> str:
        """Text of an argument, '' where it is not given."""
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is such an argument."""
        return name in self._values

    def is_default(self, name: str) -> bool:
        """Whether an argument has the value that it is declared with."""
        return self._values[name] == self._defaults[name]

    def flag(self, name: str) -> bool | None:
        """Truth of an argument, None where it is not given.

        Raises:
            ValueError: it is neither true nor false.
        """
        value = self._values[name]
        known = {"": None, "true": True, "1": True, "false": False, "0": False}
        if value.lower() not in known:
            raise ValueError(f"{name}:={value} is neither true nor false")
        return known[value.lower()]

    def choice(self, name: str, known: Sequence[str]) -> str:
        """Value of an argument that is one of some words, in lower case.

        Raises:
            ValueError: it is none of them.
        """
        value = self._values[name].lower()
        if value not in known:
            raise ValueError(f"{name}:={self._values[name]} is not one of {', '.join(known)}")
        return value

    def number(self, name: str) -> float | None:
        """Value of a numeric argument, None where it is not given.

        Raises:
            ValueError: it is not a number.
        """
        value = self._values[name]
        try:
            return float(value) if value else None
        except ValueError:
            raise ValueError(f"{name}:={value} is not a number") from None

    def integer(self, name: str) -> int | None:
        """Value of an argument that counts something, None where it is not given.

        Raises:
            ValueError: it is not a whole number.
        """
        value = self._values[name]
        try:
            return int(value) if value else None
        except ValueError:
            raise ValueError(f"{name}:={value} is not a whole number") from None

    def numbers(self, name: str) -> list[float] | None:
        """Numbers of an argument, ``0.1 0 0.4`` or ``[0.1, 0, 0.4]``; None where it is not given.

        Raises:
            ValueError: one of them is no number.
        """
        try:
            return [float(item) for item in self.words(name)] or None
        except ValueError:
            raise ValueError(f"{name}:={self[name]} holds something that is not a number") from None

    def words(self, name: str) -> list[str]:
        """Words of an argument: ``front rear``, ``front,rear`` or ``[front, rear]``; [] where it is not given.

        Blanks part words only where there is neither comma nor bracket: ``[night stand, person]`` are two.

        Raises:
            ValueError: a list in brackets is not closed, or holds something else than words.
        """
        value = self._values[name]
        if not value.startswith("["):
            parts = value.split(",") if "," in value else value.split()
            return [part.strip().strip("'\"") for part in parts if part.strip()]
        try:
            items = yaml.load(value, Loader=yaml.BaseLoader)  # every scalar is text: no `on`, no 12
        except yaml.YAMLError:
            items = None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ValueError(f"{name}:={value} is not a list, such as '[front, rear]' or 'front rear'")
        return items

    def file(self, name: str) -> str | None:
        """Absolute path of an argument that names a file, None where it is not given.

        Raises:
            ValueError: there is no such file.
        """
        if not self._values[name]:
            return None
        path = Path(self._values[name]).expanduser().absolute()
        if not path.is_file():
            raise ValueError(f"{name}:={self._values[name]}: no such file; correct the path, or give {name}:=none")
        return str(path)
