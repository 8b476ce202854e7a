"""How the command line finds its commands: one module each, imported when it is named."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import cinet_core.cli
from cinet_core.cli import main
from cinet_core.cli.main import COMMANDS

SHARED = {
    "__main__", "main", "commands", "console",
    "arguments", "bag_problems", "figure_arguments", "frame_arguments", "judging", "recipe_arguments", "viewing",
}  # fmt: skip
"""Modules of the package `cinet_core.cli` that are no command."""


def commands(package: str = "cinet_core.cli", names: Iterator[str] | None = None) -> Iterator[tuple[str, ...]]:
    """The words of every command, of the groups too."""
    for name in COMMANDS if names is None else names:
        words = (*package.split(".")[2:], name)
        yield words
        module = importlib.import_module(f"{package}.{name}")
        if hasattr(module, "COMMANDS"):
            yield from commands(module.__name__, iter(module.COMMANDS))


ALL = list(commands())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_command_is_a_module_with_a_parser_and_a_run(words: tuple[str, ...]) -> None:
    module = importlib.import_module(".".join(("cinet_core.cli", *words)))
    assert callable(module.parser)
    assert callable(getattr(module, "run", None)) != hasattr(module, "COMMANDS"), "a group only chooses"
    assert module.__doc__.startswith(f"``cinet {' '.join(words)}``")


def test_every_module_is_a_command_or_shared_by_some() -> None:
    found = {
        name.removeprefix("cinet_core.cli.")
        for _, name, _ in pkgutil.walk_packages(cinet_core.cli.__path__, "cinet_core.cli.")
    }
    assert found == {".".join(words) for words in ALL} | SHARED


HELP = """
import contextlib, io, sys
heavy = ("torch", "torchvision", "timm", "lightning", "cv2", "PIL", "open3d", "rich", "rerun", "rosbags", "onnxruntime")
sys.modules.update(dict.fromkeys(heavy))  # importing one raises ModuleNotFoundError
from cinet_core.cli import main
for line in sys.stdin.read().splitlines():
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told):
            main([*line.split(), "--help"])
    except SystemExit as ended:
        assert ended.code == 0, line
    assert told.getvalue().startswith(f"usage: cinet {line}".rstrip()), told.getvalue()
    if line != "train" and line != "ablate":
        assert "numpy" not in sys.modules, line
"""


def test_help_imports_nothing_that_takes_long() -> None:
    pytest.importorskip("jsonargparse", reason="training is an extra: pip install 'cinet[train]'")
    lines = "\n".join(["", *(" ".join(words) for words in ALL)])
    done = subprocess.run([sys.executable, "-c", HELP], input=lines, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_only_the_named_command_is_imported() -> None:
    code = (
        "import sys; from cinet_core.cli import main\n"
        "try: main(['bag', 'run'])\n"
        "finally: print(*sorted(name for name in sys.modules if name.startswith('cinet_core.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    named = {name.removeprefix("cinet_core.cli.") for name in done.stdout.split()}
    assert named - SHARED == {"bag", "bag.run"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "cinet: error: the following arguments are required: COMMAND"),
        (["bogus"], "cinet: error: argument COMMAND: invalid choice: 'bogus'"),
        (["bag"], "cinet bag: error: the following arguments are required: COMMAND"),
        (["bag", "bogus"], "cinet bag: error: argument COMMAND: invalid choice: 'bogus'"),
        (["figures", "bogus"], "cinet figures: error: argument FIGURE: invalid choice: 'bogus'"),
        (["bag", "run", "in"], "cinet bag run: error: the following arguments are required: OUT"),
        (["info", "default", "--bogus"], "cinet: error: unrecognized arguments: --bogus"),
        (["predict", "x", "--config", "lite"], "cinet: error: --config chooses the network"),
    ],
)
def test_wrong_arguments(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
