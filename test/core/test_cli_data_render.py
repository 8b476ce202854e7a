"""The arguments of ``cinet data render``, as far as they need no Blender."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from cinet_core.cli import main


def run(*arguments: str) -> int:
    return main(["data", "render", *arguments])


def test_what_is_missing_is_one_line_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "frames"), "--cache", str(tmp_path / "cache")) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "bpy" in line
    assert "cinet data render --setup" in line
    assert not (tmp_path / "frames").exists()


def test_an_installation_without_the_generator_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("cinet_core.rooms.pathtraced")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("cinet_core.rooms.pathtraced", raising=False)
    monkeypatch.setattr("cinet_core.rooms.__path__", [])
    assert run("frames") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "leaves out the generator" in line
    assert "from a checkout" in line


def test_nothing_to_do_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "--setup" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_setup_uses_given_packages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cache" / "blender").mkdir(parents=True)
    (tmp_path / "cache" / "blender" / "ready").touch()
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "sweethome3d_1_all.deb").write_text("no package")
    assert run("--setup", "--cache", str(tmp_path / "cache"), "--packages", str(packages)) == 2
    error = capsys.readouterr().err
    # it got as far as opening the file that was given
    assert f"dpkg-deb -x {packages / 'sweethome3d_1_all.deb'}" in error
    assert not (tmp_path / "cache" / "models").exists()


@pytest.mark.parametrize("arguments", [("--rooms", "0"), ("--seed", "-1"), ("--threads", "0"), ("--size", "320", "0")])
def test_impossible_numbers_are_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("frames", *arguments)
    assert "below" in capsys.readouterr().err
