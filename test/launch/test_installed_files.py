"""What a wheel and a robot's install hold, as setup.py and CMakeLists.txt say it."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "cinet_core"
PATH_TRACER = "cinet_core.rooms.pathtraced"


@pytest.fixture(scope="module")
def distribution():  # type: ignore[no-untyped-def]
    from distutils.core import run_setup  # setuptools brings its own where Python has none any more

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return run_setup("setup.py", stop_after="init")


def test_a_wheel_has_every_package_but_the_path_tracer(distribution) -> None:  # type: ignore[no-untyped-def]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in CORE.rglob("__init__.py")}
    left_out = {name for name in folders if name.startswith(PATH_TRACER)}
    assert left_out == {PATH_TRACER, f"{PATH_TRACER}.blender"}
    assert set(distribution.packages) == (folders - left_out) | {"cinet_core.bags.msg"}


def test_a_wheel_has_the_files_that_are_no_code(distribution) -> None:  # type: ignore[no-untyped-def]
    patterns = distribution.package_data["cinet_core"]
    files = [path for path in CORE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert {"lite.safetensors", "example_rooms.webp", "py.typed"} <= {path.name for path in files}
    for path in files:
        assert any(fnmatch(str(path.relative_to(CORE)), pattern) for pattern in patterns), path


def test_what_a_robot_goes_without_is_where_cmake_leaves_it_out() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    patterns = set(re.findall(r'PATTERN "(.*?)" EXCLUDE', text))
    assert patterns == {"__pycache__", "rooms/pathtraced", "rooms/pathtraced/*"}
    assert (CORE / "rooms" / "pathtraced" / "__init__.py").is_file()
    assert not (CORE / "benchmarks").exists()
    assert not (ROOT / "cinet_ros" / "benchmarks").exists()
