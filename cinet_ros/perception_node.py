"""The perception node: camera images in; metric depth, semantic labels and a semantic cloud out, in step.

A managed (lifecycle) node that configures and activates itself by default. The README lists its topics, encodings,
conventions and parameters. This file only starts it; `cinet_ros.perception` is the node.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from cinet_ros import requirements
from cinet_ros.dead_man_switch import DeadManSwitch
from cinet_ros.shared_memory import free_dead_segments
from cinet_ros.stop_request import StopRequest

# Exit status where the node refuses to start: as shells have it for wrong usage.
REFUSED = 2
# Exit status where only a new process can go on, which launch starts with respawn:=true.
FAILED = 3
# How long a stop may wait for the executor to look at it, seconds.
POLL_SECONDS = 0.1
# How long the end waits for the frame in work, and how long it may take in all, seconds. Launch kills after ten.
LAST_FRAME_TIMEOUT = 3.0
END_TIMEOUT = 8.0


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Returns:
        The exit status: 0, 2 where the node refuses to start, 3 where it hangs or has lost its device for good. It does
        not return, but ends the process with that status, where a thread hangs.
    """
    stop = StopRequest()
    stop.listen()
    lacking = requirements.missing()
    if lacking is not None:
        print(f"perception: {lacking}", file=sys.stderr)
        return REFUSED

    import rclpy
    from rclpy.logging import get_logger
    from rclpy.signals import SignalHandlerOptions

    freed = free_dead_segments()  # before ours is made
    # Without rclpy's handlers: those pull the context away from under a frame in work.
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError: what follows --ros-args cannot be parsed, or no log can be written
        remedy = "; set ROS_LOG_DIR to a folder that can be written" if "log directory" in str(error) else ""
        print(f"perception: {error}{remedy}", file=sys.stderr)
        return REFUSED
    switch = DeadManSwitch()
    try:
        if freed:
            get_logger("perception").info(f"freed {freed / 1e6:.0f} MB of shared memory that killed processes had left")
        outcome = _run(stop, switch)
    finally:
        rclpy.try_shutdown()
        stop.ignore()
        switch.hold(None)
    if not outcome.threads_ended:
        # What Python and CUDA tear down at an orderly end, a thread that hangs may still use.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(outcome.status)
    return outcome.status


class Outcome(NamedTuple):
    """How a run ended."""

    status: int
    threads_ended: bool


def _run(stop: Callable[[], bool], switch: DeadManSwitch) -> Outcome:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from cinet_ros.perception import PerceptionNode

    try:
        node = PerceptionNode()
    except ValueError as error:
        rclpy.logging.get_logger("perception").fatal(str(error))
        return Outcome(REFUSED, threads_ended=True)

    def ended() -> bool:
        switch.hold(node.longest_pause)
        return stop() or node.failure is not None

    try:
        if node.settings.autostart and not node.autostart():
            node.get_logger().error("still unconfigured; mend the cause above, then configure and activate it again")
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        spin(executor, ended, node.get_logger())
    finally:
        switch.hold(END_TIMEOUT)
        threads_ended = node.close(LAST_FRAME_TIMEOUT)
        node.destroy_node()
    return Outcome(FAILED if node.failure is not None else 0, threads_ended)


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
            # Up to Jazzy a lifecycle transition that the state does not allow comes out here, instead of in the answer.
            logger.error(f"a request failed: {error}")


if __name__ == "__main__":
    sys.exit(main())
