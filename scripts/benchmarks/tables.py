"""A report as tables: for the terminal, and as markdown between the markers of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cinet_core.atomic_file import atomic_write_bytes
from scripts.benchmarks.rows import BenchmarkReport, Row, Value

BEGIN, END = "<!-- begin figures: `make bench` -->", "<!-- end figures -->"


def print_report(report: BenchmarkReport, console: Console) -> None:
    """A table a group, the machine above and the notes below; four columns, which fit where the markdown would not."""
    console.print(", ".join(f"{name} {value}" for name, value in report.machine.items()))
    for group, rows in _groups(report.rows).items():
        headings, lines = _cells(rows)
        table = Table("quantity: of, size", title=group)
        for heading in ("median", "10 % .. 90 % (runs)"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("beside")
        for quantity, subject, size, median, spread, runs, *further in lines:
            beside = "; ".join(f"{name} {value}" for name, value in zip(headings[6:], further, strict=True) if value)
            of = ", ".join(filter(None, (subject, size)))
            table.add_row(*map(escape, (f"{quantity}: {of}", median, f"{spread} ({runs})".strip(), beside)))
        console.print(table)
    for text in (*report.notes, *_failed(report)):
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def markdown(report: BenchmarkReport) -> str:
    """The same as markdown."""
    parts = ["| machine | |", "|---|---|"]
    parts += [_line((name, str(value))) for name, value in report.machine.items()]
    for group, rows in _groups(report.rows).items():
        headings, lines = _cells(rows)
        alignment = ["---", "---", "---", *["---:"] * (len(headings) - 3)]
        parts += ["", f"### {group}", "", _line(headings), _line(alignment)]
        parts += [_line(line) for line in lines]
    parts += ["", *(f"- {text}" for text in (*report.notes, *_failed(report)))]
    return "\n".join(parts).rstrip() + "\n"


def write_table(report: BenchmarkReport, path: Path) -> None:
    """Renew what stands between the markers of a markdown file; where there is none, the file is made.

    Raises:
        ValueError: the file has no such markers.
        OSError: it cannot be read or written.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} has no `{BEGIN}` ... `{END}`: put both lines where the tables belong")
    atomic_write_bytes(path, f"{before}{BEGIN}\n{markdown(report)}{END}{after}".encode())


def _failed(report: BenchmarkReport) -> list[str]:
    return [f"FAILED, {failure}" for failure in report.failures]


def _groups(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return groups


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings, and the cells of each row: what every row has, then every column that any row has beside it."""
    further = list(dict.fromkeys(name for row in rows for name in row.beside))
    headings = ["quantity", "of", "size", "median", "10 % .. 90 %", "runs", *further]
    lines = [
        [
            row.quantity,
            row.subject,
            f"{row.size[1]}x{row.size[0]}" if row.size else "",
            f"{short(row.median)} {row.unit}".rstrip(),
            f"{short(row.low)} .. {short(row.high)}" if row.runs > 1 else "",
            str(row.runs),
            *(short(row.beside.get(name, "")) for name in further),
        ]
        for row in rows
    ]
    return headings, lines


def short(value: Value) -> str:
    """Three digits are more than can be repeated; text stays as it is."""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
