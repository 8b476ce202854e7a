"""The paper's figures, drawn from checkpoints and a data set: one file a kind of figure."""

from cinet_core.figures.attention import draw_attention
from cinet_core.figures.features import draw_features
from cinet_core.figures.observer import MissingPartError, Observer
from cinet_core.figures.panels import draw_panels

__all__ = ["MissingPartError", "Observer", "draw_attention", "draw_features", "draw_panels"]
