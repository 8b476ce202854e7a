"""Recordings for the Rerun viewer, live in a browser tab or in a file.

Needs the extra ``viewer`` (rerun-sdk, Apache-2.0 or MIT); nothing here imports it before it is used.
"""

from cinet_core.viewer.library import LostViewerError, UnfinishedError, ViewerError
from cinet_core.viewer.recording import FrameTime, Recording
from cinet_core.viewer.server import ViewerServer

__all__ = ["FrameTime", "LostViewerError", "Recording", "UnfinishedError", "ViewerError", "ViewerServer"]
