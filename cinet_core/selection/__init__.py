"""From hours of recordings to hundreds of frames that are worth learning from: ``cinet data select``."""

from __future__ import annotations

from cinet_core.selection.report import SelectionReport
from cinet_core.selection.run import select_frames
from cinet_core.selection.settings import SelectionSettings

__all__ = ["SelectionReport", "SelectionSettings", "select_frames"]
