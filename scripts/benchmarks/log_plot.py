"""Measured points and the power laws through them, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

COLUMNS = 2


@dataclass(frozen=True)
class Series:
    """What one plot shows.

    Attributes:
        title: above it.
        x_label: below it.
        unit: of y.
        x, y: the points, all above 0.
        law: drawn as a line.
        caption: of that line.
    """

    title: str
    x_label: str
    unit: str
    x: Sequence[float]
    y: Sequence[float]
    law: Callable[[float], float]
    caption: str


def log_plots(series: Sequence[Series]) -> Figure:
    """All plots in rows of two.

    Raises:
        ValueError: there are none.
    """
    if not series:
        raise ValueError("nothing to draw: give at least one series")
    rows = -(-len(series) // COLUMNS)
    figure = Figure((5.0 * COLUMNS, 3.6 * rows), dpi=110, layout="constrained")
    subplots = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, one in zip(subplots, series, strict=False):
        _plot(axes, one)
    for unused in subplots[len(series) :]:
        unused.set_axis_off()
    return figure


def _plot(axes: Axes, series: Series) -> None:
    ends = (min(series.x), max(series.x))
    axes.loglog(ends, [series.law(x) for x in ends], color="tab:blue", label=series.caption)
    axes.loglog(series.x, series.y, "s", color="tab:orange", label="measured")
    axes.set(title=series.title, xlabel=series.x_label, ylabel=series.unit)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(EngFormatter(sep=""))
    axes.minorticks_off()
    axes.grid(color="0.9")
    axes.legend(frameon=False)
