"""``cinet info``: what a checkpoint says about itself, without loading its weights."""

from __future__ import annotations

import argparse
import json
import sys


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of its arguments."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("checkpoint", metavar="FILE|default", help="a .safetensors checkpoint; or default, what ships")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Print a checkpoint's metadata; returns the exit status."""
    from cinet_core.model_metadata import CheckpointError, read_metadata

    try:
        metadata = read_metadata(options.checkpoint)
    except CheckpointError as error:
        print(f"cinet info: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(metadata.to_dict(), indent=2))
        return 0
    camera = metadata.camera
    low, high = camera.focal_range
    rows = {
        "network": f"{metadata.config.name}, encoder {metadata.config.encoder}",
        "tasks": ", ".join(metadata.config.tasks),
        "label set": f"{metadata.label_set.name}, {len(metadata.label_set.classes)} classes",
        "weights": "RANDOM: predictions mean nothing" if metadata.random_weights else "trained",
        "trained at": f"{camera.width}x{camera.height}, focal length {low:g} to {high:g} px",
        "canonical focal": f"{camera.canonical_focal:g} px",
        "depth range": "{:g} to {:g} m".format(*metadata.depth_range),
        "licence": metadata.licence or "not stated",
        "attribution": metadata.attribution or "not stated",
        "recipe": json.dumps(dict(metadata.recipe)) if metadata.recipe else "not stated",
        "figures": json.dumps(dict(metadata.metrics)) if metadata.metrics else "not stated",
    }
    for name, value in rows.items():
        print(f"{name + ':':<17}{value}")
    return 0
