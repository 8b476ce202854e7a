"""How the viewer shows a recording: which views there are, where, and what each of them shows."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from cinet_core.viewer import entities

__all__ = ["OVERLAY_OPACITY", "layout"]

OVERLAY_OPACITY = 0.5
PLOTTED_SECONDS = 30.0
PLOTTED_FRAMES = 200


def layout(rr: ModuleType, rates: bool) -> Any:
    """The blueprint: the world on the left, images on the right, plots below them.

    Args:
        rr: the module ``rerun``.
        rates: whether rates are recorded, which get a plot of their own.
    """
    rrb = rr.blueprint
    plots = [_plot(rr, entities.MILLISECONDS, "Time a frame [ms]")]
    if rates:
        plots.append(_plot(rr, entities.HERTZ, "Rate [Hz]"))
    return rrb.Blueprint(
        rrb.Horizontal(
            _world(rr),
            rrb.Vertical(
                rrb.Grid(
                    _image_view(rr, "Camera", [entities.IMAGE]),
                    _image_view(rr, "Labels over image", [entities.IMAGE, entities.LABELS]),
                    _image_view(rr, "Depth [m]", [entities.DEPTH]),
                    rrb.Tabs(
                        rrb.Spatial2DView(origin=entities.LEGEND, name="Classes in view"),
                        rrb.TextDocumentView(origin=entities.ABOUT, name="About"),
                    ),
                    grid_columns=2,
                ),
                rrb.Horizontal(*plots),
                row_shares=[3, 1],
            ),
            column_shares=[5, 4],
        ),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.TimePanel(state="collapsed"),
        auto_views=False,
        auto_layout=False,
    )


def _world(rr: ModuleType) -> Any:
    """Camera, cloud, map and the way so far; the images that lie in the image plane would only hide them."""
    rrb = rr.blueprint
    so_far = [
        rrb.VisibleTimeRange(
            timeline, start=rrb.TimeRangeBoundary.infinite(), end=rrb.TimeRangeBoundary.cursor_relative()
        )
        for timeline in (entities.FRAME, entities.STAMP)
    ]
    return rrb.Spatial3DView(
        origin=entities.WORLD,
        name="Map, cloud and trajectory",
        contents=["$origin/**", f"- {entities.LABELS}", f"- {entities.DEPTH}"],
        overrides={entities.TRAJECTORY: rrb.VisibleTimeRanges(so_far)},
        background=rrb.Background(color=(24, 26, 30)),
    )


def _image_view(rr: ModuleType, name: str, contents: list[str]) -> Any:
    overlaid = {entities.LABELS: rr.SegmentationImage.from_fields(opacity=OVERLAY_OPACITY)}
    return rr.blueprint.Spatial2DView(
        origin=entities.IMAGE_PLANE,
        name=name,
        contents=contents,
        overrides=overlaid if entities.LABELS in contents else None,
    )


def _plot(rr: ModuleType, group: str, name: str) -> Any:
    rrb = rr.blueprint
    boundary = rrb.TimeRangeBoundary
    begins = {
        entities.FRAME: boundary.cursor_relative(seq=-PLOTTED_FRAMES),
        entities.STAMP: boundary.cursor_relative(seconds=-PLOTTED_SECONDS),
    }
    recent = [
        rrb.VisibleTimeRange(timeline, start=begin, end=boundary.cursor_relative())
        for timeline, begin in begins.items()
    ]
    return rrb.TimeSeriesView(origin=group, name=name, time_ranges=recent)
