"""The perception node: camera images in; metric depth, semantic labels and a semantic cloud out, in step.

A managed (lifecycle) node that configures and activates itself by default. Contract: topics, encodings, conventions and
parameters are listed in the README.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cinet_ros import requirements

if TYPE_CHECKING:
    from cinet_ros.perception import PerceptionNode

# Exit status where the node refuses to start: as shells have it for wrong usage.
REFUSED = 2


def build(args: list[str] | None = None) -> PerceptionNode:
    """Create the node; rclpy must be initialised.

    Raises:
        ValueError: a parameter's value is out of range.
    """
    from cinet_ros.perception import PerceptionNode

    return PerceptionNode(cli_args=args)


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; return the exit status."""
    lacking = requirements.missing()
    if lacking is not None:
        print(f"perception: {lacking}", file=sys.stderr)
        return REFUSED

    import rclpy
    from rclpy.exceptions import InvalidParameterTypeException, ParameterException
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    rclpy.init(args=args)
    node: Any = None
    try:
        node = build()
        if node.settings.autostart and not node.autostart():
            node.get_logger().error("still unconfigured; mend the cause above, then configure and activate it again")
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ValueError, InvalidParameterTypeException, ParameterException) as error:
        if node is not None:
            raise
        print(f"perception: {error}", file=sys.stderr)
        return REFUSED
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
