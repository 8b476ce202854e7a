"""The colcon workspace: the messages built, the Python files as links into the checkout."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from scripts.bootstrap.command import run, say
from scripts.bootstrap.environment import Environment
from scripts.bootstrap.stamps import digest, is_current, mark_current, stamp

# What colcon sees of the checkout.
LINKED = ("CMakeLists.txt", "package.xml", "msg", "launch", "config", "scripts", "cinet_core", "cinet_ros")


def rewrite_cmake_paths(venv: Path) -> None:
    """Point the ROS wheels' CMake files at this interpreter.

    They name the Python of the machine that built them, /opt/python/cp311-cp311/..., which exists on no other. Each
    file is replaced, not edited in place: uv hard-links it from a cache that other environments share. In one step,
    because uv would not bring back a file that an interruption left missing.
    """
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    here = sysconfig.get_paths()
    site_packages = venv / "lib" / version / "site-packages"
    replacements = {
        f"/opt/python/{tag}-{tag}/include/{version}": here["include"],
        f"/opt/python/{tag}-{tag}/lib/{version}/site-packages": str(site_packages),
    }
    if not (site_packages / "numpy" / "_core" / "include").is_dir():
        replacements["numpy/_core/include"] = "numpy/core/include"  # as NumPy 1 has it
    for path in (venv / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        new = text
        for old, value in replacements.items():
            new = new.replace(old, value)
        if new != text:
            written = path.with_name(f"{path.name}.new")
            written.write_text(new, encoding="utf-8")
            written.replace(path)


def lay_out_source(environment: Environment) -> Path:
    """Link the package's files into a source folder of their own and return it.

    CMake refuses to export include folders that lie inside the source folder, and NumPy's lie in the virtual
    environment, inside this checkout: so the build must see a source folder that does not contain it.
    """
    root, workspace = environment.root, environment.workspace
    source = workspace / "src" / "cinet_ros"
    source.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        link = source / name
        if not link.is_symlink():
            link.symlink_to(root / name)
        elif link.readlink() != root / name:
            # the checkout was moved or copied: CMake's caches name the old place, too
            for built in ("build", "install"):
                shutil.rmtree(workspace / built, ignore_errors=True)
            link.unlink()
            link.symlink_to(root / name)
    return source


def remove_dangling_links(folder: Path) -> None:
    """Remove links to files that the checkout has no more: Python would still list them as modules."""
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()


def build_workspace(environment: Environment) -> None:
    """Build the messages and lay out the package with colcon, Python files as links into this checkout."""
    root, workspace = environment.root, environment.workspace
    built = [
        root / "CMakeLists.txt",
        root / "package.xml",
        *(root / "msg").glob("*.msg"),
        *(root / "scripts").glob("*.in"),
    ]
    linked = [
        str(path.relative_to(root))
        for folder in ("cinet_core", "cinet_ros", "launch", "config")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    ]
    packages = stamp(environment, "packages").read_text(encoding="utf-8")
    value = digest(environment, built, "|".join([packages, *linked]))
    if is_current(environment, "workspace", value) and (workspace / "install" / "setup.sh").exists():
        return
    say(f"building the messages and the package cinet_ros with colcon into {workspace.name}")
    workspace.mkdir(exist_ok=True)
    (workspace / "COLCON_IGNORE").touch()
    (workspace / "distribution").write_text(f"{environment.ros}\n", encoding="utf-8")  # for scripts/env.sh
    rewrite_cmake_paths(environment.venv)
    remove_dangling_links(workspace / "install")
    prefix, python = str(environment.venv), environment.python
    run(
        python, "-m", "colcon", "--log-base", workspace / "log", "build",
        "--paths", lay_out_source(environment),
        "--build-base", workspace / "build", "--install-base", workspace / "install",
        "--symlink-install", "--event-handlers", "console_direct-",
        "--cmake-args", f"-DPython3_EXECUTABLE={python}", f"-DCINET_PYTHON={python}", "-DBUILD_TESTING=OFF",
        "-DCINET_PATH_TRACER=ON",
        env={
            "AMENT_PREFIX_PATH": prefix,
            "CMAKE_PREFIX_PATH": prefix,
            "PATH": f"{environment.venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": prefix,
            "ROS_DISTRO": environment.ros,
            "COLCON_HOME": str(workspace / "colcon"),  # not the defaults of whoever runs this
        },
        log=workspace / "build.log",
    )  # fmt: skip
    mark_current(environment, "workspace", value)
