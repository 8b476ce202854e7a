"""The perception node: camera images in; metric depth, semantic labels and a semantic cloud out, in step.

A managed (lifecycle) node that configures and activates itself by default. The README lists its topics, encodings,
conventions and parameters. This file only starts it; `cinet_ros.perception` is the node.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from cinet_ros import requirements
from cinet_ros.stop_request import StopRequest

# Exit status where the node refuses to start: as shells have it for wrong usage.
REFUSED = 2
# How long a stop may wait for the executor to look at it, seconds.
POLL_SECONDS = 0.1


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit status: 0, or 2 where it refuses to start."""
    stop = StopRequest()
    stop.listen()
    lacking = requirements.missing()
    if lacking is not None:
        print(f"perception: {lacking}", file=sys.stderr)
        return REFUSED

    import rclpy
    from rclpy.signals import SignalHandlerOptions

    # Without rclpy's handlers: those pull the context away from under a frame in work.
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError: what follows --ros-args cannot be parsed, or no log can be written
        print(f"perception: {error}", file=sys.stderr)
        return REFUSED
    try:
        return _run(stop)
    finally:
        rclpy.try_shutdown()
        stop.ignore()


def _run(stop: Callable[[], bool]) -> int:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from cinet_ros.perception import PerceptionNode

    try:
        node = PerceptionNode()
    except ValueError as error:
        rclpy.logging.get_logger("perception").fatal(str(error))
        return REFUSED
    try:
        if node.settings.autostart and not node.autostart():
            node.get_logger().error("still unconfigured; mend the cause above, then configure and activate it again")
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        spin(executor, stop, node.get_logger())
    finally:
        node.close()
        node.destroy_node()
    return 0


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
