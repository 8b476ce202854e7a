"""Of `launch.events`."""

from __future__ import annotations

from collections.abc import Callable

from .. import Action, Event


class Shutdown(Event):
    """Everything is to end."""

    def __init__(self, *, reason: str = "reason not given", due_to_sigint: bool = False) -> None:
        self.reason = reason
        self.due_to_sigint = due_to_sigint


def matches_action(target_action: Action) -> Callable[[Action], bool]:
    """Tells whether an action is this one."""
    return lambda action: action is target_action
