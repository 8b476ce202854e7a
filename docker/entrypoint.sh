#!/bin/bash
# Runs a command with the distribution and the workspace sourced.
set -e
# images of jetson-containers have the distribution's workspace in ROS_ROOT
setup=${ROS_ROOT:+$ROS_ROOT/install/setup.bash}
# shellcheck disable=SC1090,SC1091
source "${setup:-/opt/ros/$ROS_DISTRO/setup.bash}"
# shellcheck disable=SC1091
source /ws/install/setup.bash
exec "$@"
