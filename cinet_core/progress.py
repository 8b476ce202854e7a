"""The interface by which long tasks report their progress."""

from __future__ import annotations

__all__ = ["SILENT", "Progress"]


class Progress:
    """Receives the progress of a task. This base class is silent; subclasses show it (`cinet_core.cli.console`)."""

    def begin(self, what: str, total: int | None) -> None:
        """The work on so many frames begins, None where that is not known; `what` says of what."""

    def advance(self, done: int) -> None:
        """Report that a number of frames are done."""

    def note(self, text: str) -> None:
        """Something that a person may like to know, such as where an interrupted task goes on."""

    def warn(self, text: str) -> None:
        """Report a warning about the input."""

    def broken(self, text: str) -> None:
        """Report a frame that is skipped since it cannot be read. `text` names it and the reason."""


SILENT = Progress()
"""For tasks that nobody listens to."""
