"""``cinet map``: frames with poses in; a map, images of it and a report out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cinet_core.cli.arguments import add_option, positive

NO_WEIGHTS = "none"
"""In place of a file: nothing is predicted."""


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Fuses a recorded sequence with poses into a semantic map. Writes OUT/map.npz (which the mapper and "
        "SemanticMap.load read), OUT/map.ply, renderings from above and from within, and OUT/map.json with what was "
        "fused, how fast, and how far the map is from an independent fusion (--compare). Exit status: 0 all is well, "
        "1 some frames could not be read and are left out, 2 it could not start."
    )
    parser.add_argument("source", metavar="SOURCE", help="folder of a recording with poses (see --kind); or synthetic")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder to write to; made where it is missing")
    parser.add_argument(
        "--depth", choices=("sensor", "predicted"), default="predicted", help="what to fuse (%(default)s)"
    )
    parser.add_argument(
        "--weights",
        default="default",
        metavar="FILE|default|random|none",
        help="of the network: a checkpoint; default, what ships; random, for plumbing only; or none, which leaves the "
        "labels to the source (with --depth sensor)",
    )
    parser.add_argument("--device", default="auto", help="of the network: auto, cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--map-device", default="cpu", metavar="DEVICE", help="of the map: cpu, cuda or cuda:N (cpu)")
    parser.add_argument("--voxel", type=float, default=0.02, metavar="M", help="size of a voxel, metres (%(default)s)")
    parser.add_argument("--max-depth", type=float, default=4.0, metavar="M", help="fuse nothing beyond (%(default)s)")
    parser.add_argument(
        "--max-blocks", type=positive, default=20000, metavar="N", help="budget, in blocks of 17 kB (%(default)s)"
    )
    parser.add_argument("--retired", type=Path, metavar="DIR", help="for blocks over the budget, else they are lost")
    parser.add_argument(
        "--min-weight", type=float, default=3.0, metavar="N", help="points need more than N frames (%(default)s)"
    )
    parser.add_argument(
        "--edge-filter",
        type=float,
        default=0.05,
        metavar="PART",
        help="leave out predicted depth beside a jump by more than this part of it; 0 keeps all (%(default)s)",
    )
    parser.add_argument(
        "--kind",
        default="auto",
        help="of recording: rgbd_sequence (7-Scenes, 3DMatch), tum_rgbd, scannet, hypersim or arkit_scenes; auto goes "
        "by what is there (%(default)s)",
    )
    parser.add_argument(
        "--anchor",
        choices=("none", "auto", "odometry", "motion"),
        default="none",
        help="correct predicted depth by points that are triangulated with the recorded poses (odometry, auto), or by "
        "the images alone (motion) (%(default)s)",
    )
    parser.add_argument(
        "--temporal",
        choices=("off", "field", "fused"),
        default="off",
        help="keep from frame to frame what the anchor corrected (field), or also depth and labels of every pixel "
        "(%(default)s)",
    )
    add_option(parser)
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th frame")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    parser.add_argument(
        "--loop",
        type=positive,
        default=1,
        metavar="N",
        help="fuse all the frames N times, from memory: for speed and memory over a long run (%(default)s)",
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help="fuse the sensor's depth by Open3D alone as well, and report the distance between the surfaces",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Fuse, write and compare; returns the exit status (see the command's help)."""
    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.mapping.fuse import fuse_map
    from cinet_core.mapping.fused_map import MapSettings
    from cinet_core.model_metadata import CheckpointError
    from cinet_core.open3d_loading import Open3DError

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
                anchor=options.anchor,
                temporal=options.temporal,
            )
            fused = fuse_map(
                options.source,
                options.output,
                settings,
                weights=None if options.weights == NO_WEIGHTS else options.weights,
                options=dict(options.option),
                kind=options.kind,
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
