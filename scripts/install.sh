#!/usr/bin/env bash
# Installs CI-Net on a robot that has a ROS 2 distribution (Humble, Jazzy, Kilted, Lyrical; x86-64, aarch64, Jetson).
# Safe to run again: what is there is kept. Machines without a distribution: `make demo` and `make test`.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/install.sh [options]

Sets up CI-Net beside a ROS 2 distribution, whose setup.bash must be sourced:
  1. rosdep: the system and ROS packages named in package.xml, as far as they resolve
  2. a virtual environment that sees the system's Python packages, outside the package folder, with torch and the
     rest of setup.py's dependencies. A torch, torchvision, OpenCV or NumPy major version that this machine has is kept.
  3. colcon build of the package cinet_ros, whose nodes run in that environment

Options:
  --workspace DIR  colcon workspace (default: the folder whose src/ holds this checkout, else ../cinet_ws beside it)
  --venv DIR       virtual environment (default: WORKSPACE/.cinet-venv)
  --runtime        the light set without PyTorch, scripts/runtime.txt: the nodes on a CPU, with the default weights or
                   those of `cinet export --any-size`; 0.5 GB in place of 7
  --pypi-torch     on a Jetson without torch: install PyPI's, which does not use the Jetson's GPU
  --tests          with what the tests need, for `colcon test --packages-select cinet_ros`
  --no-rosdep      leave out step 1
  --dependencies-only  leave out step 3: all that is downloaded, which needs package.xml, setup.py and scripts/ alone
  --dry-run        print the plan, change nothing
  -h, --help       this text
TEXT
}

say() { printf '[install] %s\n' "$*"; }
warn() { printf '[install] warning: %s\n' "$*" >&2; }
die() {
  printf '[install] failed: %s\n' "$*" >&2
  exit 1
}

# Prints a command, and runs it unless this is a dry run.
run() {
  printf '[install] +'
  printf ' %q' "$@"
  printf '\n'
  if [[ $dry_run == no ]]; then "$@"; fi
}

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
workspace='' venv='' pypi_torch=no rosdep=yes build=yes tests=no dry_run=no runtime=no

value_of() {
  [[ $# -ge 2 && -n $2 ]] || die "$1 needs a folder; see --help"
  printf '%s' "$2"
}

while [[ $# -gt 0 ]]; do
  case $1 in
    --workspace)
      workspace=$(value_of "$@")
      shift
      ;;
    --venv)
      venv=$(value_of "$@")
      shift
      ;;
    --pypi-torch) pypi_torch=yes ;;
    --runtime) runtime=yes ;;
    --tests) tests=yes ;;
    --no-rosdep) rosdep=no ;;
    --dependencies-only) build=no ;;
    --dry-run) dry_run=yes ;;
    -h | --help) usage && exit 0 ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

check_distribution() {
  local found
  if [[ -z ${ROS_DISTRO:-} ]]; then
    found=$(compgen -G '/opt/ros/*/setup.bash' | head -1 || true)
    [[ -n $found ]] || die "no ROS 2 distribution on this machine. Install Humble, Jazzy, Kilted or Lyrical first, or use 'make demo' (x86-64), or an image of docker/"
    die "ROS_DISTRO is not set. Run: source $found && $0"
  fi
  case $ROS_DISTRO in
    humble | jazzy | kilted | lyrical) ;;
    *) warn "ROS_DISTRO=$ROS_DISTRO: only humble, jazzy, kilted and lyrical are supported; going on" ;;
  esac
  [[ $repository != *[[:space:]]* ]] || die "the path of this checkout has a blank, which colcon cannot build: $repository"
  command -v python3 >/dev/null || die "python3 is not on PATH; apt install python3"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$(python3 --version) is older than 3.10"
  python3 -c 'import rclpy' 2>/dev/null \
    || die "$(command -v python3) cannot import rclpy of $ROS_DISTRO: leave any conda or other environment (deactivate), and use the Python that the distribution was built for"
  colcon build --help 2>/dev/null | grep -e --cmake-args >/dev/null \
    || die "colcon is missing, or its extension for CMake is; apt install python3-colcon-common-extensions"
  [[ -x $venv/bin/python ]] || python3 -c 'import ensurepip, venv' 2>/dev/null || die "Python cannot make virtual environments; apt install python3-venv"
}

