"""``cinet view``: a source of frames in, a live viewer or a recording out."""

from __future__ import annotations

import argparse
import contextlib

from cinet_core.cli.frame_arguments import add_frame_arguments, problem
from cinet_core.cli.viewing import add_viewer_arguments, finish, started_server, viewed


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
    add_viewer_arguments(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Predict and record every frame; returns the exit status (see the command's help).

    It does not return, but ends the process with status 1, where the recording cannot be finished.
    """
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return viewed("cinet view", lambda: _view(options))


def _view(options: argparse.Namespace) -> int:
    wrong = problem(options)
    if wrong is not None:
        raise ValueError(wrong)
    from cinet_core.cli.console import LoggedProgress
    from cinet_core.viewer.source_recording import record_source

    with contextlib.ExitStack() as stack:
        server = started_server(options, stack)
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
        return finish(done.frames, done.failed, options, server)
