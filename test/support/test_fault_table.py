"""The table of faults: what tests say about themselves and what became of them, and nothing that changes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = """
import pytest

pytestmark = pytest.mark.fault(area="machine", injected="power cut", expected="lights out")

def test_lights_go_out(observed):
    observed("dark")
    observed("a | pipe\\nand a line")

def test_nothing_to_add():
    pass

@pytest.mark.fault(area="input", fault="a name of its own")
@pytest.mark.parametrize("size", [3, 1, 2])
def test_sizes(size, observed):
    observed(f"size {min(size, 2)}")

@pytest.mark.fault(area="elsewhere")
@pytest.mark.parametrize("value", [1, pytest.param(2, marks=pytest.mark.fault(injected="another"))])
def test_each_its_own_row(value, tmp_path, observed):
    observed(f"in {tmp_path}/x")
    assert value == 1, f"value is {value}, {tmp_path}/y"

def test_skipped(tmp_path):
    pytest.skip("no lamp")

@pytest.mark.xfail(reason="known")
def test_known():
    assert False

@pytest.fixture
def broken():
    yield
    raise OSError("lamp broke")

def test_teardown(broken):
    pass
"""
UNMARKED = "def test_unmarked():\n    pass\n"


@pytest.fixture
def table(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the inner run writes; it has no plugin but this one."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest("pytest_plugins = ['fault_table']")
    pytester.makeini("[pytest]\nmarkers = fault: as here\n")
    return pytester.path / "docs" / "faults.md"


def run(pytester: pytest.Pytester, table: Path, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("--fault-table", table, *arguments)


def rows(table: Path) -> dict[str, list[str]]:
    """Cells of the table, by fault; a fault in several rows has its last."""
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    assert all(len(line) == 6 for line in cells), lines
    return {line[0]: line[1:] for line in cells}


def test_each_fault_has_its_row(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makepyfile(test_x=TESTS, test_unmarked=UNMARKED)
    run(pytester, table).assert_outcomes(passed=8, failed=1, errors=1, skipped=1, xfailed=1)
    found = rows(table)
    assert found["lights go out"] == [
        "power cut", "lights out", "dark; a \\| pipe and a line", "passed", "`test_x.py::test_lights_go_out`",
    ]  # fmt: skip
    assert found["nothing to add"][2:4] == ["as expected", "passed"]
    assert found["a name of its own"][2:4] == ["size 1; size 2", "passed (3 of 3)"]
    assert found["skipped"][2:4] == ["", "skipped: no lamp"]
    assert found["known"][3] == "skipped: known"
    assert found["teardown"][3].startswith("failed: OSError: lamp broke")
    assert not any("unmarked" in name for name in found)


def test_markers_join_and_the_nearest_wins(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makepyfile(test_x=TESTS)
    run(pytester, table, "-k", "own_row")
    text = table.read_text(encoding="utf-8")
    (own,) = [line for line in text.splitlines() if "| another |" in line]
    (common,) = [line for line in text.splitlines() if "| power cut |" in line]
    assert "| failed: AssertionError: value is 2," in own
    assert "| passed |" in common
    assert "2 faults: 1 failed, 1 passed." in text


def test_sections_have_an_order_and_two_runs_give_the_same_file(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makepyfile(test_x=TESTS)
    texts = []
    for _ in range(2):
        run(pytester, table)
        texts.append(table.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert str(pytester.path) not in texts[0]
    titles = [line for line in texts[0].splitlines() if line.startswith("## ")]
    assert titles == ["## Inputs as they really come", "## Faults in the machine", "## elsewhere"]


def test_rows_of_tests_that_were_not_selected_stay(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makepyfile(test_lamp=TESTS)
    run(pytester, table)
    whole = table.read_text()
    run(pytester, table, "-k", "sizes or skipped")
    assert table.read_text() == whole
    pytester.makepyfile(test_lamp=TESTS.replace("no lamp", "no bulb"))
    run(pytester, table, "-k", "skipped")
    assert table.read_text() == whole.replace("no lamp", "no bulb")


def test_a_run_that_was_cut_short_says_so(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makepyfile(test_x=TESTS.replace('observed("dark")', "assert False"))
    run(pytester, table, "--exitfirst")
    results = [cells[3] for name, cells in rows(table).items() if name not in {"Fault", "---"}]
    assert sorted(result.split()[0] for result in results) == ["failed:", *["not"] * 6]  # two rows have one name


def test_nothing_is_written_unasked(pytester: pytest.Pytester, table: Path) -> None:
    pytester.makepyfile(test_x=TESTS)
    result = pytester.runpytest_inprocess("-k", "lights")
    result.assert_outcomes(passed=1, deselected=9)
    assert not table.exists()


@pytest.mark.parametrize("marker", ["area='x', injected='y'", "area='x', injected='y', expected='z', sure=True"])
def test_incomplete_marker_is_refused(pytester: pytest.Pytester, table: Path, marker: str) -> None:
    pytester.makepyfile(test_x=f"import pytest\n@pytest.mark.fault({marker})\ndef test_a():\n    pass\n")
    result = run(pytester, table)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_x.py::test_a: its marker `fault` lacks *"])
