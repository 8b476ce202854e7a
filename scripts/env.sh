# shellcheck shell=sh
# Source this (bash or sh, from the checkout) to use what `make setup` built: the virtual environment, the ROS 2
# package, the Fast DDS profile, and discovery limited to this machine.
# shellcheck source=/dev/null
. .ros/install/setup.sh
export VIRTUAL_ENV="$PWD/.venv"
export PATH="$VIRTUAL_ENV/bin:$PATH"
export AMENT_PREFIX_PATH="$AMENT_PREFIX_PATH:$VIRTUAL_ENV"
export RMW_IMPLEMENTATION="${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$PWD/config/fastdds.xml}"
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
# not below the home folder, which may be read-only
export ROS_LOG_DIR="${ROS_LOG_DIR:-$PWD/.ros/node_log}"
