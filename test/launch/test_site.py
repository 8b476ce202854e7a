"""The documentation site: its diagrams are those of the plan, the tutorial is stored clean, and no page is left out.

That it builds without a warning, and that the tutorial runs, is seen by `make docs-site`, which `make test` runs first;
what it has built is looked at here.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import cinet_core
from scripts import architecture

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = DOCS / "_build" / "html"
TUTORIAL = DOCS / "tutorial.ipynb"


def test_diagrams_are_those_of_the_plan() -> None:
    remedy = "run `make docs`"
    assert architecture.ROOMS_FILE.read_text(encoding="utf-8") == architecture.rooms_diagram(), remedy
    assert architecture.WAYS_FILE.read_text(encoding="utf-8") == architecture.ways_diagram(), remedy


def test_the_tutorial_is_stored_without_outputs() -> None:
    cells = json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert TUTORIAL.stat().st_size < 50_000


def test_every_page_is_in_the_navigation() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    trees = "\n".join(re.findall(r"```\{toctree\}\n(.+?)```", text, re.DOTALL))
    listed = {entry.strip("<>") for entry in trees.split()}
    pages = {path.stem for path in (*DOCS.glob("*.md"), *DOCS.glob("*.ipynb"))} - {"index"}
    assert pages - listed == set()


class Resources(HTMLParser):
    """What a page fetches by itself."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"img", "script", "source", "iframe"}:
            self.found.append(values.get("src") or "")
        elif tag == "link" and "stylesheet" in (values.get("rel") or ""):
            self.found.append(values.get("href") or "")


@pytest.fixture(scope="module")
def site() -> Path:
    if not (SITE / "objects.inv").is_file():
        pytest.skip("the site is not built: make docs-site")
    return SITE


def test_the_reference_describes_every_public_name(site: Path) -> None:
    page = (site / "docs" / "reference" / "generated" / "front_door.html").read_text(encoding="utf-8")
    classes_and_functions = [
        name for name in cinet_core.__all__ if getattr(getattr(cinet_core, name), "__module__", None)
    ]
    assert len(classes_and_functions) > 20
    assert [name for name in classes_and_functions if f'id="cinet_core.{name}"' not in page] == []


def test_the_tutorial_has_been_run(site: Path) -> None:
    page = (site / "docs" / "tutorial.html").read_text(encoding="utf-8")
    assert page.count('class="cell_output') > 5
    assert re.search(r'<img [^>]*src="../_images/', page), "the panel of the prediction is shown"
    assert "ExportedGraph(path=" in page
    assert "Traceback" not in page


def test_the_site_is_readable_offline(site: Path) -> None:
    pages = [path for path in site.rglob("*.html") if path.parent.name != "_static"]
    assert len(pages) > 30
    assert 'url=docs/index.html"' in (site / "index.html").read_text(encoding="utf-8")
    fetched = {(page.name, name) for page in pages for name in Resources(page).found}
    assert [found for found in sorted(fetched) if re.match(r"(https?:)?//", found[1])] == []
