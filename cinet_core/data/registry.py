"""Opens data sets by name."""

from __future__ import annotations

import inspect
import numbers
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinet_core.data.arkit_scenes import ArkitScenes
from cinet_core.data.folder import FolderDataset
from cinet_core.data.frame_files import SourceError, refuse_bag
from cinet_core.data.frame_sources import SYNTHETIC
from cinet_core.data.hypersim import Hypersim
from cinet_core.data.nyu_depth_v2 import FILE_NAME, NyuDepthV2
from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.recording import Recording, has_poses
from cinet_core.data.rgbd_sequence import RgbdSequence
from cinet_core.data.scannet import ScanNet
from cinet_core.data.scene_dataset import SceneDataset, Split
from cinet_core.data.sun_rgbd import SunRgbd
from cinet_core.data.tum_rgbd import IMAGE_LIST, TumRgbd
from cinet_core.label_sets import LabelSet, get_label_set

__all__ = [
    "DATASETS",
    "SYNTHETIC_ROOMS",
    "kind_at",
    "open_dataset",
    "open_for_network",
    "open_posed_dataset",
    "resolved_kind",
]

READERS: Mapping[str, Callable[..., SceneDataset]] = {
    "nyu_depth_v2": NyuDepthV2,
    "sun_rgbd": SunRgbd,
    "folder": FolderDataset,
    "recording": Recording,
    "rgbd_sequence": RgbdSequence,
    "tum_rgbd": TumRgbd,
    "scannet": ScanNet,
    "hypersim": Hypersim,
    "arkit_scenes": ArkitScenes,
}
"""To add a data set, subclass SceneDataset and name it here."""

SYNTHETIC_ROOMS = "synthetic_rooms"
"""Kind of the rooms that are made as they are asked for, without end."""

DATASETS = (*READERS, SYNTHETIC_ROOMS)
"""What `open_dataset` knows by name."""

# Files and folders that only the layout of one kind has, at its root.
_MARKS: Mapping[str, tuple[str, ...]] = {
    "sun_rgbd": ("SUNRGBDtoolbox",),
    "tum_rgbd": (IMAGE_LIST,),
    "scannet": ("scene????_??/color", "intrinsic/intrinsic_color.txt", "intrinsics_color.txt"),
    "hypersim": ("ai_???_???/images", "images/scene_cam_??_final_preview"),
    "arkit_scenes": (
        "lowres_wide",
        "????????/lowres_wide",
        "Training/*/lowres_wide",
        "Validation/*/lowres_wide",
        "Training/*/*_frames/lowres_wide",
        "Validation/*/*_frames/lowres_wide",
    ),
}
_POSED = "recording, rgbd_sequence (7-Scenes, 3DMatch), tum_rgbd, scannet, hypersim, arkit_scenes"
_LABEL_SET_OPTIONS = ("label_set", "source_label_set")


def open_dataset(root: Path | str, split: Split = "train", kind: str = "auto", **options: Any) -> SceneDataset:
    """Open a split of the data set at a path.

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
    kind = resolved_kind(root, kind)
    dataset = _dataset_class(kind)
    known = [name for name in inspect.signature(dataset).parameters if name not in ("root", "split")]
    for name in options:
        if name not in known:
            raise ValueError(f"{kind!r} has no option {name!r}: it has {', '.join(known)}")
    for name in _LABEL_SET_OPTIONS:
        if isinstance(options.get(name), str):
            options[name] = get_label_set(options[name])
    _check_types(kind, dataset, options)
    return dataset(Path(root).expanduser(), split, **options)


def open_posed_dataset(root: Path | str, kind: str = "auto", options: Mapping[str, Any] | None = None) -> PosedDataset:
    """Open all frames of one recording with poses.

    Args:
        root: its folder: of a folder with several scans, the folder of one.
        kind: a name of `DATASETS`; "auto" goes by what lies there, and takes what is unmistakable for nothing else for
            a sequence as 7-Scenes and 3DMatch have it.
        options: of the data set's class, for example color_focal of `RgbdSequence`.

    Raises:
        SourceError: there is nothing that can be read, or several recordings, each with a world of its own.
        ValueError: the kind has no poses or does not exist, or an option does not exist or has a wrong value.
    """
    if kind == "auto" and not Path(root).expanduser().is_dir():
        raise SourceError(root, "there is no such folder", "give the folder of a recording with poses")
    found = resolved_kind(root, kind)
    if kind == "auto" and found == "folder":
        found = "recording" if has_poses(Path(root).expanduser()) else "rgbd_sequence"
    dataset = open_dataset(root, "all", found, **dict(options or {}))
    if not isinstance(dataset, PosedDataset):
        raise ValueError(f"{root} is of kind {found!r}, which has no poses: give one of {_POSED}")
    worlds = sorted({dataset.world(index) for index in range(len(dataset))})
    if len(worlds) > 1:
        reason = f"it holds {len(worlds)} recordings, each with a world of its own: {', '.join(worlds[:3])}"
        raise SourceError(root, reason + (", ..." if len(worlds) > 3 else ""), "give the folder of one of them")
    return dataset


def open_for_network(
    root: Path | str, split: Split, kind: str, options: Mapping[str, Any], label_set: LabelSet
) -> SceneDataset:
    """Open a split with its labels mapped to the classes of a network.

    Args:
        root, split, kind: see `open_dataset`.
        options: keyword arguments of the data set's class.
        label_set: of the network.

    Raises:
        SourceError, ValueError: as `open_dataset`; or the options decide what the network decides.
    """
    if "label_set" in options:
        raise ValueError(f"option label_set: the checkpoint decides it, {label_set.name!r}; leave it out")
    return open_dataset(root, split, kind, **options, label_set=label_set)


def resolved_kind(root: Path | str, kind: str = "auto") -> str:
    """Name in DATASETS of what `open_dataset` opens, given the same.

    Raises:
        SourceError: there is nothing that can be read.
        ValueError: the kind does not exist.
    """
    if kind == "auto":
        return SYNTHETIC_ROOMS if str(root) == SYNTHETIC else kind_at(Path(root).expanduser())
    if kind not in DATASETS:
        raise ValueError(f"there is no data set {kind!r}: choose one of auto, {', '.join(DATASETS)}")
    return kind


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
        refuse_bag(path)
        raise SourceError(path, "this file is no data set", "give the data set's folder, or NYU's .mat file")
    marked = (kind for kind, marks in _MARKS.items() if any(next(path.glob(mark), None) for mark in marks))
    return next(marked, "folder")


def _dataset_class(kind: str) -> Callable[..., SceneDataset]:
    if kind != SYNTHETIC_ROOMS:
        return READERS[kind]
    # The generator stands on this room, so it is imported for who asks for its rooms, and for nobody else.
    from cinet_core.rooms.raycast.scenes import SyntheticScenes

    return SyntheticScenes


def _check_types(kind: str, dataset: Callable[..., SceneDataset], options: Mapping[str, Any]) -> None:
    """Raise ValueError where a value, of a command line or a file, is of another type than the option."""
    written, evaluated = (inspect.signature(dataset, eval_str=eval_str).parameters for eval_str in (False, True))
    for name, value in options.items():
        if not _fits(value, evaluated[name].annotation):
            raise ValueError(f"option {name} of {kind!r} is {value!r}: it must be of type {written[name].annotation}")


def _fits(value: Any, hint: Any) -> bool:
    """A value is of a type. What is a choice of values is for the data set itself to tell."""
    origin = typing.get_origin(hint) or hint
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if origin is typing.Literal:
        return True
    if origin in (int, float):
        return isinstance(value, numbers.Integral if origin is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, origin)
