#!/bin/bash
# Runs a command with the distribution and the workspace around this file sourced, and the Fast DDS profile of this package.
set -e
workspace=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# images of jetson-containers have the distribution's workspace in ROS_ROOT
setup=${ROS_ROOT:+$ROS_ROOT/install/setup.bash}
# shellcheck disable=SC1090,SC1091
source "${setup:-/opt/ros/$ROS_DISTRO/setup.bash}"
# shellcheck disable=SC1091
source "$workspace/install/setup.bash"

# For every process of the container, the ros2 command line included; one that the user names is left alone. Variable and
# file by cinet_ros/fast_dds.py.
if [[ -z ${FASTRTPS_DEFAULT_PROFILES_FILE:-}${FASTDDS_DEFAULT_PROFILES_FILE:-} ]]; then
  read -r variable profile < <(python3 -m cinet_ros.fast_dds)
  export "$variable=$workspace/install/cinet_ros/share/cinet_ros/config/$profile"
fi
exec "$@"
