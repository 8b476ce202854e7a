"""Of `launch.events.process`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import Event


class RunningProcessEvent(Event):
    """Of a process."""

    def __init__(
        self,
        *,
        action: Any,
        name: str,
        cmd: list[str],
        cwd: str | None,
        env: dict[str, str] | None,
        pid: int,
    ) -> None:
        self.action = action
        self.process_name = name
        self.cmd = cmd
        self.cwd = cwd
        self.env = env
        self.pid = pid


class ProcessExited(RunningProcessEvent):
    """A process has ended."""

    def __init__(self, *, returncode: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.returncode = returncode


class ShutdownProcess(Event):
    """Processes are to end."""

    def __init__(self, *, process_matcher: Callable[[Any], bool]) -> None:
        self.process_matcher = process_matcher
