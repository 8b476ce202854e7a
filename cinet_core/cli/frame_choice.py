"""What the arguments of `frame_arguments` stand for."""

from __future__ import annotations

import argparse

from cinet_core.checkpoint import Checkpoint, named_checkpoint
from cinet_core.data.frame_sources import Frame
from cinet_core.geometry import Intrinsics
from cinet_core.inference.predictor import Predictor


def chosen_checkpoint(options: argparse.Namespace) -> Checkpoint:
    """The weights.

    Raises:
        CheckpointError: they cannot be read.
        ValueError: there is no network of the name ``config``.
    """
    return named_checkpoint(options.weights, options.config)


def chosen_predictor(options: argparse.Namespace, checkpoint: Checkpoint) -> Predictor:
    """The network where and as it is to run; raises what `Predictor` raises."""
    return Predictor(checkpoint, device=options.device, backend=options.backend, precision=options.precision)


def chosen_camera(options: argparse.Namespace, frame: Frame) -> Intrinsics | None:
    """The camera that is named, else the source's own; None where neither is known."""
    height, width = frame.image.shape[:2]
    if options.fov is not None:
        return Intrinsics.from_fov(width, height, options.fov)
    if options.intrinsics is not None:
        fx, fy, cx, cy = options.intrinsics
        return Intrinsics(fx, fy, cx, cy, width, height)
    return frame.intrinsics
