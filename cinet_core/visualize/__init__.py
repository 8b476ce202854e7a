"""Pictures and files for people: depth, labels and clouds, panels of all of them, and the figures of a paper."""

from cinet_core.visualize.attention import Mark, MarkedFrame, attention_figure
from cinet_core.visualize.cloud import render_cloud
from cinet_core.visualize.comparison import ComparedFrame, Guess, comparison, depth_error
from cinet_core.visualize.depth import colorize_depth, depth_range, depth_scale_bar
from cinet_core.visualize.features import Shared, SharedBlock, features_figure
from cinet_core.visualize.grid import Cell, Column, grid
from cinet_core.visualize.labels import colorize_labels, legend, overlay, wide_legend
from cinet_core.visualize.panel import panel
from cinet_core.visualize.picture_file import write_picture
from cinet_core.visualize.ply import write_ply

__all__ = [
    "Cell",
    "Column",
    "ComparedFrame",
    "Guess",
    "Mark",
    "MarkedFrame",
    "Shared",
    "SharedBlock",
    "attention_figure",
    "colorize_depth",
    "colorize_labels",
    "comparison",
    "depth_error",
    "depth_range",
    "depth_scale_bar",
    "features_figure",
    "grid",
    "legend",
    "overlay",
    "panel",
    "render_cloud",
    "wide_legend",
    "write_picture",
    "write_ply",
]
