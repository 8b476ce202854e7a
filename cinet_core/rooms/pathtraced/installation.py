"""Where Blender's Python and the models are kept, and how they are fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cinet_core.rooms.pathtraced.catalogue import Catalogue, CatalogueError

PYTHON = "3.11"
"""That the wheel of bpy is for."""

REQUIREMENTS = ("bpy==5.0.1", "OpenEXR>=3.3", "numpy<2")
PACKAGES = ("sweethome3d", "sweethome3d-furniture")
"""Debian's, in main; Ubuntu has them as well."""

SETUP = "cinet data render --setup"

_IN_JAR = "com/eteks/sweethome3d/io/"
"""Where the program keeps its own catalogue."""


class InstallationError(Exception):
    """Something is missing or cannot be fetched; the message says what and how to get it."""


@dataclass(frozen=True)
class Installation:
    """Folders of the renderer.

    Attributes:
        root: holds them.
    """

    root: Path

    @staticmethod
    def default() -> Installation:
        """Below the user's cache folder."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Installation(Path(cache) / "cinet" / "rendered_rooms")

    @property
    def python(self) -> Path:
        """Blender's Python."""
        return self.root / "blender" / "bin" / "python"

    @property
    def models(self) -> Path:
        """A folder a catalogue."""
        return self.root / "models"

    @property
    def ready(self) -> Path:
        """An empty file that marks Blender's environment as whole: written last, once bpy could be imported."""
        return self.root / "blender" / "ready"

    def check(self) -> None:
        """See that all is there.

        Raises:
            InstallationError: something is not; run set_up().
        """
        missing = [
            what
            for what, path in (("Blender's Python module bpy", self.ready), ("the models", self.models))
            if not path.exists()
        ]
        if missing:
            raise InstallationError(f"{' and '.join(missing)} not found in {self.root}: get them with `{SETUP}`")

    def set_up(self, say: Callable[[str], None], packages: Path | None = None) -> None:
        """Fetch what is missing: Blender in an environment of its own, and the models; 1.3 GB together.

        Args:
            say: told what happens.
            packages: folder that holds the .deb files of Sweet Home 3D; None asks apt-get for them.

        Raises:
            InstallationError: a step failed.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if not self.ready.exists():
            say(f"installing {', '.join(REQUIREMENTS)} into {self.root / 'blender'}")
            self._install_blender()
        if not self.models.exists():
            say(f"fetching the Debian packages {' and '.join(PACKAGES)} into {self.models}")
            self._fetch_models(packages)

    def _install_blender(self) -> None:
        """Make the environment, and mark it as whole at the end: what a killed setup left is made anew."""
        folder = self.root / "blender"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            uv = _uv()
            if uv:
                _run([*uv, "venv", "--quiet", "--python", PYTHON, str(folder)])
                _run([*uv, "pip", "install", "--quiet", "--python", str(self.python), *REQUIREMENTS])
            else:
                _run([_python(), "-m", "venv", str(folder)])
                _run([str(self.python), "-m", "pip", "install", "--quiet", *REQUIREMENTS])
            _run([str(self.python), "-c", "import bpy, OpenEXR"])
            self.ready.touch()
        except BaseException:  # also Ctrl-C: half an environment is of no use
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _fetch_models(self, packages: Path | None) -> None:
        if shutil.which("dpkg-deb") is None or (packages is None and shutil.which("apt-get") is None):
            raise InstallationError(
                "the models come in Debian packages, which need apt-get and dpkg-deb: run the setup on Debian or "
                f"Ubuntu and copy its folder {self.models} here"
            )
        with tempfile.TemporaryDirectory(dir=self.root) as temporary:
            folder = Path(temporary)
            if packages is None:
                _run(["apt-get", "download", *PACKAGES], folder)
            for name in PACKAGES:
                _run(["dpkg-deb", "-x", str(_package(name, packages or folder)), "unpacked"], folder)
            unpack_catalogues(folder / "unpacked", folder / "models")
            try:
                Catalogue(folder / "models")
            except CatalogueError as error:
                source = packages or "apt-get"
                raise InstallationError(f"the packages {' and '.join(PACKAGES)} of {source}: {error.fault}") from error
            (folder / "models").rename(self.models)


def unpack_catalogues(packages: Path, models: Path) -> None:
    """Unzip the catalogues of unpacked Debian packages, a folder each.

    Raises:
        InstallationError: there are none, or one is damaged.
    """
    share = packages / "usr" / "share" / "sweethome3d"
    archives = [*sorted((share / "furniture").glob("*.sh3f")), *share.glob("sweethome3d.jar")]
    if not archives:
        raise InstallationError(f"{share} holds no catalogue: are these the packages {', '.join(PACKAGES)}?")
    for archive in archives:
        try:
            with zipfile.ZipFile(archive) as file:
                wanted = [
                    name
                    for name in file.namelist()
                    if archive.suffix == ".sh3f" or (name.startswith(_IN_JAR) and ".class" not in name)
                ]
                file.extractall(models / archive.stem, wanted)
        except zipfile.BadZipFile as error:
            raise InstallationError(f"{archive.name} is damaged ({error}): fetch its package again") from error


def _package(name: str, folder: Path) -> Path:
    """The file of a Debian package, the last by name.

    Raises:
        InstallationError: there is none.
    """
    files = sorted(folder.glob(f"{name}_*.deb"))
    if not files:
        raise InstallationError(f"{folder} holds no {name}_*.deb: get it with `apt-get download {name}`")
    return files[-1].resolve()


def _uv() -> list[str]:
    """How to call uv, if it is there."""
    if path := shutil.which("uv"):
        return [path]
    found = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False)
    return [sys.executable, "-m", "uv"] if found.returncode == 0 else []


def _python() -> str:
    """A Python of the wheel's version.

    Raises:
        InstallationError: there is none.
    """
    if sys.version_info[:2] == tuple(map(int, PYTHON.split("."))):
        return sys.executable
    if path := shutil.which(f"python{PYTHON}"):
        return path
    raise InstallationError(f"bpy needs Python {PYTHON}, which is not there: install it, or `pip install uv`")


def _run(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise InstallationError(f"`{' '.join(command)}` failed: {' / '.join(last)}")
