"""README and docs: what they link to and what their commands name exists; the rotation of optical frames is right."""

from __future__ import annotations

import ast
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Files of this repository as commands and prose name them.
NAMED = re.compile(
    r"(?<![\w/.$~-])(?:(?:docs|scripts|config|launch|docker|test)/[\w./*-]*\w|(?:cinet_core|cinet_ros)/[\w./*-]*(?:\.\w+|/(?=`)))"
)
SITE = "docs/_build/"
# Modules and what they define; of cinet_core, which needs no ROS.
DOTTED = re.compile(r"(?<![\w/.-])cinet_core(?:\.[A-Za-z_]\w*)+")
EXAMPLE = re.compile(r"cinet predict (\S+)|SOURCE=(\S+)")
# Written by a command, or a place of the reader's own.
OF_THE_READER = {"path/to/folder", "folder", "clip.mp4", "frames"}


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = {name for name in NAMED.findall(page.read_text(encoding="utf-8")) if not name.startswith(SITE)}
    assert [name for name in sorted(named) if not list(ROOT.glob(name))] == []


def test_modules_and_names_of_the_core_exist() -> None:
    named = {(page.name, name) for page in PAGES for name in DOTTED.findall(page.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert [found for found in sorted(named) if not exists(found[1])] == []


def exists(name: str) -> bool:
    """A module, or what one defines or names lazily."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_what_does_not_exist_is_noticed() -> None:
    assert NAMED.findall("see `cinet_core/nowhere.py` and `cinet_core/metrics/`") == [
        "cinet_core/nowhere.py",
        "cinet_core/metrics/",
    ]
    assert not exists("cinet_core.nowhere")
    assert not exists("cinet_core.geometry.nowhere")


def advice() -> list[str]:
    """The paragraphs of CONTRIBUTING that say where something is added."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Add ...")
    return [f"a{part}" for part in section.partition("\n## ")[0].split("\n- **a")[1:]]


@pytest.mark.parametrize("paragraph", advice(), ids=lambda text: text.partition("**")[0])
def test_what_is_added_to_is_defined_in_the_files_that_are_named(paragraph: str) -> None:
    terms = re.findall(r"`([^`\s]+)`", paragraph)
    folders = {path.parent for term in terms if "/" in term for path in ROOT.glob(term)}
    files = [path for term in terms if "." in term for base in (ROOT, *folders) for path in base.glob(term)]
    assert all(any(path.match(term) for path in files) for term in terms if term.endswith((".py", ".yaml", ".xml")))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    for name in terms:
        if re.fullmatch(r"\w*[A-Z_]\w*", name):
            definition = rf"^\s*(class |def |self\.)?{name}\b\s*[:(=]"
            assert re.search(definition, sources, re.MULTILINE), f"{name} is in none of {[path.name for path in files]}"


def test_examples_run_on_files_that_exist() -> None:
    used = {first or second for first, second in EXAMPLE.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert "docs/example_room.jpg" in used
    assert [name for name in used - OF_THE_READER if not (ROOT / name).is_file()] == []
    assert (ROOT / "docs" / "example_room.jpg").stat().st_size < 150_000


def test_who_is_not_root_is_told_every_library() -> None:
    (line,) = re.findall(
        r"^sudo apt install git make .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    module = ast.parse((ROOT / "scripts" / "bootstrap" / "machine.py").read_text(encoding="utf-8"))
    (libraries,) = (
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SYSTEM_LIBRARIES"
    )
    assert libraries
    assert set(libraries.values()) <= set(line.split())


def test_rotation_of_the_camera_is_that_of_optical_frames() -> None:
    text = (ROOT / "docs" / "your_camera.md").read_text(encoding="utf-8")
    x, y, z, w = (float(value) for value in re.findall(r"--q[xyzw] (-?0\.5)", text))
    assert f"({x:g}, {y:g}, {z:g}, {w:g})" in text
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    # REP 103: optical z is the robot's x, optical x the robot's -y, optical y the robot's -z
    assert np.allclose(rotation, [[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
