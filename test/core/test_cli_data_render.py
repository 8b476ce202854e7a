"""The arguments of ``cinet data render``, as far as they need no Blender."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from cinet_core.cli.data_render import add_data_render, run_data_render


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_data_render(parser)
    return run_data_render(parser.parse_args(arguments))


def test_what_is_missing_is_one_line_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "frames"), "--cache", str(tmp_path / "cache")) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "bpy" in line
    assert "cinet data render --setup" in line
    assert not (tmp_path / "frames").exists()


def test_nothing_to_do_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "--setup" in capsys.readouterr().err


def test_setup_uses_given_packages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = tmp_path / "cache" / "blender" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "empty").mkdir()
    assert run("--setup", "--cache", str(tmp_path / "cache"), "--packages", str(tmp_path / "empty")) == 2
    assert "sweethome3d" in capsys.readouterr().err
    assert not (tmp_path / "cache" / "models").exists()


@pytest.mark.parametrize("arguments", [("--rooms", "0"), ("--seed", "-1"), ("--threads", "0"), ("--size", "320", "0")])
def test_impossible_numbers_are_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("frames", *arguments)
    assert "below" in capsys.readouterr().err
