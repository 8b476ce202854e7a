"""What the commands about bags print of the choice of topics, and of what could not be read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence


def print_notes(notes: Sequence[str]) -> None:
    """Say what the user should know of the choice of topics: warnings apart from the rest."""
    for note in dict.fromkeys(notes):
        if note.startswith("WARNING"):
            print(note, file=sys.stderr)
        else:
            print(f"  {note}")


def print_problems(faults: Sequence[str], refused: Mapping[str, int], examples: Mapping[str, str]) -> int:
    """Print what could not be read; returns the exit status."""
    for fault in dict.fromkeys(faults):
        print(f"DAMAGED {fault}", file=sys.stderr)
    for reason, count in refused.items():
        example = f": {examples[reason]}" if reason in examples else ""
        print(f"{count} frames left out, {reason}{example}", file=sys.stderr)
    return 1 if faults or refused else 0
