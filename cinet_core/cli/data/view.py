"""``cinet data view``: a labelled set in, a live viewer or a recording out; beside it what weights make of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from cinet_core.cli.arguments import add_device, positive
from cinet_core.cli.viewing import add_viewer_arguments, finish, started_server, viewed


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog)
    parser.description = (
        "Shows a folder of frames, as `cinet bag extract`, `cinet data label` and `cinet data select` write it, frame "
        "by frame and as a sequence: image, labels, depth, where both came from, how far they are trusted and how far "
        "views agree. With --compare, what weights predict there: give those before and after an adaptation. Of the "
        "folder of a `cinet adapt` it shows the held-out frames, and compares its weights. In a browser tab (--serve), "
        "or in a file (--save FILE, opened with: rerun FILE). Needs the extra cinet[viewer]. Exit status: 0 all is "
        "well, 1 a frame cannot be read, 2 it cannot start, 130 interrupted."
    )
    parser.add_argument("root", type=Path, metavar="FOLDER", help="of the frames, or of an adaptation")
    parser.add_argument(
        "--compare",
        type=_compared,
        action="append",
        default=[],
        metavar="NAME=WEIGHTS",
        help="a checkpoint, or default; may be given again",
    )
    add_device(parser)
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th frame")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    add_viewer_arguments(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Record every frame; returns the exit status (see the command's help).

    It does not return, but ends the process with status 1, where the recording cannot be finished.
    """
    return viewed("cinet data view", lambda: _view(options))


def _view(options: argparse.Namespace) -> int:
    import contextlib

    from cinet_core.cli.console import ConsoleProgress
    from cinet_core.viewer.labelled_recording import record_labelled

    root, compared = _of_adaptation(options.root)
    compared |= dict(options.compare)
    with contextlib.ExitStack() as stack:
        server = started_server(options, stack)
        with ConsoleProgress() as progress:
            done = record_labelled(
                root,
                options.save,
                compared,
                server=server,
                device=options.device,
                every=options.every,
                limit=options.limit,
                progress=progress,
            )
        return finish(done.frames, done.failed, options, server, f" of {root}")


def _of_adaptation(folder: Path) -> tuple[Path, dict[str, str]]:
    """The held-out frames of an adaptation and its weights; any other folder as it is."""
    import json

    report = folder / "report.json"
    if not report.is_file() or not (folder / "divided").is_dir():
        return folder, {}
    settings = json.loads(report.read_text(encoding="utf-8"))["settings"]
    frames = next(path for name in ("sensor", "agreed", "anchors") if (path := folder / "divided" / name).is_dir())
    return frames, {"before": settings["weights"], "after": str(folder / "calibrated.safetensors")}


def _compared(text: str) -> tuple[str, str]:
    name, separator, weights = text.partition("=")
    if not (separator and name.isidentifier() and weights):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=WEIGHTS")
    return name, weights
