"""Two renderings of a view: its light, denoised, and the depth and label of every pixel's centre."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy  # type: ignore[import-not-found]
import numpy as np
import numpy.typing as npt
import OpenEXR  # type: ignore[import-not-found]

FARTHEST = 60.0
"""Metres; beyond lies the sky."""


def prepare(width: int, height: int, samples: int, threads: int) -> None:
    """Settings of the scene that all views share."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    settings = scene.render.image_settings
    settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
    layer = bpy.context.view_layer
    layer.use_pass_z = layer.use_pass_material_index = True
    layer.pass_alpha_threshold = 0.0
    cycles = scene.cycles
    cycles.device, cycles.samples = "CPU", samples
    cycles.use_adaptive_sampling = False
    cycles.use_light_tree = False  # a room has few lamps: the tree takes a quarter more time
    cycles.denoiser, cycles.denoising_input_passes = "OPENIMAGEDENOISE", "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter, cycles.denoising_quality = "FAST", "FAST"
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 8.0
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"


def trace_light(samples: int, seed: int, folder: Path) -> npt.NDArray[np.float32]:
    """(H, W, 3) linear RGB light of the scene's camera."""
    scene = bpy.context.scene
    cycles = scene.cycles
    cycles.samples, cycles.use_denoising, cycles.filter_width, cycles.seed = samples, True, 1.5, seed
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 7, 4, 3
    cycles.transmission_bounces, cycles.transparent_max_bounces = 4, 12
    return _render(folder)["Combined"][..., :3]


def trace_surface(folder: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """(H, W) depth along z in metres, 0 for the sky, and (H, W) labels, at the pixels' centres."""
    cycles = bpy.context.scene.cycles
    cycles.samples, cycles.use_denoising, cycles.filter_width, cycles.seed = 1, False, 0.01, 0
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = cycles.transmission_bounces = 0
    passes = _render(folder)
    depth = np.squeeze(passes["Depth"]).astype(np.float32)
    labels = np.squeeze(passes["Material Index"])
    sky = ~np.isfinite(depth) | (depth > FARTHEST)
    depth[sky] = 0.0
    labels = np.where(sky, 0, np.rint(labels)).astype(np.uint8)
    return depth, labels


def _render(folder: Path) -> dict[str, Any]:
    """Pixels of every pass by its name."""
    path = folder / "view.exr"
    # without this Cycles keeps an earlier rendering's number of samples
    bpy.context.scene.update_tag()
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    passes: dict[str, Any] = {}
    with OpenEXR.File(str(path), separate_channels=False) as file:
        # Blender 5 writes one part a pass
        for part in file.parts:
            for name, channel in part.channels.items():
                passes[_pass_name(part.header.get("name", ""), name)] = np.array(channel.pixels)
    return passes


def _pass_name(part: str, channel: str) -> str:
    """The pass of a part called "ViewLayer.Depth" whose channel is called "ViewLayer.Depth.Z", or "Z"."""
    for name in ("Combined", "Depth", "Material Index", "IndexMA"):
        if name in part or name in channel:
            return "Material Index" if name == "IndexMA" else name
    return f"{part}/{channel}"
