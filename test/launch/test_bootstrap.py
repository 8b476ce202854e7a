"""scripts/bootstrap: what an interruption, another Python, a moved checkout or a read-only home leave behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scripts.bootstrap.__main__ as program
from scripts.bootstrap.environment import Environment
from scripts.bootstrap.packages import is_usable, is_writable, pinned, uv_cache
from scripts.bootstrap.workspace import lay_out_source, remove_dangling_links, rewrite_cmake_paths

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """What is set up in a checkout that is an empty folder."""
    return Environment(tmp_path / "checkout")


def make_environment(venv: Path) -> None:
    """The files of an environment that are looked at."""
    site = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "pip").mkdir(parents=True)
    (site / "pip" / "__main__.py").touch()
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "bin" / "activate").write_text(f'VIRTUAL_ENV="{venv}"\n', encoding="utf-8")


def test_the_environment_that_runs_this_is_usable() -> None:
    venv = Path(sys.prefix)
    if venv.parent != ROOT or not venv.name.startswith(".venv"):
        pytest.skip(f"the tests run in {venv}, which the script did not make")
    assert is_usable(venv)


def test_each_distribution_has_folders_packages_and_pins_of_its_own() -> None:
    jazzy, kilted = Environment(), Environment(ros="kilted")
    assert (jazzy.venv.name, jazzy.workspace.name) == (".venv", ".ros")
    assert (kilted.venv.name, kilted.workspace.name) == (".venv-kilted", ".ros-kilted")
    assert Environment(ros="kilted", numpy="1.26").venv.name == ".venv-kilted-1.26"
    for environment, version in ((jazzy, "ros-rclpy==7.1."), (kilted, "ros-rclpy==9.1.")):
        assert f"ros-build-{environment.ros}" in environment.extras.split(",")
        pins = "\n".join(path.read_text(encoding="utf-8") for path in environment.constraints)
        assert pins.count("\nros-rclpy==") == pins.count(f"\n{version}") == 1


def test_the_makefile_names_the_folders_as_the_script_does() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for arguments in ({}, {"ros": "kilted"}, {"numpy": "1.26"}, {"ros": "kilted", "numpy": "1.26"}, {"light": "light"}):
        given = [f"{name.upper()}={value}" for name, value in arguments.items()]
        command = ["make", "--no-print-directory", "--eval", "where:;@echo $$CINET_ENVIRONMENT", "where", *given]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert found.strip() == Environment(**arguments).suffix


def test_a_distribution_without_wheels_is_refused_with_those_that_have_some(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bootstrap", "--ros", "humble"])
    assert program.main() == 1
    assert "'humble': choose ROS=jazzy or ROS=kilted" in capsys.readouterr().err


def test_another_numpy_replaces_its_own_pin_and_that_of_an_opencv_that_needs_numpy_2(tmp_path: Path) -> None:
    environment = Environment(tmp_path, numpy="1.26")
    environment.venv.mkdir()
    (tmp_path / "scripts").mkdir()
    environment.constraints[0].write_text("numpy==2.4.6\nopencv-python==4.13.0\nrich==14.0\n", encoding="utf-8")
    environment.constraints[1].write_text("ros-rclpy==7.1.6\n", encoding="utf-8")
    (path,) = pinned(environment)
    lines = path.read_text(encoding="utf-8").split()
    assert lines == ["rich==14.0", "ros-rclpy==7.1.6", "numpy==1.26.*", "opencv-python<4.12"]


def test_a_path_with_a_blank_is_refused_before_anything_is_downloaded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "ROOT", ROOT.with_name("a checkout"))
    monkeypatch.setattr(sys, "argv", ["bootstrap"])
    assert program.main() == 1
    assert str(ROOT.with_name("a checkout")) in capsys.readouterr().err


def test_an_environment_without_pip_was_interrupted(environment: Environment) -> None:
    make_environment(environment.venv)
    assert is_usable(environment.venv)
    next(environment.venv.rglob("pip/__main__.py")).unlink()
    assert not is_usable(environment.venv)


def test_an_environment_of_another_python_is_made_anew(environment: Environment) -> None:
    make_environment(environment.venv)
    (folder,) = (environment.venv / "lib").iterdir()
    folder.rename(folder.with_name("python3.9"))
    assert not is_usable(environment.venv)


def test_an_environment_whose_python_is_gone_is_made_anew(environment: Environment) -> None:
    make_environment(environment.venv)
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python3")
    assert not is_usable(environment.venv)


def test_a_moved_checkout_gets_new_links_and_loses_what_was_built(environment: Environment) -> None:
    make_environment(environment.venv)
    lay_out_source(environment)
    (environment.workspace / "build").mkdir()
    lay_out_source(environment)
    assert (environment.workspace / "build").exists(), "nothing has moved"
    moved = Environment(environment.root.rename(environment.root.with_name("moved")))
    source = lay_out_source(moved)
    assert {link.readlink().parent for link in source.iterdir()} == {moved.root}
    assert not (moved.workspace / "build").exists()
    assert not is_usable(moved.venv)


def test_a_home_that_cannot_be_written_to_has_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert uv_cache() == tmp_path / ".cache" / "uv"
    assert is_writable(uv_cache())
    monkeypatch.setenv("HOME", "/proc/self/nothing")
    assert not is_writable(uv_cache())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert uv_cache() == tmp_path / "elsewhere"


def test_cmake_files_are_pointed_at_this_python_without_touching_shared_copies(
    environment: Environment, tmp_path: Path
) -> None:
    tag, version = "cp{}{}".format(*sys.version_info[:2]), "python{}.{}".format(*sys.version_info[:2])
    text = f"set(x /opt/python/{tag}-{tag}/lib/{version}/site-packages/numpy)"
    cached = tmp_path / "cached.cmake"
    cached.write_text(text, encoding="utf-8")
    (environment.venv / "share").mkdir(parents=True)
    path = environment.venv / "share" / "x.cmake"
    path.hardlink_to(cached)
    rewrite_cmake_paths(environment.venv)
    assert path.read_text(encoding="utf-8") == f"set(x {environment.venv}/lib/{version}/site-packages/numpy)"
    assert cached.read_text(encoding="utf-8") == text
    assert [item.name for item in path.parent.iterdir()] == ["x.cmake"]


def test_links_to_files_that_are_gone_are_removed_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "kept.py").touch()
    (tmp_path / "install" / "deep").mkdir(parents=True)
    (tmp_path / "install" / "kept.py").symlink_to(tmp_path / "kept.py")
    (tmp_path / "install" / "deep" / "gone.py").symlink_to(tmp_path / "gone.py")
    remove_dangling_links(tmp_path / "install")
    assert (tmp_path / "install" / "kept.py").is_symlink()
    assert not (tmp_path / "install" / "deep" / "gone.py").is_symlink()
    remove_dangling_links(tmp_path / "absent")
