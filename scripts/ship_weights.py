"""Makes a trained checkpoint the one that ships: weights in half precision, without the paths of this machine.

With ``--graph`` the core graph for machines without PyTorch is written beside it, from the same weights; with
``--answer`` what they see in docs/example_room.jpg goes into a file, which the tests hold later versions against. The
default weights have both.

``python -m scripts.ship_weights runs/weights/calibrated.safetensors cinet_core/weights/preview.safetensors``
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cinet_core.checkpoint import load_checkpoint, save_checkpoint
from cinet_core.graph_file import SUFFIX
from cinet_core.inference.export import export_any_size
from cinet_core.inference.predictor import Predictor

# What is cloned with the repository stays small.
MAX_BYTES = 25_000_000
EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "example_room.jpg"
EXAMPLE_FOV = 57


def without_places(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe whose paths are only the names at their ends: where files lay is nobody's business and helps nobody."""
    kept = copy.deepcopy(dict(recipe))
    for holder, key in ((kept["data"], "root"), (kept["run"], "output"), (kept["model"], "checkpoint")):
        if holder[key]:
            holder[key] = Path(holder[key]).name
    if kept["model"].get("init_from"):
        kept["model"]["init_from"] = Path(kept["model"]["init_from"]).name
    for other in kept["data"]["mix"]:
        other["root"] = Path(other["root"]).name
    return kept


def answer_of(checkpoint: Path) -> dict[str, Any]:
    """Depth, labels and confidence of the example, every 40 pixels of 320x240, as JSON types."""
    with Predictor(load_checkpoint(checkpoint), "cpu") as predictor:
        prediction = predictor(EXAMPLE, fov=EXAMPLE_FOV)
    places = np.ix_(np.arange(20, 240, 40), np.arange(20, 320, 40))
    return {
        "depth": np.round(prediction.depth[places].astype(float), 4).tolist(),
        "labels": prediction.labels[places].tolist(),
        "confidence": prediction.confidence[places].tolist(),
    }


def main() -> int:
    """Rewrite one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, help="best.safetensors of a run")
    parser.add_argument("shipped", type=Path, help="where it goes")
    parser.add_argument("--graph", action="store_true", help="write FILE.onnx for machines without PyTorch, too")
    parser.add_argument("--answer", type=Path, metavar="FILE", help="test/data/shipped_answer.json of what ships")
    options = parser.parse_args()
    checkpoint = load_checkpoint(options.trained)
    metadata = dataclasses.replace(checkpoint.metadata, recipe=without_places(checkpoint.metadata.recipe))
    options.shipped.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(options.shipped, checkpoint.model, metadata, half=True)
    size = options.shipped.stat().st_size
    if size > MAX_BYTES:
        options.shipped.unlink()
        parser.exit(2, f"{options.shipped} would have {size} bytes, more than the {MAX_BYTES} that may ship\n")
    print(f"{options.shipped}: {size / 1e6:.1f} MB")
    if options.graph:
        core = export_any_size(options.shipped, options.shipped.with_suffix(SUFFIX))
        print(f"{core.path}: {core.bytes / 1e6:.1f} MB, of the checkpoint {core.sha256[:12]}")
    if options.answer is not None:
        options.answer.write_text(json.dumps(answer_of(options.shipped)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
