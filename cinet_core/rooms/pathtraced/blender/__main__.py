"""The worker: reads a RoomPlan a line from standard input, answers each with a line of JSON.

An answer names the files with what was traced, a view each: arrays light (H, W, 3), depth (H, W) and labels (H, W), and
the number of the view in the plan; or the error that stopped the room. Blender's own messages go to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TextIO


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for what was traced")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    # Blender writes messages to the process's standard output: keep that for the answers
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    _serve(options.folder, options.threads, answers)


def _serve(folder: Path, threads: int, answers: TextIO) -> None:
    from cinet_core.rooms.pathtraced.blender.room import Studio
    from cinet_core.rooms.pathtraced.plan import RoomPlan

    studio = Studio(folder, threads)
    for line in sys.stdin:
        plan = RoomPlan.from_json(line)
        try:
            answer: dict[str, object] = {"room": plan.room, "views": studio.photograph(plan)}
        except Exception as error:  # a broken model must not end the whole run: the room is reported and left out
            traceback.print_exc()
            answer = {"room": plan.room, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
