"""Tables of text, for Markdown files and for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from rich.table import Table
from rich.text import Text

MISSING = "-"
"""A figure that does not exist, or that nobody has published."""

FIGURE_WIDTH = 5


@dataclass(frozen=True)
class TextTable:
    """A table.

    Attributes:
        title: of one line.
        columns: their names; the first holds words, the others figures.
        rows: of as many texts as there are columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """As a heading and a table of GitHub's Markdown."""
        rules = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [self.columns, rules, *self.rows]
        return "\n".join((f"## {self.title}", "", *(_markdown_row(line) for line in lines), ""))

    def rich(self) -> Table:
        """For a terminal."""
        table = Table(title=self.title, title_justify="left")
        table.add_column(self.columns[0])
        for column in self.columns[1:]:
            # In a narrow terminal words are broken, never figures.
            table.add_column(column, justify="right", min_width=FIGURE_WIDTH)
        for row in self.rows:
            table.add_row(*map(Text, row))  # as it stands: a class may be called [bold]
        return table


def number(value: float | None, digits: int = 3) -> str:
    """A figure with this many decimals; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    # Of the decimal that stands for the value: 0.5365 becomes 0.537, though in binary it lies below.
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def percent(value: float | None) -> str:
    """A fraction in percent with one decimal; a dash for None and for what is not finite."""
    return MISSING if value is None else number(round(100 * value, 9), 1)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
