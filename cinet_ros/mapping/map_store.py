"""Owns the map of the node: creates it once the classes are known, loads, saves and resets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinet_core.label_sets import LabelSet
from cinet_core.mapping.semantic_map import SemanticMap
from cinet_core.open3d_loading import load_open3d
from cinet_ros.mapping.map_objects import MapObjects
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.ros_home import in_ros_home

MEBIBYTE = 2**20


class FrameNotFusedError(Exception):
    """A frame cannot be fused into the map.

    Attributes:
        reason: one word, for counts.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class MapStore:
    """Owns the map. It must be used from the worker's thread, except for `announce` and the attributes.

    Args:
        settings: of the node.
        label_set: of the frames, where it is known beforehand.

    Attributes:
        map: None before there is one.
        changes: counts what changes the map.
        published: what `changes` was when the map was published last.
        stamp: of the frame fused last, nanoseconds; 0 before the first.
        statistics: of the map, for diagnostics.
        correction: of the frame fused last, for diagnostics; empty where frames are not corrected.
        objects: what is remembered of objects.

    Raises:
        ValueError: the device does not exist, or ``load_path`` names no map.
        Open3DError: Open3D cannot be loaded.
        OSError: ``load_path`` cannot be read.
    """

    def __init__(self, settings: MappingSettings, label_set: LabelSet | None) -> None:
        _require_device(settings.device)
        self.map: SemanticMap | None = None
        self.changes = self.published = 0
        self.stamp = 0
        self.statistics: Mapping[str, Any] = {}
        self.correction: Mapping[str, Any] = {}
        self.objects = MapObjects()
        self._settings = settings
        self._retired = in_ros_home(settings.retired_path) if settings.retired_path else None
        self._announced = label_set

    @property
    def label_set(self) -> LabelSet | None:
        """Of the frames; None where it is not known yet. Thread-safe."""
        return self._announced

    def renewed(self) -> MapStore:
        """Return an empty store for the same frames, to replace one in which a thread hangs."""
        return MapStore(self._settings, self._announced)

    def announce(self, label_set: LabelSet) -> None:
        """Set the classes of the frames. Thread-safe."""
        self._announced = label_set

    def load(self, path: Path) -> None:
        """Load a saved map. Voxel size, depth limit and classes are those of the file.

        Raises:
            OSError, ValueError: it cannot be read, or is none.
        """
        self.map = SemanticMap.load(path, self._settings.max_blocks, self._settings.device, self._retired)
        self._changed()

    def save(self, path: Path, progressed: Callable[[], None]) -> str:
        """Write the map, and its points beside ``path``. Each write is atomic.

        Args:
            path: without the files' endings.
            progressed: as `SemanticMap.save` calls it.

        Returns:
            What was written where.

        Raises:
            OSError: a file cannot be written.
            ValueError: there is nothing to write, or no such folder.
        """
        if not path.parent.is_dir():
            raise ValueError(f"{path.parent.absolute()} is no folder: make it, or set save_path to a path in another")
        if self.map is None or not self.map.blocks:
            raise ValueError("the map is empty: nothing is written")
        whole, points = (path.absolute().with_name(path.name + suffix) for suffix in (".npz", ".ply"))
        self.map.save(whole, progressed)
        progressed()
        count = self.map.write_ply(points, self._settings.min_weight)
        if not count:
            return f"the map in {whole}; no points, since no voxel was seen more than min_weight times"
        return f"the map in {whole}, {count} points in {points}"

    def reset(self) -> None:
        """Clear the map. Its classes are those announced last."""
        self.map, self.stamp = None, 0
        self.objects.clear()
        self._changed()

    def for_frame(self) -> SemanticMap:
        """Return the map for the next frame.

        Raises:
            FrameNotFusedError: its classes are not known, or not those of the map.
        """
        label_set = self._announced
        if label_set is None:
            raise FrameNotFusedError(
                "waiting_for_classes",
                "the classes of the labels are not known: nobody publishes semantic/classes; start the perception "
                "node, remap the topic, or set label_set",
            )
        if self.map is None:
            settings = self._settings
            self.map = SemanticMap(
                label_set,
                settings.voxel_size,
                settings.max_depth,
                settings.max_blocks,
                settings.device,
                self._retired,
            )
        if self.map.label_set.classes != label_set.classes:
            raise FrameNotFusedError(
                "other_classes",
                f"the frames have the classes of {label_set.name} but the map has those of {self.map.label_set.name}: "
                "call ~/reset to begin a new map (and ~/save before, to keep this one)",
            )
        return self.map

    def fused(self, stamp: int) -> None:
        """Record that a frame was fused."""
        self.stamp = stamp
        self._changed()

    def _changed(self) -> None:
        self.changes += 1
        if self.map is None:
            self.statistics = {"frames in the map": 0}
            return
        self.statistics = {
            "frames in the map": self.map.frames,
            "label set": f"{self.map.label_set.name}, {len(self.map.label_set.classes)} classes",
            "voxel size [m]": self.map.voxel_size,
            "blocks": f"{self.map.blocks} of {self.map.max_blocks}",
            "blocks on disk": self.map.retired_blocks,
            "blocks dropped": self.map.dropped_blocks,
            "map memory [MiB]": f"{self.map.bytes / MEBIBYTE:.1f}",
        }


def _require_device(device: str) -> None:
    """Refuse a device that Open3D does not have here."""
    kind, _, number = device.partition(":")
    there = load_open3d().core.cuda.device_count()
    if kind == "cuda" and (number or "0").isdigit() and int(number or 0) < there:
        return
    if device != "cpu":
        found = ", ".join(["cpu", *(f"cuda:{index}" for index in range(there))])
        raise ValueError(f"device = {device!r}: Open3D has {found} on this machine; choose one of them")
