"""Data sets by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError
from cinet_core.data.frame_sources import SYNTHETIC
from cinet_core.data.label_sets import get_label_set
from cinet_core.data.nyu_depth_v2 import FILE_NAME, NyuDepthV2
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.data.sun_rgbd import SunRgbd
from cinet_core.data.synthetic_rooms.scenes import SyntheticScenes

DATASETS: Mapping[str, Callable[..., SceneDataset]] = {
    "nyu_depth_v2": NyuDepthV2,
    "sun_rgbd": SunRgbd,
    "folder": FolderDataset,
    "synthetic_rooms": SyntheticScenes,
}
"""To add a data set, subclass SceneDataset and name it here."""

_LABEL_SET_OPTIONS = ("label_set", "source_label_set")


def open_dataset(root: Path | str, split: Split = "train", kind: str = "auto", **options: Any) -> SceneDataset:
    """A split of the data set at a path.

    Args:
        root: a file or folder; "synthetic" (or "", with that kind) for the synthetic rooms; a folder of that name is
            "./synthetic".
        split: which part of it.
        kind: a name of DATASETS, or "auto" to go by what lies there.
        options: for the data set's class; label sets may be given by name.

    Raises:
        SourceError: there is nothing that can be read.
        ValueError: the kind, the split, an option or its value does not exist.
    """
    path = Path(root).expanduser()
    if kind == "auto":
        kind = "synthetic_rooms" if str(root) == SYNTHETIC else kind_at(path)
    if kind not in DATASETS:
        raise ValueError(f"there is no data set {kind!r}: choose one of auto, {', '.join(DATASETS)}")
    known = [name for name in inspect.signature(DATASETS[kind]).parameters if name not in ("root", "split")]
    for name in options:
        if name not in known:
            raise ValueError(f"{kind!r} has no option {name!r}: it has {', '.join(known)}")
    for name in _LABEL_SET_OPTIONS:
        if isinstance(options.get(name), str):
            options[name] = get_label_set(options[name])
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
