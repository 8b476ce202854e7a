"""``cinet view``: a source of frames in, a live viewer or a recording out."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import positive
from cinet_core.cli.frame_arguments import add_frame_arguments, problem

if TYPE_CHECKING:
    from cinet_core.viewer import ViewerServer


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Predicts on every frame and shows image, labels, depth, cloud, map and trajectory in a browser tab (--serve), "
        "or keeps them in a file for later (--save FILE, opened with: rerun FILE); without either it serves. Needs the "
        "extra cinet[viewer]. Exit status: 0 all is well, 1 a frame cannot be read or predicted, 2 the command cannot "
        "start, 130 interrupted."
    )
    add_frame_arguments(parser)
    parser.add_argument("--save", type=Path, metavar="FILE", help="recording to write, such as walk.rrd")
    parser.add_argument("--serve", action="store_true", help="show it in a browser on this machine, until Ctrl-C")
    parser.add_argument("--port", type=positive, default=9090, help="of the page that --serve offers (%(default)s)")
    parser.add_argument("--data-port", type=positive, default=9876, help="of the data behind it (%(default)s)")
    return parser


def run(options: argparse.Namespace) -> int:
    """Predict and record every frame; returns the exit status (see the command's help).

    It does not return, but ends the process with status 1, where the recording cannot be finished.
    """
    import logging
    import os

    from cinet_core.data.frame_files import SourceError
    from cinet_core.model_metadata import CheckpointError
    from cinet_core.open3d_loading import Open3DError
    from cinet_core.viewer import LostViewerError, UnfinishedError, ViewerError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        wrong = problem(options)
        if wrong is not None:
            raise ValueError(wrong)
        return _view(options)
    except UnfinishedError as error:
        print(f"cinet view: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    except LostViewerError as error:
        print(f"cinet view: {error}", file=sys.stderr)
        return 1
    except (SourceError, CheckpointError, ViewerError, Open3DError, ValueError, OSError) as error:
        print(f"cinet view: {error}", file=sys.stderr)
        return 2


def _view(options: argparse.Namespace) -> int:
    from cinet_core.cli.console import LoggedProgress
    from cinet_core.viewer import ViewerServer
    from cinet_core.viewer.source_recording import record_source

    with contextlib.ExitStack() as stack:
        server = None
        if options.serve or options.save is None:
            server = stack.enter_context(ViewerServer(port=options.port, data_port=options.data_port))
            print(f"open {server.url} in a browser, or on the desktop: rerun {server.address}", flush=True)
        with LoggedProgress() as progress:
            done = record_source(
                options.source,
                options.save,
                options.weights,
                server=server,
                config=options.config,
                device=options.device,
                backend=options.backend,
                precision=options.precision,
                camera=options.intrinsics,
                fov=options.fov,
                every=options.every,
                limit=options.limit,
                progress=progress,
            )
        failed = f"; {done.failed} FAILED, named above" if done.failed else ""
        print(f"{done.frames} frame{'' if done.frames == 1 else 's'} recorded{failed}")
        if options.save is not None:
            size = options.save.stat().st_size / 1e6
            print(f"written: {options.save} ({size:.1f} MB); open it with: rerun {options.save}")
        if server is not None:
            serve(server)
    return 1 if done.failed or not done.frames else 0


def serve(server: ViewerServer) -> None:
    """Until Ctrl-C, which is how this ends, or until the server does."""
    print("all frames are shown; Ctrl-C ends the viewer", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while server.running:
            time.sleep(0.2)
