"""Trajectories from above: the true one and what was estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

__all__ = ["COLORS", "Points", "seen_from_above", "trajectory_figure"]

COLORS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7")
"""Okabe and Ito's, which the colour-blind tell apart."""

Points = npt.NDArray[np.float64]


def seen_from_above(poses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(2, 3): the axes of a top view, to the right and ahead; ahead is where the camera looked on average.

    The vertical is taken to be the camera's own, on average: a world has no up of its own here.

    Args:
        poses: (N, 4, 4), camera to world, at least one.
    """
    down = poses[:, :3, 1].mean(axis=0)
    down /= np.linalg.norm(down)
    forward = poses[:, :3, 2].mean(axis=0)
    forward -= down * (forward @ down)
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(down, forward), forward])


def trajectory_figure(
    views: Sequence[tuple[str, Mapping[str, Points]]], truth: Points, axes: npt.NDArray[np.float64]
) -> Figure:
    """Top views of trajectories that were laid over the true one, in metres from where that starts.

    Args:
        views: title of each, and the positions (N, 3) in it by name, metres. Equal names have equal colours.
        truth: (M, 3) true positions, metres.
        axes: (2, 3), to the right and ahead: `seen_from_above`.

    Returns:
        All views side by side with the same limits; dots mark the starts.

    Raises:
        ValueError: there is no view.
    """
    if not views:
        raise ValueError("no views: give at least one title with its trajectories")
    names = list(dict.fromkeys(name for _, lines in views for name in lines))
    everything = np.concatenate([truth, *(line for _, lines in views for line in lines.values())])
    low, high = (find((everything - truth[0]) @ axes.T, axis=0) for find in (np.min, np.max))
    reach = 0.55 * max(*(high - low), 1e-3)
    limits = (low + high)[:, None] / 2 + np.array([-reach, reach])
    figure = Figure((5.0 * len(views), 5.8), dpi=110, layout="compressed")
    subplots = figure.subplots(1, len(views), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (title, lines) in zip(subplots, views, strict=True):
        styled = [("truth", truth, "black")]
        styled += [(name, line, COLORS[names.index(name) % len(COLORS)]) for name, line in lines.items()]
        for name, line, color in styled:
            right, ahead = axes @ (line - truth[0]).T
            axis.plot(right, ahead, color=color, linewidth=2, label=name, marker="o", markevery=[0])
        axis.set(title=title, xlabel="right [m]", aspect="equal", xlim=limits[0], ylim=limits[1])
        axis.grid(color="0.9")
    subplots[0].set_ylabel("ahead [m]")
    handles = {str(line.get_label()): line for axis in subplots for line in axis.lines}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    return figure
