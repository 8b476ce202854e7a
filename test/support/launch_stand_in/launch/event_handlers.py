"""Of `launch.event_handlers`."""

from __future__ import annotations

from typing import Any

from . import Event, LaunchContext
from .actions import ExecuteLocal
from .events.process import ProcessExited


class OnProcessExit:
    """What is done when a process has ended."""

    def __init__(self, *, target_action: Any = None, on_exit: Any, handle_once: bool = False) -> None:
        if not (target_action is None or isinstance(target_action, ExecuteLocal) or callable(target_action)):
            raise TypeError("action_matcher must be an 'ExecuteLocal' instance or a callable")
        self._target = target_action
        self._on_exit = on_exit

    def matches(self, event: Event) -> bool:
        if not isinstance(event, ProcessExited):
            return False
        if callable(self._target):
            return bool(self._target(event.action))
        return self._target is None or event.action is self._target

    def handle(self, event: Event, context: LaunchContext) -> Any:
        return self._on_exit(event, context) if callable(self._on_exit) else self._on_exit
