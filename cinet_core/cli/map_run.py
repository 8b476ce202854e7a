"""``cinet map``: frames with poses in; a map, images of it and a report out."""

from __future__ import annotations

import argparse
import json
import sys

from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.console import ConsoleProgress
from cinet_core.mapping.fuse import fuse_map
from cinet_core.mapping.fused_map import MapSettings
from cinet_core.open3d_loading import Open3DError

NO_WEIGHTS = "none"
"""In place of a file: nothing is predicted."""


def make_map(options: argparse.Namespace) -> int:
    """Fuse, write and compare; returns the exit status (see the command's help)."""
    try:
        with ConsoleProgress() as progress:
            if options.weights == NO_WEIGHTS and options.depth == "predicted":
                raise ValueError(f"--weights {NO_WEIGHTS} predicts no depth: give a checkpoint, or --depth sensor")
            settings = MapSettings(
                depth=options.depth,
                voxel_size=options.voxel,
                max_depth=options.max_depth,
                max_blocks=options.max_blocks,
                retired=options.retired,
                min_weight=options.min_weight,
                edge_filter=options.edge_filter,
                every=options.every,
                limit=options.limit,
                loops=options.loop,
                compare=options.compare,
            )
            fused = fuse_map(
                options.source,
                options.output,
                settings,
                weights=None if options.weights == NO_WEIGHTS else options.weights,
                options=dict(options.option),
                device=options.device,
                map_device=options.map_device,
                progress=progress,
            )
    except (CheckpointError, Open3DError, ValueError, OSError) as error:
        print(f"cinet map: {error}", file=sys.stderr)
        return 2
    print(json.dumps(fused.report.to_dict(), indent=2))
    print(f"written: {', '.join(map(str, fused.written))}")
    return 1 if fused.report.broken else 0
