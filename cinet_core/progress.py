"""What a long task tells while it works, and to whom: nobody, unless somebody listens."""

from __future__ import annotations

__all__ = ["SILENT", "Progress"]


class Progress:
    """Listens to a task. This one is silent; subclasses show what they are told (`cinet_core.cli.console`)."""

    def begin(self, what: str, total: int | None) -> None:
        """The work on so many frames begins, None where that is not known; `what` says of what."""

    def advance(self, done: int) -> None:
        """So many frames are done, of those that `begin` spoke of."""

    def note(self, text: str) -> None:
        """Something that a person may like to know, such as where an interrupted task goes on."""

    def warn(self, text: str) -> None:
        """Something about the input that a person should know."""

    def broken(self, text: str) -> None:
        """A frame cannot be read, and is left out; `text` names it and says why."""


SILENT = Progress()
"""For tasks that nobody listens to."""
