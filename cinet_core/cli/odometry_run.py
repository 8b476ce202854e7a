"""``cinet odometry``: a recorded sequence in, how far tracking on predicted depth is from the truth out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cinet_core.atomic_file import write_whole
from cinet_core.checkpoint import CheckpointError
from cinet_core.cli.console import ConsoleProgress
from cinet_core.odometry import ORB_SLAM3
from cinet_core.odometry.comparison import TRACKED_DEPTHS, OdometryComparison, compare_odometry
from cinet_core.open3d_loading import Open3DError


def run_comparison(options: argparse.Namespace) -> int:
    """Track, compare and write; returns the exit status (see the command's help)."""
    depths = TRACKED_DEPTHS if options.depth == "both" else (options.depth,)
    try:
        if options.method == ORB_SLAM3 and len(depths) > 1:
            raise ValueError("ORB-SLAM3 can be started once a process: give --depth sensor or --depth predicted")
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with ConsoleProgress() as progress:
            comparison = compare_odometry(
                options.source,
                options.weights,
                depths=depths,
                method=options.method,
                max_depth=options.max_depth,
                options=dict(options.option),
                every=options.every,
                limit=options.limit,
                device=options.device,
                progress=progress,
            )
        report = comparison.to_dict()
        write_whole(options.output, (json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
        written = [options.output, *_drawn(comparison, options.output.with_suffix(".png"))]
    except (CheckpointError, Open3DError, ValueError, OSError) as error:
        print(f"cinet odometry: {error}", file=sys.stderr)
        return 2
    _print(report)
    print(f"\nwritten: {' and '.join(map(str, written))}")
    return 1 if comparison.broken else 0


def _drawn(comparison: OdometryComparison, path: Path) -> list[Path]:
    """Draw the trajectories; [] where matplotlib is not installed, which is said."""
    try:
        from cinet_core.figures import write_figure
    except ModuleNotFoundError as error:
        print(f"cinet odometry: no picture: {error}", file=sys.stderr)
        return []
    write_figure(path, comparison.top_view())
    return [path]


def _print(report: Mapping[str, Any]) -> None:
    console = Console()
    heading = f"{report['method']}, {report['frames']} frames, {report['path_length']:.2f} m of path"
    table = Table(title=heading, caption="RPE: from one frame to the next")
    table.add_column("depth", no_wrap=True)
    for head in ("ATE SE3 m", "ATE Sim3 m", "scale", "RPE m", "RPE deg", "drift m/m", "lost"):
        table.add_column(head, justify="right")
    for name, figures in report["depth"].items():
        scaled = figures["ate_sim3"] or {"rmse": None, "scale": None}
        first = figures["rpe"][0]
        values = (
            figures["ate_se3"]["rmse"],
            scaled["rmse"],
            scaled["scale"],
            first["translation"],
            first["rotation"],
            figures["drift"]["translation"],
        )
        table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in values), str(figures["lost"]))
    console.print(table)
    if report["random_weights"]:
        console.print("WARNING: random weights: what is predicted means nothing", style="bold red")