# The folder above the nearest `src` that holds this checkout.
find_workspace() {
  local folder=$repository
  while [[ $folder != / ]]; do
    folder=$(dirname "$folder")
    if [[ ${folder##*/} == src ]]; then
      dirname "$folder"
      return
    fi
  done
  printf '%s/cinet_ws\n' "$(dirname "$repository")"
}

# Versions of modules, one a line, `-` where one is absent. One that is there but broken is an error: another one installed
# over a vendor's build would hide the cause.
versions_of() {
  "$python" - "$@" <<'PYTHON'
import importlib.metadata
import importlib.util
import sys

for name in sys.argv[1:]:
    if importlib.util.find_spec(name) is None:
        print("-")
        continue
    try:
        module = importlib.import_module(name)
    except Exception as error:
        remedy = "install the system package of that library, or repair or remove" if ".so" in str(error) else "repair or remove"
        sys.exit(f"[install] failed: {name} is there but cannot be imported ({error}); {remedy} {name}, then try again")
    try:
        print(importlib.metadata.version(name))  # what pip compares
    except importlib.metadata.PackageNotFoundError:
        print(module.__version__)
PYTHON
}

# What setup.py asks for at run time, and for tests, one a line; the ROS packages among it are the distribution's.
requirements() {
  local extras=(ros)
  if [[ $tests == yes ]]; then extras+=(test); fi
  (cd "$repository" && "$python" -c '
import sys
import setuptools  # brings distutils where Python has none any more
from distutils.core import run_setup
package = run_setup("setup.py", stop_after="init")
names = package.install_requires + [name for extra in sys.argv[1:] for name in package.extras_require[extra]]
print("\n".join(name for name in names if not name.startswith("ros-")))' "${extras[@]}")
}

install_system_packages() {
  [[ $rosdep == yes ]] || return 0
  if ! command -v rosdep >/dev/null; then
    warn "rosdep is missing (apt install python3-rosdep): the packages of package.xml are not installed"
    return 0
  fi
  # a robot's own OpenCV (CUDA builds on a Jetson) or NumPy is not to be replaced by Debian's
  local module skip=() types=(build buildtool build_export buildtool_export exec)
  for module in numpy cv2; do
    if python3 -c "import $module" 2>/dev/null; then skip+=("python3-${module/cv2/opencv}"); fi
  done
  run rosdep update --rosdistro "$ROS_DISTRO" || warn "rosdep update failed; going on with what rosdep knows (never initialised? sudo rosdep init)"
  if [[ $tests == yes ]]; then types+=(test); fi
  run rosdep install --from-paths "$repository" --ignore-src -r -y --rosdistro "$ROS_DISTRO" --skip-keys "${skip[*]}" \
    "${types[@]/#/--dependency-types=}" \
    || warn "rosdep could not install everything; what is optional (vision_msgs, cv_bridge) is used where it is there"
}

make_environment() {
  local version
  version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [[ -d $venv && ! -e $venv/lib/python$version ]]; then
    die "$venv was made with another Python than $version; remove it, or choose another folder with --venv"
  fi
  # a new environment sees the system's packages, but not those of an environment that is active
  local active
  active=$(python3 -c '
import importlib.util, sys
torch = importlib.util.find_spec("torch")
if torch and sys.prefix != sys.base_prefix and (torch.origin or "").startswith(sys.prefix):
    print(sys.prefix)')
  [[ -z $active || $active == "$venv" ]] || die "torch is in the environment $active: use that one (--venv $active), or deactivate it"
  run mkdir -p "$workspace"
  if [[ -x $venv/bin/python ]]; then
    say "keeping the virtual environment $venv"
  else
    run python3 -m venv --system-site-packages "$venv"
    run touch "$venv/COLCON_IGNORE"
  fi
  python=python3
  if [[ -x $venv/bin/python ]]; then python=$venv/bin/python; fi
}

# Decides what is kept: fills `kept` (names that pip is not asked for), `unpinned` (pattern of names whose line in
# constraints.txt does not hold) and `pins` (lines for the constraints in their place).
hold_what_is_there() {
  local versions torch vision cv numpy
  versions=$(versions_of torch torchvision cv2)
  { read -r torch && read -r vision && read -r cv; } <<<"$versions"
  # the system's own NumPy, not the environment's: cv_bridge was built for that one
  numpy=$(python3 -c 'import numpy; print(numpy.__version__)' 2>/dev/null || true)
  if [[ $torch != - ]]; then
    kept+=(torch)
    pins+=("torch==$torch")
    unpinned+='|torch|torchvision|triton|nvidia-.*|cuda-.*'
    if [[ $vision != - ]]; then
      kept+=(torchvision)
      pins+=("torchvision==$vision")
    elif [[ -e /etc/nv_tegra_release ]]; then
      die "torch $torch is there without torchvision: install the build that belongs to it (PyPI's would replace torch)"
    fi
  elif [[ -e /etc/nv_tegra_release && $pypi_torch == no ]]; then
    die "a Jetson without torch: install NVIDIA's torch and torchvision for this JetPack, or use docker/Dockerfile.l4t; PyPI's torch does not use the GPU here (--pypi-torch takes it nevertheless)"
  fi
  if [[ $cv != - ]]; then
    kept+=(opencv-python)
    unpinned+='|opencv-python'
  fi
  if [[ ${numpy%%.*} == 1 ]]; then
    say "NumPy stays below 2: cv_bridge of $ROS_DISTRO was built for NumPy $numpy"
    unpinned+='|numpy|opencv-python'
    pins+=('numpy>=1.21,<2' 'opencv-python-headless<4.12') # later OpenCV wheels ask for NumPy 2
  fi
  say "keeping what is there: ${kept[*]:-nothing} (torch $torch, torchvision $vision, OpenCV $cv)"
}

install_python_packages() {
  local kept=() pins=() unpinned='open3d' constraints=$venv/constraints.txt wanted=() line name
  local pip=("$venv/bin/python" -m pip install --disable-pip-version-check)
  hold_what_is_there
  while read -r line; do
    name=${line%%[^A-Za-z0-9_.-]*}
    # headless: no window is opened on a robot, and the other build asks for libraries of X11
    [[ $name == open3d || " ${kept[*]} " == *" $name "* ]] || wanted+=("${line/#opencv-python/opencv-python-headless}")
  done < <(requirements)
  [[ ${#wanted[@]} -gt 0 ]] || die "setup.py named no dependencies; is setuptools there? apt install python3-setuptools"
  say "versions: scripts/constraints.txt without ${unpinned//|/, }; with ${pins[*]:-nothing else}"
  if [[ $dry_run == no ]]; then
    {
      grep -Ev "^($unpinned)==" "$repository/scripts/constraints.txt" | sed 's/^opencv-python==/opencv-python-headless==/'
      printf '%s\n' "${pins[@]}"
    } >"$constraints"
  fi
  run "${pip[@]}" -c "$constraints" "${wanted[@]}" || die "pip found no versions that fit beside what this machine has"
  # apart, because only maps need it and not every machine has a wheel
  run "${pip[@]}" -q -c "$constraints" open3d || warn "no open3d here: the mapping node and 'cinet map' cannot run; all else can"
  [[ $dry_run == yes ]] || check_open3d
}

# What predicts without PyTorch, pinned; an OpenCV or a NumPy 1 that this machine has is kept.
install_runtime() {
  local without='' numpy cv constraints=$venv/runtime.txt
  local pip=("$venv/bin/python" -m pip install --disable-pip-version-check)
  cv=$(versions_of cv2)
  numpy=$(python3 -c 'import numpy; print(numpy.__version__)' 2>/dev/null || true)
  if [[ $cv != - ]]; then without+='|opencv-python-headless'; fi
  local more=()
  if [[ ${numpy%%.*} == 1 ]]; then
    say "NumPy stays below 2: cv_bridge of $ROS_DISTRO was built for NumPy $numpy"
    without+='|numpy|opencv-python-headless'
    more+=('numpy>=1.21,<2')
    if [[ $cv == - ]]; then more+=('opencv-python-headless<4.12'); fi # later OpenCV wheels ask for NumPy 2
  fi
  say "versions: scripts/runtime.txt${without:+ without${without//|/ }} (OpenCV $cv)"
  if [[ $dry_run == no ]]; then
    {
      grep -Ev "^(#${without})" "$repository/scripts/runtime.txt"
      printf '%s\n' "${more[@]}"
    } >"$constraints"
  fi
  run "${pip[@]}" -r "$constraints" || die "pip found no versions that fit beside what this machine has"
}

check_open3d() {
  local error
  "$venv/bin/python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("open3d") is None)' || return 0
  error=$("$venv/bin/python" -c 'import open3d' 2>&1 | tail -1 || true)
  [[ $error != *Error* ]] || warn "the mapping node and 'cinet map' cannot run yet; all else can (open3d: $error). Most often mended by: sudo apt install libusb-1.0-0 libgl1 libegl1 libgomp1 libx11-6"
}

build() {
  # the command `cinet`
  run "$venv/bin/python" -m pip install --disable-pip-version-check -q --no-deps --editable "$repository"
  say "building cinet_ros in $workspace"
  # Python3_EXECUTABLE: the messages are for the distribution's Python, whatever else is on this machine
  run env --chdir="$workspace" colcon build --symlink-install --base-paths "$repository" --packages-select cinet_ros \
    --cmake-args "-DPython3_EXECUTABLE=$(command -v python3)" "-DCINET_PYTHON=$venv/bin/python"
}

check_result() {
  [[ $dry_run == no ]] || return 0
  if [[ $runtime == yes ]]; then
    "$venv/bin/python" -c '
import cv2, numpy, onnxruntime, openvino, rclpy
versions = ", ".join(f"{module.__name__} {module.__version__}" for module in (openvino, onnxruntime, numpy, cv2))
print(f"[install] {versions}; no PyTorch is needed")'
    return 0
  fi
  "$venv/bin/python" -c '
import cv2, numpy, rclpy, safetensors, timm, torch
device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA GPU: the node runs on the CPU"
print(f"[install] torch {torch.__version__} ({device}), NumPy {numpy.__version__}, OpenCV {cv2.__version__}")'
}

venv_given=$venv
workspace=${workspace:-$(find_workspace)}
workspace=$(realpath -m "$workspace")
venv=$(realpath -m "${venv_given:-$workspace/.cinet-venv}")
[[ $venv/ != "$repository"/* ]] || die "--venv $venv lies inside the package folder $repository, where colcon cannot build it; choose one outside"

check_distribution
say "ROS 2 ${ROS_DISTRO}, checkout $repository, workspace $workspace, environment $venv"
install_system_packages
make_environment
if [[ $runtime == yes ]]; then install_runtime; else install_python_packages; fi
if [[ $build == no ]]; then
  check_result
  say "done: all that cinet_ros needs is there; without --dependencies-only it is built"
  exit 0
fi
build
check_result
say "done. To run it:"
printf '  source %q\n' "$workspace/install/setup.bash"
printf '  ros2 launch cinet_ros demo.launch.py rviz:=true     # or: perception.launch.py weights:=/path/to/model.safetensors\n'
