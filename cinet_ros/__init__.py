"""ROS 2 node around ``cinet_core``; colcon adds the generated messages as ``cinet_ros.msg``."""

from pkgutil import extend_path

# Started from the checkout, Python finds this folder before the built package that holds the messages: search both.
__path__ = extend_path(__path__, __name__)
