"""Figures and charts, drawn by matplotlib: those of the paper, trajectories, images of a training run.

matplotlib comes with the extra ``charts``, and with ``train``; a robot has none. What a robot draws is in
`cinet_core.visualize`. Figures are `matplotlib.figure.Figure`: ``savefig`` writes them, as PNG, SVG or PDF.
"""

try:
    import matplotlib as _  # noqa: F401
except ModuleNotFoundError as error:
    remedy = "figures are drawn by matplotlib, which is not installed: pip install 'cinet[charts]'"
    raise ModuleNotFoundError(remedy, name=error.name) from error

from cinet_core.figures.attention import draw_attention
from cinet_core.figures.comparison import draw_panels
from cinet_core.figures.features import draw_features
from cinet_core.figures.figure_file import write_figure
from cinet_core.figures.observer import MissingPartError, Observer

__all__ = ["MissingPartError", "Observer", "draw_attention", "draw_features", "draw_panels", "write_figure"]
