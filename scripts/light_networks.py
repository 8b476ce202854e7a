"""Makes the networks of the tests as core graphs, for an environment without PyTorch: `make test-light`.

``python -m scripts.light_networks FOLDER`` writes what the fixtures `weights` and `tiny_weights` make where PyTorch is
installed: `small.onnx`, `tiny.onnx` and `all_tasks.onnx`; `random.onnx`, which says that its weights are random; and
`answers.npz`, what PyTorch predicts of docs/example_room.jpg with the weights that ship.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.checkpoint import load_checkpoint, random_checkpoint
from cinet_core.inference.core_export import export_core_graph
from cinet_core.inference.predictor import Predictor
from cinet_core.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
FIELD_OF_VIEW = 57.0


def main() -> int:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "test" / "support"))
    from tiny_network import tiny_checkpoint, trained_checkpoint  # type: ignore[import-not-found]

    options.folder.mkdir(parents=True, exist_ok=True)
    lite = random_checkpoint("lite")
    camera = dataclasses.replace(lite.metadata.camera, width=64, height=48)
    small = dataclasses.replace(lite.metadata, camera=camera, random_weights=False)
    made = {
        "small": dataclasses.replace(lite, metadata=small),
        "tiny": tiny_checkpoint(),
        "random": lite,
        "all_tasks": trained_checkpoint(tasks=tuple(task.name for task in TASKS)),
    }
    for name, checkpoint in made.items():
        export_core_graph(checkpoint, options.folder / f"{name}.onnx")
        print(options.folder / f"{name}.onnx")
    with Predictor(load_checkpoint("default"), "cpu") as predictor:
        prediction = predictor(ROOT / "docs" / "example_room.jpg", fov=FIELD_OF_VIEW)
    assert prediction.image is not None
    assert prediction.intrinsics is not None
    facts: dict[str, Any] = {"image": prediction.image, "fx": prediction.intrinsics.fx, **prediction.outputs}
    np.savez_compressed(options.folder / "answers.npz", **facts)
    print(options.folder / "answers.npz")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
