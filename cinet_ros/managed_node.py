"""Base class of the managed (lifecycle) nodes: transitions that report why they fail and free everything they made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from cinet_ros import bond
from cinet_ros.diagnostics import ERROR, Conditions
from cinet_ros.parameter_fields import declare, typed

# How long a transition waits for the work at hand, seconds.
STOP_TIMEOUT = 10.0

Transition = Callable[["ManagedNode", LifecycleState], TransitionCallbackReturn]


def _explained(transition: Transition) -> Transition:
    """Say why a transition fails: rclpy takes an exception for an ERROR, and says nothing."""

    @functools.wraps(transition)
    def explained(self: ManagedNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except Exception as error:
            text = f"{transition.__name__} failed with {type(error).__name__}: {error}. Everything is freed; "
            self.conditions.report("transition", ERROR, text + "configure the node anew", lasting=True)
            return TransitionCallbackReturn.ERROR

    return explained


class NotActivatedError(RuntimeError):
    """No worker can be started. The node stays inactive, and only a new process can recover."""


class ManagedNode(LifecycleNode):
    """Lifecycle of a node that works on a thread of its own.

    A subclass implements `configure`, `activate`, `halt` and `free`.

    Args:
        name: of the node.
        kind: dataclass of its parameters, see `parameter_fields`, with `autostart` and `bond_heartbeat_period`.
        node_arguments: rclpy's.

    Raises:
        ValueError: a parameter's value is out of range.

    Attributes:
        settings: current values of all parameters.
        conditions: what is wrong with the node as a whole.
        failure: why only a new process can go on, None while this one can.
        EXPECTED_ERRORS: errors of `configure` whose messages name the remedy; others are reported with their type.
        steady_clock: for timers; those of the node's own clock would stand still with a paused or missing simulation.
    """

    EXPECTED_ERRORS: tuple[type[Exception], ...] = (ValueError, OSError)

    def __init__(self, name: str, kind: type[Any], **node_arguments: Any) -> None:
        self.settings: Any = None
        super().__init__(name, **node_arguments)
        self._answer_every_transition()
        self.settings = declare(self, kind)
        self.failure: str | None = None
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.conditions = Conditions(self.get_logger())
        self._bond: bond.Bond | None = None

    # what a subclass does

    def configure(self) -> None:
        """Create everything that the inactive node has.

        Raises:
            Exception: what it needs cannot be had; `EXPECTED_ERRORS` ones name the remedy.
        """
        raise NotImplementedError

    def activate(self) -> None:
        """Start the worker.

        Raises:
            NotActivatedError: there is no worker to be had.
        """
        raise NotImplementedError

    def activity(self) -> str:
        """Return a description of what the active node does, with its topics, for the log."""
        raise NotImplementedError

    def halt(self, timeout: float) -> None:
        """Stop the worker in any state, and wait up to ``timeout`` seconds for the current frame."""
        raise NotImplementedError

    def free(self) -> None:
        """Free what `configure` made, in any state. A failure to free one part does not keep the others."""
        raise NotImplementedError

    def publish_diagnostics(self) -> None:
        """Publish `conditions` and the other statuses of this node on `/diagnostics`."""
        raise NotImplementedError

    def give_up(self, failure: str) -> None:
        """Stop the worker and set `failure`, which ends the process."""
        self._stop(0.0)
        text = f"{failure}. Only a new process can go on: this one ends, and is restarted by launch with respawn:=true"
        self.conditions.report("failure", ERROR, text, lasting=True)
        self.publish_diagnostics()
        self.failure = failure

    def close(self, timeout: float = STOP_TIMEOUT) -> bool:
        """Stop the worker and free everything, in any state, before the process ends.

        Args:
            timeout: how long to wait for the work at hand, seconds.

        Returns:
            Whether every thread has ended.
        """
        self._release(timeout)
        return self.threads_ended

    @property
    def threads_ended(self) -> bool:
        """Whether no thread of this node hangs."""
        raise NotImplementedError

    # transitions

    def autostart(self) -> bool:
        """Configure and activate the node, and return whether it is active."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Create everything, or nothing if a part fails."""
        self.conditions.clear_all()
        try:
            self.configure()
        except Exception as error:
            self._release(STOP_TIMEOUT)
            self.conditions.clear_all()
            cause = str(error) if isinstance(error, self.EXPECTED_ERRORS) else f"{type(error).__name__}: {error}"
            self.conditions.report("configure", ERROR, f"not configured: {cause}", lasting=True)
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    @_explained
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker."""
        try:
            self.activate()
        except NotActivatedError as error:
            self.get_logger().error(f"not activated: {error}. Restart the node's process")
            return TransitionCallbackReturn.FAILURE
        result = super().on_activate(state)
        if result == TransitionCallbackReturn.SUCCESS:
            self.get_logger().info(f"activated: {self.activity()}; {self._make_bond()}")
        return result

    @_explained
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the worker. What `on_configure` made is kept."""
        activity = self.activity()
        self._stop(STOP_TIMEOUT)
        self.get_logger().info(f"deactivated: no longer {activity}")
        return super().on_deactivate(state)

    @_explained
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self._release(STOP_TIMEOUT)
        self.conditions.clear_all()
        return super().on_cleanup(state)

    @_explained
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from any state."""
        self._release(STOP_TIMEOUT)
        self.conditions.clear_all()
        return super().on_shutdown(state)

    @_explained
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured anew."""
        self._release(STOP_TIMEOUT)
        return TransitionCallbackReturn.SUCCESS

    def _release(self, timeout: float) -> None:
        try:
            self._stop(timeout)
        finally:
            self.free()

    def _stop(self, timeout: float) -> None:
        # The farewell first: what is halted may take longer than a manager waits for a heartbeat.
        made, self._bond = self._bond, None
        try:
            if made is not None:
                made.close()
        finally:
            self.halt(timeout)

    def _make_bond(self) -> str:
        """Make the bond with a lifecycle manager; return what became of it, for the log."""
        period = self.settings.bond_heartbeat_period
        if period == 0:
            return "no bond (bond_heartbeat_period is 0)"
        if not bond.available():
            return "no bond (the package bond is not installed)"
        try:
            self._bond = bond.Bond(self, period, self.steady_clock)
        except Exception as error:  # such as messages that were built for another distribution: it works without
            return f"no bond ({type(error).__name__}: {error})"
        return f"the bond {self.get_name()} waits for a lifecycle manager"

    # what rclpy leaves undone

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters as rclpy does. An integer for a double is converted; other wrong types are refused by name."""
        try:
            parameter_list = parameter_list if self.settings is None else typed(self.settings, parameter_list)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return super().set_parameters_atomically(parameter_list)

    def set_parameters(self, parameter_list: list[Parameter]) -> list[SetParametersResult]:
        """Set parameters as rclpy does, see `set_parameters_atomically`."""
        return [self.set_parameters_atomically([changed]) for changed in parameter_list]

    def _answer_every_transition(self) -> None:
        """Answer a transition that the state does not allow: up to Jazzy rclpy raises an error (its issue 1209).

        Whoever asked for it would wait for ever, and the error would come out of the executor.
        """
        service = self._service_change_state
        answer = service.callback

        def answer_always(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            try:
                return answer(request, response)
            except rclpy_implementation.RCLError as error:
                self.get_logger().error(f"transition {request.transition.label or request.transition.id}: {error}")
                response.success = False
                return response

        service.callback = answer_always
