"""Pictures and files for people: depth, labels and clouds, and panels of all of them."""

from cinet_core.visualize.cloud import render_cloud
from cinet_core.visualize.depth import colorize_depth, depth_range, depth_scale_bar
from cinet_core.visualize.labels import colorize_labels, legend, overlay
from cinet_core.visualize.panel import panel
from cinet_core.visualize.ply import Open3DError, write_ply

__all__ = [
    "Open3DError",
    "colorize_depth",
    "colorize_labels",
    "depth_range",
    "depth_scale_bar",
    "legend",
    "overlay",
    "panel",
    "render_cloud",
    "write_ply",
]
