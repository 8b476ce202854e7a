"""Fetching Blender's Python and the models; uv is a script that installs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from cinet_core.rooms.pathtraced import installation as module
from cinet_core.rooms.pathtraced.installation import PACKAGES, Installation, InstallationError, unpack_catalogues

UV = """#!/bin/sh
# makes a Python that can import anything
for last; do :; done
if [ "$1" = venv ]; then
    mkdir -p "$last/bin" && printf '#!/bin/sh\\n' > "$last/bin/python" && chmod +x "$last/bin/python"
fi
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Has models, which no test here reads, but no Blender."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(UV)
    (tools / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "cache" / "models").mkdir(parents=True)
    return Installation(tmp_path / "cache")


def test_what_is_missing_is_told_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(InstallationError, match=r"bpy and the models.*cinet data render --setup"):
        Installation(tmp_path).check()


def test_what_a_killed_setup_left_is_made_anew(cache: Installation) -> None:
    cache.python.parent.mkdir(parents=True)
    cache.python.touch()
    (cache.python.parent / "left").touch()
    with pytest.raises(InstallationError, match=r"bpy not found"):
        cache.check()
    cache.set_up(lambda _: None)
    cache.check()
    assert not (cache.python.parent / "left").exists()
    told: list[str] = []
    cache.set_up(told.append)
    assert told == []


def test_an_interrupted_setup_leaves_nothing(cache: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._run

    def interrupted(command: list[str], folder: Path | None = None) -> None:
        if "pip" in command:
            raise KeyboardInterrupt
        real(command, folder)

    monkeypatch.setattr(module, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.set_up(lambda _: None)
    assert not (cache.root / "blender").exists()


def archives(root: Path) -> None:
    """An unpacked package with two catalogues."""
    share = root / "usr" / "share" / "sweethome3d"
    (share / "furniture").mkdir(parents=True)
    with zipfile.ZipFile(share / "furniture" / "Scopia.sh3f", "w") as file:
        file.writestr("PluginFurnitureCatalog.properties", "id=Scopia")
        file.writestr("bed/bed.obj", "v 0 0 0")
    with zipfile.ZipFile(share / "sweethome3d.jar", "w") as file:
        file.writestr("com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties", "id=eTeks")
        file.writestr("com/eteks/sweethome3d/io/Reader.class", "code")
        file.writestr("com/eteks/sweethome3d/Main.class", "code")


def test_catalogues_are_unpacked_without_the_program(tmp_path: Path) -> None:
    archives(tmp_path)
    unpack_catalogues(tmp_path, tmp_path / "models")
    found = {str(path.relative_to(tmp_path / "models")) for path in (tmp_path / "models").rglob("*") if path.is_file()}
    assert found == {
        "Scopia/PluginFurnitureCatalog.properties",
        "Scopia/bed/bed.obj",
        "sweethome3d/com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties",
    }


def test_packages_without_catalogues_are_told(tmp_path: Path) -> None:
    with pytest.raises(InstallationError, match="sweethome3d-furniture"):
        unpack_catalogues(tmp_path, tmp_path / "models")


def test_a_damaged_catalogue_is_named(tmp_path: Path) -> None:
    archives(tmp_path)
    (tmp_path / "usr/share/sweethome3d/sweethome3d.jar").write_bytes(b"PK")
    with pytest.raises(InstallationError, match=r"sweethome3d\.jar is damaged"):
        unpack_catalogues(tmp_path, tmp_path / "models")


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_packages_are_taken_only_if_their_models_are_enough(cache: Installation, tmp_path: Path) -> None:
    cache.models.rmdir()
    (cache.root / "blender").mkdir()
    cache.ready.touch()
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in PACKAGES:
        tree = tmp_path / name
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: test\n"
        (tree / "DEBIAN" / "control").write_text(control)
    archives(tmp_path / PACKAGES[0])

    def build(name: str) -> None:
        subprocess.run(["dpkg-deb", "--build", tmp_path / name, packages / f"{name}_1_all.deb"], check=True)

    build(PACKAGES[0])
    with pytest.raises(InstallationError, match=rf"packages holds no {PACKAGES[1]}_"):
        cache.set_up(lambda _: None, packages)
    build(PACKAGES[1])
    with pytest.raises(InstallationError, match="holds no models") as caught:
        cache.set_up(lambda _: None, packages)
    assert str(packages) in str(caught.value)
    assert not cache.models.exists()
