"""From a RoomPlan to traced views."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy  # type: ignore[import-not-found]
import mathutils  # type: ignore[import-not-found]
import numpy as np

from cinet_core.rooms.pathtraced.blender import passes, scene
from cinet_core.rooms.pathtraced.blender.models import Models
from cinet_core.rooms.pathtraced.plan import PlannedView, RoomPlan
from cinet_core.rooms.pathtraced.views import ViewPreview, choose_views, choose_wide_views

GRID = (20, 15)
"""Rays of a glance."""


class Studio:
    """Builds one room after the other in this process's Blender.

    Args:
        folder: for what is traced.
        threads: of the renderer.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        """Start with an empty scene."""
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._folder, self._threads = folder, threads
        self._models = Models()

    def photograph(self, plan: RoomPlan) -> list[dict[str, Any]]:
        """Build the plan's room, choose views and trace them; returns a file and a number for each view."""
        scene.clear()
        began = time.process_time()
        scene.build(plan, self._models)
        passes.prepare(plan.width, plan.height, plan.samples, self._threads)
        seen = [preview(view, plan) for view in plan.views]
        chosen = choose_wide_views(seen, plan.count, plan.room) if plan.wide else choose_views(seen, plan.count)
        built = time.process_time()
        files = []
        for number in chosen:
            scene.camera_of(plan.views[number], plan.width, plan.height)
            light = passes.trace_light(plan.samples, plan.room % 2**31, self._folder)
            depth, labels = passes.trace_surface(self._folder)
            path = self._folder / f"{plan.room}_{number}.npz"
            np.savez(path, light=light, depth=depth, labels=labels)
            files.append({"view": number, "file": str(path)})
        took = (time.process_time() - built) / max(1, len(chosen))
        print(f"room {plan.room}: built in {built - began:.1f} CPU s, {took:.1f} CPU s a view")
        return files


def preview(view: PlannedView, plan: RoomPlan) -> ViewPreview:
    """Cast a coarse grid of rays through a view."""
    graph = bpy.context.evaluated_depsgraph_get()
    pose = np.array(view.pose)
    x = (np.arange(GRID[0]) + 0.5) * plan.width / GRID[0] - 0.5
    y = (np.arange(GRID[1]) + 0.5) * plan.height / GRID[1] - 0.5
    u, v = np.meshgrid((x - view.cx) / view.fx, (y - view.cy) / view.fx)
    rays = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], axis=1) @ pose[:3, :3].T
    origin = mathutils.Vector(pose[:3, 3])
    depth, points = np.zeros(len(rays)), np.zeros((len(rays), 3))
    labels, things = np.zeros(len(rays), dtype=np.int64), np.zeros(len(rays), dtype=np.int64)
    numbers: dict[str, int] = {}
    for number, ray in enumerate(rays):
        hit, where, _, _, item, _ = bpy.context.scene.ray_cast(graph, origin, mathutils.Vector(ray).normalized())
        if hit:
            points[number] = where
            depth[number] = (points[number] - pose[:3, 3]) @ pose[:3, 2]
            labels[number] = item.get(scene.LABEL, 0)
            things[number] = numbers.setdefault(item.name, len(numbers))
    return ViewPreview(depth, points, labels, things)
