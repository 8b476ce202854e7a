"""Every shell script of the repository, linted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path
    for folder in (".ci", "docker", "scripts", "test")
    for path in (ROOT / folder).rglob("*")
    if path.is_file()
    and (path.suffix in (".sh", ".in") or re.match(rb"#!.*\b(ba)?sh\b", path.read_bytes()[:64]) is not None)
)


def test_there_are_scripts() -> None:
    assert {"run", "install.sh", "env.sh", "entrypoint.sh", "node.sh.in"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(path: Path) -> None:
    text = re.sub("@[A-Za-z_]+@", "value", path.read_text(encoding="utf-8"))  # what CMake fills in
    result = subprocess.run(
        ["shellcheck", "--color=never", "--external-sources", "-"],
        input=text,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "")
