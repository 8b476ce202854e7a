"""scripts/bootstrap.py: what an interruption, another Python, a moved checkout or a read-only home leave behind."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path: Path) -> ModuleType:
    """The script, its checkout being an empty folder."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = tmp_path / "checkout"
    module.VENV, module.WORKSPACE = module.ROOT / ".venv", module.ROOT / ".ros"
    return module


def make_environment(venv: Path) -> None:
    """The files of an environment that are looked at."""
    site = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "pip").mkdir(parents=True)
    (site / "pip" / "__main__.py").touch()
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "bin" / "activate").write_text(f'VIRTUAL_ENV="{venv}"\n', encoding="utf-8")


def test_the_environment_that_runs_this_is_usable(bootstrap: ModuleType) -> None:
    venv = Path(sys.prefix)
    if venv != SCRIPT.parent.parent / ".venv":
        pytest.skip(f"the tests run in {venv}, which the script did not make")
    assert bootstrap.is_usable(venv)


def test_a_path_with_a_blank_is_refused_before_anything_is_downloaded(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.ROOT = bootstrap.ROOT.with_name("a checkout")
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    assert bootstrap.main() == 1
    assert str(bootstrap.ROOT) in capsys.readouterr().err


def test_an_environment_without_pip_was_interrupted(bootstrap: ModuleType) -> None:
    make_environment(bootstrap.VENV)
    assert bootstrap.is_usable(bootstrap.VENV)
    next(bootstrap.VENV.rglob("pip/__main__.py")).unlink()
    assert not bootstrap.is_usable(bootstrap.VENV)


def test_an_environment_of_another_python_is_made_anew(bootstrap: ModuleType) -> None:
    make_environment(bootstrap.VENV)
    (folder,) = (bootstrap.VENV / "lib").iterdir()
    folder.rename(folder.with_name("python3.9"))
    assert not bootstrap.is_usable(bootstrap.VENV)


def test_an_environment_whose_python_is_gone_is_made_anew(bootstrap: ModuleType) -> None:
    make_environment(bootstrap.VENV)
    python = bootstrap.VENV / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert not bootstrap.is_usable(bootstrap.VENV)


def test_a_moved_checkout_gets_new_links_and_loses_what_was_built(bootstrap: ModuleType) -> None:
    make_environment(bootstrap.VENV)
    bootstrap.lay_out_source()
    (bootstrap.WORKSPACE / "build").mkdir()
    bootstrap.lay_out_source()
    assert (bootstrap.WORKSPACE / "build").exists(), "nothing has moved"
    moved = bootstrap.ROOT.rename(bootstrap.ROOT.with_name("moved"))
    bootstrap.ROOT, bootstrap.VENV, bootstrap.WORKSPACE = moved, moved / ".venv", moved / ".ros"
    source = bootstrap.lay_out_source()
    assert {link.readlink().parent for link in source.iterdir()} == {moved}
    assert not (bootstrap.WORKSPACE / "build").exists()
    assert not bootstrap.is_usable(bootstrap.VENV)


def test_a_home_that_cannot_be_written_to_has_no_cache(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert bootstrap.uv_cache() == tmp_path / ".cache" / "uv"
    assert bootstrap.is_writable(bootstrap.uv_cache())
    monkeypatch.setenv("HOME", "/proc/self/nothing")
    assert not bootstrap.is_writable(bootstrap.uv_cache())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert bootstrap.uv_cache() == tmp_path / "elsewhere"


def test_cmake_files_are_pointed_at_this_python_without_touching_shared_copies(
    bootstrap: ModuleType, tmp_path: Path
) -> None:
    tag, version = "cp{}{}".format(*sys.version_info[:2]), "python{}.{}".format(*sys.version_info[:2])
    text = f"set(x /opt/python/{tag}-{tag}/lib/{version}/site-packages/numpy)"
    cached = tmp_path / "cached.cmake"
    cached.write_text(text, encoding="utf-8")
    (bootstrap.VENV / "share").mkdir(parents=True)
    path = bootstrap.VENV / "share" / "x.cmake"
    path.hardlink_to(cached)
    bootstrap.rewrite_cmake_paths()
    assert path.read_text(encoding="utf-8") == f"set(x {bootstrap.VENV}/lib/{version}/site-packages/numpy)"
    assert cached.read_text(encoding="utf-8") == text
    assert [item.name for item in path.parent.iterdir()] == ["x.cmake"]
