"""Faults as tests: the marker `fault`, the fixture `observed`, and the table of docs/faults.md that they fill.

A test that injects a fault says so, and what it saw is a row of the table that ``pytest --fault-table FILE`` writes:

    @pytest.mark.fault(area="input", injected="an image with 7 bytes too few", expected="dropped, counted as `size`")
    def test_short_data(observed): ...
        observed(f"dropped {count} of {sent}")

Keys of several markers on one test (module, class, function, parameter) are joined, the nearest wins. The fault is
named after the test unless the key `fault` names it. Parameters with the same text share a row. Rows of tests that were
not selected stay as an earlier run wrote them: long runs can be done one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

# Titles of the table's sections in their order; another area comes after them under its own name.
AREAS = {
    "life": "Managed life",
    "parameters": "Parameters",
    "input": "Inputs as they really come",
    "machine": "Faults in the machine",
    "cameras": "Several cameras",
    "diagnostics": "Diagnostics",
    "anchors": "Anchors",
    "navigation": "Navigation",
    "security": "Security",
    "load": "Load and endurance",
    "mapping": "Mapping",
}
REQUIRED = ("area", "injected", "expected")
KEYS = (*REQUIRED, "fault")
HEADER = ("Fault", "Injected", "Expected", "Observed", "Result", "Test")
RESULT, TEST = HEADER.index("Result"), HEADER.index("Test")
# Worst first; a row of several parameters shows the worst.
OUTCOMES = ("failed", "not run", "rerun", "skipped", "passed")
# What a run adds to the name of a temporary folder, and would change the table each time.
_TEMPORARY = re.compile(r"/[^\s'\"]*/pytest-of-[^/\s]+/pytest-\d+/")
_LONGEST_REASON = 200


@dataclass
class Run:
    """What became of one test.

    Attributes:
        nodeid: of pytest, parameters included.
        outcome: "" until it has run; passed, failed or skipped.
        reason: why it failed or was skipped.
        observed: what the test said it saw, in order.
    """

    nodeid: str
    outcome: str = ""
    reason: str = ""
    observed: list[str] = field(default_factory=list)


class Fault(NamedTuple):
    """One row: what the tests that share it have in common."""

    area: str
    test: str
    fault: str
    injected: str
    expected: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --fault-table."""
    parser.getgroup("faults").addoption(
        "--fault-table", type=Path, metavar="FILE", help="write what the tests marked `fault` saw as a Markdown table"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch the run where a table is wanted; the processes of pytest-xdist report to the first one."""
    if config.getoption("--fault-table") is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FaultTable(config.getoption("--fault-table"), config.rootpath), "fault table")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note every fault with its test, so that the reports carry it.

    Raises:
        pytest.UsageError: a marker lacks a key or has an unknown one.
    """
    for item in items:
        keys: dict[str, str] = {}
        for marker in reversed(list(item.iter_markers("fault"))):  # the nearest last
            keys |= marker.kwargs
        if not keys:
            continue
        missing, unknown = sorted(set(REQUIRED) - set(keys)), sorted(set(keys) - set(KEYS))
        if missing or unknown:
            raise pytest.UsageError(
                f"{item.nodeid}: its marker `fault` lacks {missing} and has unknown {unknown}; the keys are {KEYS}"
            )
        name = item.nodeid.partition("[")[0]
        keys.setdefault("fault", name.rpartition("::")[2].removeprefix("test_").replace("_", " "))
        item.user_properties.append(("fault", {"test": name, **keys}))


@pytest.fixture
def observed(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what was seen, for the table; without a call a passed test's row says "as expected"."""

    def note(text: str) -> None:
        request.node.user_properties.append(("observed", str(text)))

    return note


class FaultTable:
    """Collects the reports of marked tests and writes the table at the end."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._rows: dict[Fault, dict[str, Run]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Give every selected test its place, so that none is missing where the run is cut short."""
        for item in session.items:
            self._run(item.nodeid, item.user_properties)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the outcome of a test's setup, call or teardown."""
        run = self._run(report.nodeid, report.user_properties)
        if run is None:
            return
        if report.when == "setup":  # the first time, or again
            run.outcome = run.reason = ""
        if report.outcome != "passed":
            run.outcome, run.reason = report.outcome, self._reason(report)
        elif report.when == "call" and not run.outcome:
            run.outcome = "passed"
        run.observed = [self._plain(text) for key, text in report.user_properties if key == "observed"]

    def pytest_sessionfinish(self) -> None:
        """Write the table."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        earlier = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        self._path.write_text(markdown(self._rows, earlier), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where it is."""
        terminalreporter.write_line(f"{len(self._rows)} faults are in {self._path}")

    def _run(self, nodeid: str, properties: list[tuple[str, Any]]) -> Run | None:
        keys = dict(properties).get("fault")
        if keys is None:
            return None
        return self._rows.setdefault(Fault(**keys), {}).setdefault(nodeid, Run(nodeid))

    def _reason(self, report: pytest.TestReport) -> str:
        if isinstance(report.longrepr, tuple):  # of a skip: file, line, text
            text = report.longrepr[2].removeprefix("Skipped: ")
        else:
            crash = getattr(report.longrepr, "reprcrash", None)
            text = str(report.longrepr if crash is None else crash.message)
        text = getattr(report, "wasxfail", "") or text
        return self._plain(text.strip().partition("\n")[0])[:_LONGEST_REASON]

    def _plain(self, text: str) -> str:
        return _TEMPORARY.sub("", text).replace(f"{self._root}/", "")


def markdown(rows: dict[Fault, dict[str, Run]], earlier: str = "") -> str:
    """The whole file: sections by area, rows by test and text; the same rows give the same file.

    Args:
        rows: of this run.
        earlier: the file as it is; its rows of tests that are not among `rows` are taken over.
    """
    sections: dict[str, list[tuple[str, ...]]] = {}
    for fault, runs in rows.items():
        sections.setdefault(AREAS.get(fault.area, fault.area), []).append(tuple(_cells(fault, list(runs.values()))))
    here = {fault.test for fault in rows}
    for title, cells in _rows_of(earlier):
        if cells[TEST].strip("`") not in here:
            sections.setdefault(title, []).append(cells)
    lines = [
        "# Faults, injected",
        "",
        "Written by `make faults` (and for the long ones `make soak`): each row is a test that injects the fault, and",
        "what it saw. Do not edit: mark a test with `fault` instead (test/support/fault_table.py).",
        "",
        summary([cells[RESULT] for section in sections.values() for cells in section]),
    ]
    rank = {title: place for place, title in enumerate(AREAS.values())}
    for title in sorted(sections, key=lambda title: (rank.get(title, len(rank)), title)):
        lines += ["", f"## {title}", "", _line(HEADER), _line(["---"] * len(HEADER))]
        lines += [_line(cells) for cells in sorted(sections[title], key=lambda cells: (cells[TEST], cells))]
    return "\n".join(lines) + "\n"


def _rows_of(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Title of the section and cells of every row of such a file."""
    title = ""
    for line in text.splitlines():
        title = line.removeprefix("## ") if line.startswith("## ") else title
        cells = tuple(cell.replace("\\|", "|") for cell in line.removeprefix("| ").removesuffix(" |").split(" | "))
        if len(cells) == len(HEADER) and cells != HEADER and set(cells) != {"---"}:
            yield title, cells


def summary(results: list[str]) -> str:
    """How many faults came out how.

    Args:
        results: the cell of each row, its outcome first.
    """
    counts: dict[str, int] = {}
    for result in results:
        word = result.split()[0].rstrip(":")
        counts[word] = counts.get(word, 0) + 1
    text = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    return f"{len(results)} faults: {text or 'no test was marked'}."


def _cells(fault: Fault, runs: list[Run]) -> Iterator[str]:
    seen = list(dict.fromkeys(text for run in sorted(runs, key=lambda run: run.nodeid) for text in run.observed))
    passed = all(run.outcome == "passed" for run in runs)
    yield from (fault.fault, fault.injected, fault.expected)
    yield "; ".join(seen) or ("as expected" if passed else "")
    yield _result(runs)
    yield f"`{fault.test}`"


def _result(runs: list[Run]) -> str:
    """The worst outcome with its reasons, and how many parameters there were."""
    by_outcome = {outcome: [run for run in runs if (run.outcome or "not run") == outcome] for outcome in OUTCOMES}
    worst = next(outcome for outcome in OUTCOMES if by_outcome[outcome])
    number = f" ({len(by_outcome[worst])} of {len(runs)})" if len(runs) > 1 else ""
    reasons = sorted({run.reason for run in by_outcome[worst] if run.reason})
    return f"{worst}{number}" + (f": {'; '.join(reasons)}" if reasons else "")


def _line(cells: Any) -> str:
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"
