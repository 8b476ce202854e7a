"""What imports without PyTorch, each in a fresh interpreter where PyTorch cannot be had."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKED = """
import sys
sys.modules["torch"] = None  # importing it raises ModuleNotFoundError
"""
CODE = {
    "the package": "import cinet_core; assert cinet_core.__version__ and 'load' in dir(cinet_core)",
    "geometry": "from cinet_core import Intrinsics; from cinet_core.geometry import unproject",
    "label sets": "from cinet_core import LABEL_SETS, UNLABELLED, LabelSet, get_label_set; get_label_set('nyu40')",
    "metadata of checkpoints": (
        "from cinet_core import CheckpointError, ModelMetadata, read_metadata;"
        "assert read_metadata('default').label_set.classes"
    ),
    "configurations": "from cinet_core.model import CONFIGS, ModelConfig",
    "predictions": "from cinet_core import Prediction; import cinet_core.visualize, cinet_core.tasks.panel",
    "images": "from cinet_core.inference.image_input import rgb_image; rgb_image('docs/example_room.jpg')",
    "messages": (
        "import pkgutil, importlib, cinet_core.messages as m;"
        "[importlib.import_module(f'cinet_core.messages.{one.name}') for one in pkgutil.iter_modules(m.__path__)]"
    ),
    "recipes": (
        "from cinet_core import Recipe; from cinet_core.losses import STAGES, LossWeights;"
        "assert Recipe.__dataclass_fields__ and LossWeights() and len(STAGES) == 3"
    ),
    "tasks": (
        "from cinet_core.model.config import DEFAULT_TASKS; from cinet_core.tasks import TASKS, get_task, output_names;"
        "assert output_names(DEFAULT_TASKS) == ('depth', 'labels', 'confidence')"
    ),
    "command line": "from cinet_core.cli import main",
    "the predictor": (
        "from cinet_core import Predictor, load, predict_bag, predict_frames;"
        "from cinet_core.inference.networks import named_network; named_network('default')"
    ),
    "anchors, temporal fusion, obstacles": (
        "import pkgutil, importlib, cinet_core.anchors, cinet_core.temporal, cinet_core.obstacles as last;"
        "packages = (cinet_core.anchors, cinet_core.temporal, last);"
        "[importlib.import_module(f'{one.__name__}.{each.name}') for one in packages"
        " for each in pkgutil.iter_modules(one.__path__)]"
    ),
    "maps": "import cinet_core.mapping.semantic_map, cinet_core.mapping.vote_fusion",
}


@pytest.mark.parametrize("what", CODE)
def test_imports_without_torch(what: str) -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED + CODE[what]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import cinet_core; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"numpy", "torch", "cv2", "PIL", "cinet_core.inference", "cinet_core.geometry"}
    assert not heavy & set(done.stdout.split())
