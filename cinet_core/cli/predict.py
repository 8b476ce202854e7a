"""``cinet predict``: a source of frames in, images and clouds out."""

from __future__ import annotations

import argparse
from pathlib import Path

from cinet_core.cli.commands import UsageError
from cinet_core.cli.frame_arguments import add_frame_arguments, problem


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Writes for each frame: NAME_panel.png, NAME_depth.png (16-bit, millimetres, 0 = invalid), NAME_labels.png "
        "(class ids, 255 = none) and NAME_cloud.ply (x y z rgb label confidence; needs intrinsics)."
    )
    add_frame_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("cinet_output"), metavar="DIR", help="(%(default)s)")
    parser.add_argument(
        "--write",
        nargs="+",
        metavar="KIND",
        help="of panel, depth, labels, cloud, and by name further tasks that the network has (all)",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Predict on every frame of the source; returns the exit status (see main).

    Raises:
        UsageError: arguments do not go together.
    """
    found = problem(options)
    if found is not None:
        raise UsageError(found)
    if options.output.exists() and not options.output.is_dir():
        raise UsageError(f"--output {options.output} is a file: give a folder")
    # Known here rather than by the parser: the tasks say what there is, and to read them takes what help goes without.
    from cinet_core.inference.prediction import PREDICTION_FILES

    kinds = options.write or PREDICTION_FILES
    for kind in kinds:
        if kind not in PREDICTION_FILES:
            raise UsageError(
                f"argument --write: invalid choice: {kind!r} (choose from {', '.join(map(repr, PREDICTION_FILES))})"
            )
    from rich.console import Console

    from cinet_core.cli.console import LoggedProgress, logged_to
    from cinet_core.data.frame_files import SourceError
    from cinet_core.frames.predict_frames import predict_frames
    from cinet_core.model_metadata import CheckpointError

    console = Console(stderr=True)
    with logged_to(console) as log:
        try:
            with LoggedProgress(console) as progress:
                done = predict_frames(
                    options.source,
                    options.output,
                    options.weights,
                    config=options.config,
                    device=options.device,
                    backend=options.backend,
                    precision=options.precision,
                    camera=options.intrinsics,
                    fov=options.fov,
                    every=options.every,
                    limit=options.limit,
                    kinds=kinds,
                    progress=progress,
                )
        except (SourceError, CheckpointError, ValueError, OSError) as error:
            log.error("%s", error)
            return 2
        written = f"{done.frames} frame{'' if done.frames == 1 else 's'} written to {done.folder}"
        failed = f"; {done.failed} FAILED, named above" if done.failed else ""
        print(f"{written}, {done.seconds:.2f} s each{failed}")
        if done.frames == 0 and not done.failed:
            log.error("%s held no frame", done.source)
        return 1 if done.failed or not done.frames else 0
