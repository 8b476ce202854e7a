"""The set without PyTorch: in the versions of everything else, and without what it is there to do without."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from scripts.bootstrap.environment import LIGHT, LIGHT_TEST, NOT_LIGHT, Environment
from scripts.bootstrap.packages import light_requirements

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "scripts" / "runtime.txt"


def pins(path: Path) -> dict[str, set[str]]:
    """Versions with their markers, by package."""
    found: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==", 1)
            found.setdefault(name, set()).add(version.partition(";")[0].strip())
    return found


def test_it_has_the_versions_of_everything_else() -> None:
    everything, light = pins(ROOT / "scripts" / "constraints.txt"), pins(RUNTIME)
    everything["opencv-python-headless"] = everything["opencv-python"]
    assert not [name for name, versions in light.items() if not versions <= everything[name]]


def test_it_leaves_out_what_it_is_there_to_leave_out() -> None:
    light = pins(RUNTIME)
    assert not light.keys() & {*NOT_LIGHT, "onnx", "onnxscript", "triton"}
    assert not [name for name in light if name.startswith("nvidia")]
    assert {"numpy", "opencv-python-headless", "openvino", "onnxruntime"} <= light.keys()


def test_its_environments_have_folders_of_their_own(tmp_path: Path) -> None:
    light, test = Environment(tmp_path, light=LIGHT), Environment(tmp_path, ros="kilted", light=LIGHT_TEST)
    assert (light.venv.name, test.workspace.name) == (".venv-light", ".ros-kilted-light-test")
    assert "train" not in light.extras.split(",")
    assert "open3d" in light.left_out
    assert "open3d" not in test.left_out
    assert Environment().left_out == ()


def test_the_environment_of_its_tests_has_what_runs_them_side_by_side(tmp_path: Path) -> None:
    """`make test-light` takes the options of pytest-xdist that `make test` has."""
    extras = Environment(tmp_path, light=LIGHT_TEST).extras.split(",")
    wanted = {
        requirement.partition(";")[0].strip()
        for requirement in metadata.requires("cinet") or ()
        if any(f'extra == "{extra}"' in requirement.replace("'", '"') for extra in extras)
    }
    assert {"pytest-xdist", "hypothesis"} <= wanted


def test_what_is_left_out_is_told_to_uv(tmp_path: Path) -> None:
    environment = Environment(tmp_path, light=LIGHT)
    environment.venv.mkdir()
    _, overrides, _, runtime = light_requirements(environment)
    assert Path(runtime) == tmp_path / "scripts" / "runtime.txt"
    lines = Path(overrides).read_text(encoding="utf-8").splitlines()
    assert "torch ; sys_platform == 'none'" in lines
    assert len(lines) == len(NOT_LIGHT)
    assert light_requirements(Environment(tmp_path)) == []


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(("present", "light"), [(False, "light"), (True, "")])
def test_the_demo_takes_the_light_set_unless_everything_is_there(present: bool, light: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    if present:
        (tmp_path / ".venv" / "stamps").mkdir(parents=True)
        (tmp_path / ".venv" / "stamps" / "workspace").touch()
    done = subprocess.run(["make", "--dry-run", "demo"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.findall(r'--light "(.*?)"', done.stdout) == [light]
