# shellcheck shell=sh
# Sourced by scripts/env.sh and the Makefile: takes the ROS of the shell that it is sourced in out of the environment.
#
# What `make` sets up brings a ROS 2 of its own. An overlay that is sourced (its rclpy on PYTHONPATH, its libraries on
# LD_LIBRARY_PATH), another middleware, a discovery server or a security keystore would get between its parts. Only this
# process and its children are concerned. It says on standard error what it has taken out; CINET_QUIET=1: nothing.

cinet_taken=

# Take a variable out; the value that this checkout sets itself ($2) is not worth a word.
cinet_take() {
  eval "cinet_value=\${$1:-}"
  # shellcheck disable=SC2154  # set by eval
  if [ -n "$cinet_value" ] && [ "$cinet_value" != "${2:-}" ]; then cinet_taken="$cinet_taken $1=$cinet_value"; fi
  unset "$1"
}

# Keep of a list of folders ($1, the name of a variable) those that are no part of a ROS installation or this checkout.
cinet_filter() {
  eval "cinet_value=\${$1:-}"
  cinet_kept=
  cinet_foreign=
  cinet_ifs=$IFS
  IFS=:
  for cinet_folder in $cinet_value; do
    case $cinet_folder in
      "$PWD"/.venv* | "$PWD"/.ros*) continue ;; # of this checkout: put there again
      /opt/ros/*) cinet_foreign=$cinet_folder && continue ;;
    esac
    for cinet_prefix in ${AMENT_PREFIX_PATH:-}; do
      case $cinet_folder in
        "$cinet_prefix" | "$cinet_prefix"/*) cinet_foreign=$cinet_folder && continue 2 ;;
      esac
    done
    cinet_kept="${cinet_kept:+$cinet_kept:}$cinet_folder"
  done
  IFS=$cinet_ifs
  if [ -n "$cinet_foreign" ]; then cinet_taken="$cinet_taken $1($cinet_foreign)"; fi
  if [ -n "$cinet_kept" ]; then eval "export $1=\"\$cinet_kept\""; else unset "$1"; fi
}

cinet_filter PATH
cinet_filter LD_LIBRARY_PATH
cinet_filter CMAKE_PREFIX_PATH
cinet_filter PYTHONPATH
cinet_take PYTHONPATH # what is left of it may hold an rclpy, a numpy or a torch of its own
cinet_take PYTHONHOME
cinet_take RMW_IMPLEMENTATION rmw_fastrtps_cpp
# LOCALHOST is the default, and SUBNET a wish; with OFF nothing would find anything
if [ "${ROS_AUTOMATIC_DISCOVERY_RANGE:-}" = OFF ]; then cinet_take ROS_AUTOMATIC_DISCOVERY_RANGE; fi
for cinet_name in FASTRTPS_DEFAULT_PROFILES_FILE FASTDDS_DEFAULT_PROFILES_FILE; do
  cinet_take $cinet_name "$PWD/config/fastdds.xml"
done
for cinet_name in \
  ROS_DISCOVERY_SERVER ROS_SUPER_CLIENT ROS_STATIC_PEERS ROS_LOCALHOST_ONLY \
  ROS_SECURITY_ENABLE ROS_SECURITY_STRATEGY ROS_SECURITY_KEYSTORE ROS_SECURITY_ENCLAVE_OVERRIDE \
  FASTDDS_BUILTIN_TRANSPORTS RMW_FASTRTPS_USE_QOS_FROM_XML RMW_FASTRTPS_PUBLICATION_MODE CYCLONEDDS_URI ZENOH_CONFIG_OVERRIDE \
  ROS_PACKAGE_PATH COLCON_DEFAULTS_FILE; do
  cinet_take $cinet_name
done
cinet_overlay=${AMENT_PREFIX_PATH:-}
case $cinet_overlay in
  "" | "$PWD"/.ros*) ;;
  *) cinet_taken="$cinet_taken AMENT_PREFIX_PATH=$cinet_overlay" ;;
esac
unset AMENT_PREFIX_PATH AMENT_CURRENT_PREFIX COLCON_PREFIX_PATH COLCON_CURRENT_PREFIX ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION

if [ -n "$cinet_taken" ] && [ -z "${CINET_QUIET:-}" ]; then
  printf '[env] not used here, where ROS 2 comes from PyPI:%s\n' "$cinet_taken" >&2
fi
unset cinet_taken cinet_overlay cinet_value cinet_kept cinet_foreign cinet_ifs cinet_folder cinet_prefix cinet_name
