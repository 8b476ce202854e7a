"""Opens the data for an evaluation: a split with the classes of the network, and raw depth if a protocol needs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cinet_core.data.nyu_depth_v2 import NyuDepthV2
from cinet_core.data.registry import open_for_network
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.label_sets import LabelSet

__all__ = ["open_scored"]


def open_scored(
    root: Path | str, split: Split, kind: str, options: Mapping[str, Any], label_set: LabelSet
) -> tuple[SceneDataset, SceneDataset | None]:
    """Open a split for `evaluate_model`, and the frames with raw depth of NYU-Depth-v2 (None for other sets).

    Args:
        root, split, kind: see `open_dataset`.
        options: keyword arguments of the data set's class.
        label_set: of the network.

    Raises:
        SourceError, ValueError: as `open_dataset`; or the options decide what the network or the protocols decide.
    """
    dataset = open_for_network(root, split, kind, options, label_set)
    if not isinstance(dataset, NyuDepthV2):
        return dataset, None
    if "depth" in options:
        raise ValueError("option depth: the protocols decide it, 'paper' reads filled and 'eigen' raw; leave it out")
    return dataset, open_for_network(root, split, kind, {**options, "depth": "raw"}, label_set)
