"""What is set up: a checkout, its virtual environment, and its colcon workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# ROS 2 distributions that there are wheels of; the first is the default.
DISTRIBUTIONS = ("jazzy", "kilted")
EXTRAS = ("ros", "dev", "docs", "train", "onnx", "openvino", "viewer")
# Without PyTorch: what a robot runs and `make demo` needs; and with what the tests of it take.
LIGHT, LIGHT_TEST = "light", "light-test"
LIGHT_EXTRAS = {LIGHT: ("ros", "bags"), LIGHT_TEST: ("ros", "bags", "test", "viewer")}
# Dependencies of the package that the light set leaves out; it takes OpenCV without windows, see scripts/runtime.txt.
NOT_LIGHT = ("torch", "torchvision", "timm", "safetensors", "open3d", "opencv-python")


class SetupError(RuntimeError):
    """A step failed; the text says what to do about it."""


@dataclass(frozen=True)
class Environment:
    """What is set up: its place in the checkout, and what is in it.

    Attributes:
        root: the checkout.
        ros: the ROS 2 distribution.
        numpy: the version of NumPy, such as 1.26 for that of Ubuntu 24.04; empty: the pinned one.
        torch_backend: passed to uv; empty: what PyPI offers.
        light: "light" or "light-test", without PyTorch; empty: everything.
    """

    root: Path = ROOT
    ros: str = DISTRIBUTIONS[0]
    numpy: str = ""
    torch_backend: str = ""
    light: str = ""

    @property
    def suffix(self) -> str:
        """Of the names of its folders; empty for the default, which `scripts/env.sh` enters without being told."""
        return "".join(f"-{part}" for part in (self.ros.removeprefix(DISTRIBUTIONS[0]), self.numpy, self.light) if part)

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / f".venv{self.suffix}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def workspace(self) -> Path:
        """The colcon workspace."""
        return self.root / f".ros{self.suffix}"

    @property
    def extras(self) -> str:
        """Extras of setup.py that it has, separated by commas; no viewer with NumPy 1, for which Rerun has no build."""
        old = self.numpy.startswith("1.")
        extras = LIGHT_EXTRAS[self.light] if self.light else EXTRAS
        return ",".join((*(name for name in extras if not (old and name == "viewer")), f"ros-build-{self.ros}"))

    @property
    def constraints(self) -> list[Path]:
        """Files that pin what is installed."""
        return [self.root / "scripts" / name for name in ("constraints.txt", f"constraints-{self.ros}.txt")]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Dependencies of the package that it does without. Maps need Open3D, and their tests are run."""
        return tuple(name for name in NOT_LIGHT if (self.light, name) != (LIGHT_TEST, "open3d")) if self.light else ()
