"""How the viewer shows a labelled set: the truth on the left, where it came from in the middle, predictions below."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from cinet_core.viewer import entities
from cinet_core.viewer.layout import OVERLAY_OPACITY

__all__ = ["labelled_layout"]


def labelled_layout(rr: ModuleType, compared: Sequence[str]) -> Any:
    """The blueprint.

    Args:
        rr: the module ``rerun``.
        compared: names of the weights whose predictions are recorded.
    """
    rrb = rr.blueprint
    overlaid = {entities.LABELS: rr.SegmentationImage.from_fields(opacity=OVERLAY_OPACITY)}
    truth = rrb.Grid(
        rrb.Spatial2DView(origin=entities.IMAGE_PLANE, name="Camera", contents=[entities.IMAGE]),
        rrb.Spatial2DView(
            origin=entities.IMAGE_PLANE,
            name="Labels over image",
            contents=[entities.IMAGE, entities.LABELS],
            overrides=overlaid,
        ),
        rrb.Spatial2DView(origin=entities.IMAGE_PLANE, name="Depth [m]", contents=[entities.DEPTH]),
        rrb.Spatial2DView(origin=f"{entities.SOURCES}/depth", name="Where depth came from"),
        rrb.Spatial2DView(origin=f"{entities.SOURCES}/labels", name="Where labels came from"),
        rrb.Tabs(
            rrb.Spatial2DView(origin=entities.LEGEND, name="Classes in view"),
            rrb.TextDocumentView(origin=entities.ABOUT, name="About"),
        ),
        rrb.Spatial2DView(origin=f"{entities.TRUST}/depth", name="Trust of depth"),
        rrb.Spatial2DView(origin=f"{entities.TRUST}/labels", name="Trust of labels"),
        rrb.TimeSeriesView(origin=entities.AGREEMENT, name="Agreement and trust of each frame"),
        grid_columns=3,
    )
    rows: list[Any] = [truth]
    if compared:
        views = [
            rrb.Spatial2DView(origin=f"{entities.COMPARED}/{name}/{part}", name=f"{title}, {name}")
            for name in compared
            for part, title in (("depth", "Depth [m]"), ("error", "Error of depth"), ("labels", "Labels"))
        ]
        rows.append(rrb.Grid(*views, grid_columns=3))
    return rrb.Blueprint(
        rrb.Vertical(*rows, row_shares=[3, len(compared)] if compared else None),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.TimePanel(state="collapsed"),
        auto_views=False,
        auto_layout=False,
    )
