"""Data sets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError
from cinet_core.data.nyu_depth_v2 import FILE_NAME, NyuDepthV2
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.data.sun_rgbd import SunRgbd

DATASETS: Mapping[str, Callable[..., SceneDataset]] = {
    "nyu_depth_v2": NyuDepthV2,
    "sun_rgbd": SunRgbd,
    "folder": FolderDataset,
}
"""What is read from files; to add a data set, subclass SceneDataset and name it here."""


def open_dataset(root: Path | str, split: Split = "train", kind: str = "auto", **options: Any) -> SceneDataset:
    """A split of the data set at a path.

    Args:
        root: a file or folder.
        split: which part of it.
        kind: a name of DATASETS, or "auto" to go by what lies there.
        options: for the data set's class.

    Raises:
        SourceError: there is nothing that can be read.
        ValueError: the kind, the split or the value of an option does not exist.
    """
    path = Path(root).expanduser()
    if kind == "auto":
        kind = kind_at(path)
    if kind not in DATASETS:
        raise ValueError(f"there is no data set {kind!r}: choose one of auto, {', '.join(DATASETS)}")
    return DATASETS[kind](path, split, **options)


def kind_at(path: Path) -> str:
    """Name in DATASETS of what lies at a path: the official layouts are unmistakable, all else is a folder of frames.

    Raises:
        SourceError: nothing is there, or a file that is no data set.
    """
    if not path.exists():
        raise SourceError(path, "there is no such file or folder", "give the data set's folder, or NYU's .mat file")
    if path.suffix == ".mat" or (path / FILE_NAME).is_file():
        return "nyu_depth_v2"
    if path.is_file():
        raise SourceError(path, "this file is no data set", "give the data set's folder, or NYU's .mat file")
    return "sun_rgbd" if (path / "SUNRGBDtoolbox").is_dir() else "folder"
