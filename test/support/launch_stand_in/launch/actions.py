"""Of `launch.actions`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import Action, Event, LaunchContext
from .events import Shutdown as ShutdownEvent
from .utilities import normalize_to_list_of_substitutions, perform_substitutions


class DeclareLaunchArgument(Action):
    """An argument; its default holds where it is not given."""

    def __init__(
        self,
        name: str,
        *,
        default_value: Any = None,
        description: str | None = None,
        choices: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.default_value = None if default_value is None else normalize_to_list_of_substitutions(default_value)
        self.description = description or "no description given"
        self.choices = choices

    def execute(self, context: LaunchContext) -> None:
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                raise RuntimeError(f'Required launch argument "{self.name}" was not provided.')
            context.launch_configurations[self.name] = perform_substitutions(context, self.default_value)


class SetLaunchConfiguration(Action):
    """Gives an argument a value."""

    def __init__(self, name: Any, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._name, self._value = (normalize_to_list_of_substitutions(item) for item in (name, value))

    def execute(self, context: LaunchContext) -> None:
        name = perform_substitutions(context, self._name)
        context.launch_configurations[name] = perform_substitutions(context, self._value)


class UnsetLaunchConfiguration(Action):
    """Takes an argument's value away."""

    def __init__(self, name: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._name = normalize_to_list_of_substitutions(name)

    def execute(self, context: LaunchContext) -> None:
        context.launch_configurations.pop(perform_substitutions(context, self._name), None)


class SetEnvironmentVariable(Action):
    """Sets a variable of the processes that are started after it."""

    def __init__(self, name: Any, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name, self.value = (normalize_to_list_of_substitutions(item) for item in (name, value))

    def execute(self, context: LaunchContext) -> None:
        context.environment[perform_substitutions(context, self.name)] = perform_substitutions(context, self.value)


class LogInfo(Action):
    """Says something."""

    def __init__(self, *, msg: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.msg = normalize_to_list_of_substitutions(msg)


class OpaqueFunction(Action):
    """A function of the context that returns actions."""

    def __init__(
        self,
        *,
        function: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        **left_over_kwargs: Any,
    ) -> None:
        super().__init__(**left_over_kwargs)
        self._function, self._args, self._kwargs = function, list(args or []), dict(kwargs or {})

    def execute(self, context: LaunchContext) -> list[Any] | None:
        return self._function(context, *self._args, **self._kwargs)


class GroupAction(Action):
    """Actions whose arguments and environment are their own."""

    def __init__(
        self,
        actions: Iterable[Action],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: dict[Any, Any] | None = None,
        **left_over_kwargs: Any,
    ) -> None:
        super().__init__(**left_over_kwargs)
        if not forwarding:
            raise NotImplementedError("forwarding=False: the stand-in does not know it")
        self._actions, self._scoped, self._configurations = list(actions), scoped, launch_configurations or {}

    def execute(self, context: LaunchContext) -> list[Any]:
        inside = [*(SetLaunchConfiguration(*item) for item in self._configurations.items()), *self._actions]
        if not self._scoped:
            return inside
        push, pop = (OpaqueFunction(function=function) for function in (LaunchContext.push, LaunchContext.pop))
        return [push, *inside, pop]


class IncludeLaunchDescription(Action):
    """Another launch file, with arguments."""

    def __init__(self, launch_description_source: Any, *, launch_arguments: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.launch_description_source = launch_description_source
        self.launch_arguments = tuple(launch_arguments or ())

    def execute(self, context: LaunchContext) -> list[Any]:
        description = self.launch_description_source.get_launch_description(context)
        return [*(SetLaunchConfiguration(*item) for item in self.launch_arguments), description]


class EmitEvent(Action):
    """Makes something happen."""

    def __init__(self, *, event: Event, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(event, Event):
            raise RuntimeError(f"EmitEvent() expected an event instance, got '{event}'.")
        self.event = event

    def execute(self, context: LaunchContext) -> None:
        context.emit_event_sync(self.event)


class Shutdown(EmitEvent):
    """Ends everything."""

    def __init__(self, *, reason: str = "reason not given", **kwargs: Any) -> None:
        super().__init__(event=ShutdownEvent(reason=reason), **kwargs)


class TimerAction(Action):
    """Actions for later."""

    def __init__(self, *, period: Any, actions: Iterable[Any], cancel_on_shutdown: Any = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.period, self.actions, self.cancel_on_shutdown = period, list(actions), cancel_on_shutdown


class RegisterEventHandler(Action):
    """What is done when something happens."""

    def __init__(self, event_handler: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        context.register_event_handler(self.event_handler)


class ExecuteLocal(Action):
    """A process."""

    def __init__(
        self,
        *,
        process_description: Any,
        shell: bool = False,
        sigterm_timeout: Any = "5",
        sigkill_timeout: Any = "5",
        emulate_tty: bool = False,
        output: Any = "log",
        output_format: str = "",
        cached_output: bool = False,
        log_cmd: bool = False,
        on_exit: Any = None,
        respawn: Any = False,
        respawn_delay: float | None = None,
        respawn_max_retries: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)


class ExecuteProcess(ExecuteLocal):
    """A process of a command."""

    def __init__(
        self,
        *,
        cmd: Iterable[Any],
        prefix: Any = None,
        name: Any = None,
        cwd: Any = None,
        env: dict[Any, Any] | None = None,
        additional_env: dict[Any, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(process_description=list(cmd), **kwargs)
