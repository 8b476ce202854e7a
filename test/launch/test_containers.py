"""docker/: linted, what is copied exists, what is downloaded does not depend on the source, and the entry point works.

The images themselves are not built: that needs an engine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile*"))


def instructions(path: Path) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile and their arguments, continued lines joined, comments left out."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing(path: Path) -> None:
    result = subprocess.run(
        ["hadolint", "--no-color", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_downloads_depend_on_nothing_that_is_edited_daily(path: Path) -> None:
    before = []
    for name, rest in instructions(path):
        if name == "RUN" and "--dependencies-only" in rest:
            break
        if name == "COPY":
            before += rest.split()[:-1]
    else:
        pytest.fail("no layer of dependencies")
    assert "." not in before
    copied = {source.relative_to(ROOT).as_posix() for pattern in before for source in ROOT.glob(pattern)}
    assert copied >= {"package.xml", "setup.py", "scripts/install.sh", "scripts/constraints.txt"}
    assert not [name for name in copied if name.startswith(("cinet_", "launch", "config", "README"))]
    # what installs after the source was copied takes what is there
    assert [rest for name, rest in instructions(path) if name == "COPY" and rest.startswith(". ")] == [". src/cinet"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_exists(path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for name, rest in instructions(path):
        if name == "COPY":
            for pattern in rest.split()[:-1]:
                assert list(ROOT.glob(pattern)) if pattern != "." else True
                assert pattern not in ignored


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_it_does_not_run_as_root(path: Path) -> None:
    users = [rest for name, rest in instructions(path) if name == "USER"]
    assert users == ["cinet"]
    # the ID of the user outside, because shared memory does not cross users
    assert any(name == "ARG" and rest.startswith("USER_ID=") for name, rest in instructions(path))


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """A workspace and a distribution as the entry point finds them, each saying that it was sourced."""
    for folder in ("ros/install", "ws/install"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "setup.bash").write_text(f"SOURCED=${{SOURCED:-}}{folder[0]}\n", encoding="utf-8")
    (tmp_path / "ws" / "install" / "setup.bash").open("a").write(f"export SOURCED PYTHONPATH={ROOT}\n")
    shutil.copy(ROOT / "docker" / "entrypoint.sh", tmp_path / "ws" / "entrypoint.sh")
    return tmp_path


def run(container: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(container / "ws" / "entrypoint.sh"), *command],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "ROS_ROOT": str(container / "ros")} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "variable", "profile"),
    [
        ({"ROS_DISTRO": "humble"}, "FASTRTPS_DEFAULT_PROFILES_FILE", "fastdds.xml"),
        (
            {"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "1"},
            "FASTRTPS_DEFAULT_PROFILES_FILE",
            "fastdds_localhost.xml",
        ),
        ({"ROS_DISTRO": "lyrical"}, "FASTDDS_DEFAULT_PROFILES_FILE", "fastdds.xml"),
    ],
)
def test_entry_point_sources_both_and_names_the_profile(
    container: Path, environment: dict[str, str], variable: str, profile: str
) -> None:
    result = run(container, "bash", "-c", f'echo "$SOURCED ${variable}"; exit 7', **environment)
    assert result.stdout.split() == ["rw", f"{container}/ws/install/cinet_ros/share/cinet_ros/config/{profile}"]
    assert result.returncode == 7  # the command's own
    assert result.stderr == ""


def test_entry_point_leaves_the_users_profile_alone(container: Path) -> None:
    own = {"ROS_DISTRO": "humble", "FASTRTPS_DEFAULT_PROFILES_FILE": "/mine.xml"}
    result = run(container, "bash", "-c", "env | grep PROFILES_FILE", **own)
    assert result.stdout == "FASTRTPS_DEFAULT_PROFILES_FILE=/mine.xml\n"
