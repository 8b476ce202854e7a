"""What the commands that show frames in a viewer have in common: arguments, the server, errors and the end."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cinet_core.cli.arguments import positive

if TYPE_CHECKING:
    from cinet_core.viewer import ViewerServer

__all__ = ["add_viewer_arguments", "finish", "started_server", "viewed"]


def add_viewer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--save``, ``--serve`` and the ports."""
    parser.add_argument("--save", type=Path, metavar="FILE", help="recording to write, such as walk.rrd")
    parser.add_argument("--serve", action="store_true", help="show it in a browser on this machine, until Ctrl-C")
    parser.add_argument("--port", type=positive, default=9090, help="of the page that --serve offers (%(default)s)")
    parser.add_argument("--data-port", type=positive, default=9876, help="of the data behind it (%(default)s)")


def viewed(name: str, view: Callable[[], int]) -> int:
    """The exit status of a view, whose errors are told as those of the command `name`.

    It does not return, but ends the process with status 1, where the recording cannot be finished.
    """
    from cinet_core.data.frame_files import SourceError
    from cinet_core.model_metadata import CheckpointError
    from cinet_core.open3d_loading import Open3DError
    from cinet_core.viewer import LostViewerError, UnfinishedError, ViewerError

    try:
        return view()
    except UnfinishedError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    except LostViewerError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except (SourceError, CheckpointError, ViewerError, Open3DError, ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def started_server(options: argparse.Namespace, stack: contextlib.ExitStack) -> ViewerServer | None:
    """The server that was asked for, which ends with the stack; None where only a file is to be written."""
    from cinet_core.viewer import ViewerServer

    if not options.serve and options.save is not None:
        return None
    server = stack.enter_context(ViewerServer(port=options.port, data_port=options.data_port))
    print(f"open {server.url} in a browser, or on the desktop: rerun {server.address}", flush=True)
    return server


def finish(frames: int, failed: int, options: argparse.Namespace, server: ViewerServer | None, of: str = "") -> int:
    """Say what was recorded, and serve it until Ctrl-C; returns the exit status.

    Args:
        frames: that were recorded.
        failed: that were not.
        options: of the command.
        server: that shows them.
        of: what they are of, such as " of FOLDER".
    """
    broken = f"; {failed} FAILED, named above" if failed else ""
    print(f"{frames} frame{'' if frames == 1 else 's'}{of} recorded{broken}")
    if options.save is not None:
        size = options.save.stat().st_size / 1e6
        print(f"written: {options.save} ({size:.1f} MB); open it with: rerun {options.save}")
    if server is not None:
        _serve(server)
    return 1 if failed or not frames else 0


def _serve(server: ViewerServer) -> None:
    """Until Ctrl-C, which is how this ends, or until the server does."""
    print("all frames are shown; Ctrl-C ends the viewer", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while server.running:
            time.sleep(0.2)
