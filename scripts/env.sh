# shellcheck shell=sh
# Source this (bash or sh, from the checkout) to use what `make setup` built: the virtual environment, the ROS 2
# package, the Fast DDS profile, and discovery limited to this machine. CINET_ENVIRONMENT=-kilted enters what
# `make setup ROS=kilted` built.
if ! [ -f ".ros${CINET_ENVIRONMENT:-}/install/setup.sh" ]; then
  echo "[env] nothing is set up in $PWD: source this from the checkout, after \`make setup\`" >&2
  # shellcheck disable=SC2317  # where it is run, and not sourced
  return 1 2>/dev/null || exit 1
fi
# shellcheck source=scripts/neutral.sh
. scripts/neutral.sh
# shellcheck source=/dev/null
. ".ros${CINET_ENVIRONMENT:-}/install/setup.sh"
ROS_DISTRO="$(cat ".ros${CINET_ENVIRONMENT:-}/distribution")"
export ROS_DISTRO
export VIRTUAL_ENV="$PWD/.venv${CINET_ENVIRONMENT:-}"
export PATH="$VIRTUAL_ENV/bin:$PATH"
export AMENT_PREFIX_PATH="$AMENT_PREFIX_PATH:$VIRTUAL_ENV"
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
# Fast DDS 3 renamed the variable and warns about the old name.
case $ROS_DISTRO in
  jazzy) export FASTRTPS_DEFAULT_PROFILES_FILE="$PWD/config/fastdds.xml" ;;
  *) export FASTDDS_DEFAULT_PROFILES_FILE="$PWD/config/fastdds.xml" ;;
esac
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
# not below the home folder, which may be read-only; nor where another user's shell has put it
if ! { [ -n "${ROS_LOG_DIR:-}" ] && mkdir -p "$ROS_LOG_DIR" && [ -w "$ROS_LOG_DIR" ]; } 2>/dev/null; then
  export ROS_LOG_DIR="$PWD/.ros${CINET_ENVIRONMENT:-}/node_log"
fi
