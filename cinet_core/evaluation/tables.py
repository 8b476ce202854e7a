"""Tables of text, for Markdown files and for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from rich.table import Table
from rich.text import Text

__all__ = ["MISSING", "TextTable", "number", "percent"]

MISSING = "-"
"""A number that does not exist, or that nobody has published."""

NUMBER_WIDTH = 5


@dataclass(frozen=True)
class TextTable:
    """A table with a title, column names and rows.

    Attributes:
        title: of one line.
        columns: their names; the first holds words, the others numbers.
        rows: of as many texts as there are columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return a heading and a table in GitHub's Markdown."""
        rules = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [self.columns, rules, *self.rows]
        return "\n".join((f"## {self.title}", "", *(_markdown_row(line) for line in lines), ""))

    def rich(self) -> Table:
        """Return the table for a terminal."""
        table = Table(title=self.title, title_justify="left")
        table.add_column(self.columns[0])
        for column in self.columns[1:]:
            # In a narrow terminal words are broken, never numbers.
            table.add_column(column, justify="right", min_width=NUMBER_WIDTH)
        for row in self.rows:
            table.add_row(*map(Text, row))  # as it stands: a class may be called [bold]
        return table


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with this many decimals, or a dash for None and for values that are not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    # Of the decimal that stands for the value: 0.5365 becomes 0.537, though in binary it lies below.
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def percent(value: float | None) -> str:
    """Format a fraction in percent with one decimal, or a dash for None and for values that are not finite."""
    return MISSING if value is None else number(round(100 * value, 9), 1)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
