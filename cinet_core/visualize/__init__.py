"""Images and files of predictions, drawn by OpenCV and Pillow, as a robot draws them: depth, labels, clouds, panels.

Charts and the figures of a paper are in `cinet_core.figures`, which needs matplotlib.
"""

from cinet_core.visualize.cloud import render_cloud
from cinet_core.visualize.depth import colorize_depth, depth_range, depth_scale_bar
from cinet_core.visualize.image_file import write_image
from cinet_core.visualize.labels import colorize_labels, legend, overlay, wide_legend
from cinet_core.visualize.ply import write_ply

__all__ = [
    "colorize_depth",
    "colorize_labels",
    "depth_range",
    "depth_scale_bar",
    "legend",
    "overlay",
    "render_cloud",
    "wide_legend",
    "write_image",
    "write_ply",
]
