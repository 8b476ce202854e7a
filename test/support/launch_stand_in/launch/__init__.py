"""Of `launch`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .utilities import Substitution as Substitution


class LaunchContext:
    """Configurations, environment and event handlers of a launch."""

    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False) -> None:
        self.argv = argv if argv is not None else []
        self.noninteractive = noninteractive
        self.launch_configurations: dict[str, Any] = {}
        self.is_shutdown = False
        self.events: list[Any] = []
        self._event_handlers: deque[Any] = deque()
        self._kept: list[Any] = []

    @property
    def environment(self) -> Any:
        return os.environ

    def register_event_handler(self, event_handler: Any, append: bool = False) -> None:
        (self._event_handlers.append if append else self._event_handlers.appendleft)(event_handler)

    def emit_event_sync(self, event: Any) -> None:
        self.events.append(event)

    def _set_is_shutdown(self, state: bool) -> None:
        self.is_shutdown = state

    def push(self) -> None:
        self._kept.append((dict(self.launch_configurations), dict(os.environ)))

    def pop(self) -> None:
        self.launch_configurations, environment = self._kept.pop()
        os.environ.clear()
        os.environ.update(environment)


class LaunchDescriptionEntity:
    """What a description consists of."""

    def visit(self, context: LaunchContext) -> list[Any] | None:
        raise NotImplementedError


class Action(LaunchDescriptionEntity):
    """Something to be done, where its condition holds."""

    def __init__(self, *, condition: Condition | None = None) -> None:
        self.condition = condition

    def visit(self, context: LaunchContext) -> list[Any] | None:
        if self.condition is None or self.condition.evaluate(context):
            return self.execute(context)
        return None

    def execute(self, context: LaunchContext) -> list[Any] | None:
        return None


class Condition:
    """Whether an action is done."""

    def __init__(self, *, predicate: Callable[[LaunchContext], bool] | None = None) -> None:
        self._predicate = predicate

    def evaluate(self, context: LaunchContext) -> bool:
        return self._predicate is None or self._predicate(context)


class Event:
    """Something that has happened."""


class LaunchDescription(LaunchDescriptionEntity):
    """Entities in their order."""

    def __init__(
        self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None, *, deprecated_reason: str | None = None
    ) -> None:
        self.entities = list(initial_entities or [])
        self.deprecated_reason = deprecated_reason
        for entity in self.entities:
            if not isinstance(entity, LaunchDescriptionEntity):
                raise TypeError(f"{entity!r} is no LaunchDescriptionEntity")

    def visit(self, context: LaunchContext) -> list[Any] | None:
        return self.entities
