"""The process of a managed node: starts it, serves it until a stop, and ends whatever hangs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Protocol

from cinet_ros import requirements
from cinet_ros.dead_man_switch import DeadManSwitch
from cinet_ros.fast_dds import segment_size, sized_segment
from cinet_ros.shared_memory import free_dead_segments
from cinet_ros.stop_request import StoppedError, StopRequest

# Exit status where the node refuses to start: as shells have it for wrong usage.
REFUSED = 2
# Exit status where only a new process can go on, which launch starts with respawn:=true.
FAILED = 3
# How long a stop may wait for the executor to look at it, seconds.
POLL_SECONDS = 0.1
# How long the end waits for the work at hand, and how long it may take in all, seconds. Launch kills after ten.
LAST_WORK_TIMEOUT = 3.0
END_TIMEOUT = 8.0


class RunnableNode(Protocol):
    """The interface of a node that `run` can run."""

    settings: Any  # with the field autostart
    failure: str | None

    @property
    def longest_pause(self) -> float | None:
        """Seconds that any one callback may take now; None where there is no limit."""

    def autostart(self) -> bool:
        """Configure and activate the node, and return whether it is active."""

    def close(self, timeout: float) -> bool:
        """Stop and free everything, and return whether every thread has ended."""

    def destroy_node(self) -> None:
        """Same as in rclpy."""

    def get_logger(self) -> Any:
        """Same as in rclpy."""


class RunOutcome(NamedTuple):
    """The result of a run."""

    status: int
    threads_ended: bool


def run(
    name: str, make: Callable[[], RunnableNode], args: list[str] | None = None, shared_memory: int | None = None
) -> int:
    """Run a node until SIGINT or SIGTERM.

    Args:
        name: of the node, for what is said before there is one.
        make: creates the node; imports what is heavy, once everything is known to be there. A ValueError of it refuses
            to start.
        args: of the command line.
        shared_memory: MiB that the node sends through where the environment says nothing else; None: those of the
            profile of Fast DDS.

    Returns:
        The exit status: 0, 2 where the node refuses to start, 3 where it hangs or has lost its device for good. It does
        not return, but ends the process with that status, where a thread hangs.
    """
    stop = StopRequest()
    stop.listen()
    missing_requirement = requirements.missing()
    if missing_requirement is not None:
        print(f"{name}: {missing_requirement}", file=sys.stderr)
        return REFUSED
    try:
        segment = segment_size(os.environ, shared_memory)
    except ValueError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return REFUSED

    import rclpy
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions

    freed = free_dead_segments()  # before ours is made
    # Without rclpy's handlers: those pull the context away from under the work at hand.
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError: what follows --ros-args cannot be parsed, or no log can be written
        remedy = "; set ROS_LOG_DIR to a folder that can be written" if "log directory" in str(error) else ""
        print(f"{name}: {error}{remedy}", file=sys.stderr)
        return REFUSED
    switch = DeadManSwitch()
    try:
        if freed:
            get_logger(name).info(f"freed {freed / 1e6:.0f} MB of shared memory that killed processes had left")
        outcome = _serve(name, lambda: _made(make, segment), stop, switch)
    finally:
        rclpy.try_shutdown()
        stop.ignore()
        switch.hold(None)
    if not outcome.threads_ended:
        # What Python and CUDA tear down at an orderly end, a thread that hangs may still use.
        leave(outcome.status)
    return outcome.status


def _made(make: Callable[[], RunnableNode], segment: int | None) -> RunnableNode:
    """The node; with it the process becomes a participant of DDS."""
    with sized_segment(os.environ, segment):
        return make()


def leave(status: int) -> NoReturn:
    """End the process, whose node has freed everything, without tearing the interpreter down.

    That took 3 s for PyTorch and the backends on two busy cores, in which nothing watches over it, and launch waits for
    5 s after Ctrl-C before it says that the node failed to terminate.
    """
    gc.collect()  # what is left of the node in cycles, such as TF's listener: it holds Fast DDS's shared memory
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _serve(name: str, make: Callable[[], RunnableNode], stop: StopRequest, switch: DeadManSwitch) -> RunOutcome:
    import rclpy

    try:
        # It imports PyTorch, which takes longer on a busy machine than launch waits after Ctrl-C before it kills.
        with stop.at_once():
            node = make()
    except StoppedError:
        return RunOutcome(0, threads_ended=True)
    except ValueError as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return RunOutcome(REFUSED, threads_ended=True)

    def ended() -> bool:
        switch.hold(node.longest_pause)
        return stop() or node.failure is not None

    try:
        if node.settings.autostart and not stop() and not node.autostart():
            node.get_logger().error("still unconfigured; mend the cause above, then configure and activate it again")
        executor = make_executor()
        executor.add_node(node)
        spin(executor, ended, node.get_logger())
    finally:
        switch.hold(END_TIMEOUT)
        threads_ended = node.close(LAST_WORK_TIMEOUT)
        node.destroy_node()
    return RunOutcome(FAILED if node.failure is not None else 0, threads_ended)


def make_executor(context: Any = None) -> Any:
    """rclpy's executor in C++, which it has from Kilted on and in Jazzy from 7.1.4, or else the one in Python.

    The one in Python keeps the interpreter for most of a millisecond after each image, while the worker waits for it.
    The one in C++ is ended by a callback that is a coroutine up to 7.1.10: none of ours is.

    Args:
        context: of rclpy; without, its default.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        from rclpy.executors import SingleThreadedExecutor

        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


def spin(executor: Any, stop: Callable[[], bool], logger: Any) -> None:
    """Serve callbacks until a stop.

    Args:
        executor: with the nodes to serve.
        stop: whether to end.
        logger: of the node.
    """
    from rclpy.impl.implementation_singleton import rclpy_implementation

    while not stop():
        try:
            executor.spin_once(timeout_sec=POLL_SECONDS)
        except rclpy_implementation.RCLError as error:
            # Up to Jazzy what rclpy cannot do for a request may come out here, instead of in the answer.
            logger.error(f"a request failed: {error}")
