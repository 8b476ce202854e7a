"""Fusion over time: depth and labels of the last frame, carried into the next one by the camera's motion."""

from cinet_core.temporal.carrying import Carried, carry
from cinet_core.temporal.fusion import FusedFrame, FusionSettings, TemporalFusion, fuse

__all__ = ["Carried", "FusedFrame", "FusionSettings", "TemporalFusion", "carry", "fuse"]
