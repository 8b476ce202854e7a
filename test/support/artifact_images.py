"""Images that artefacts of cheap cameras are measured on."""

from __future__ import annotations

import numpy as np
import torch

from cinet_core.data.camera_pipeline import linear_light
from cinet_core.data.sample import Sample
from cinet_core.rooms.demo.room import SyntheticRoom

HEIGHT, WIDTH = 120, 160


def grey(value: int) -> torch.Tensor:
    return torch.full((3, HEIGHT, WIDTH), value, dtype=torch.uint8)


def edge(low: int = 60, high: int = 180) -> torch.Tensor:
    image = grey(low)
    image[:, :, WIDTH // 2 :] = high
    return image


def light(image: torch.Tensor) -> np.ndarray:
    """(H, W, 3) linear light, float64 for statistics."""
    return linear_light(np.ascontiguousarray(image.permute(1, 2, 0).numpy())).astype(np.float64)


def high_frequencies(image: torch.Tensor) -> float:
    spectrum = torch.fft.fft2(image.float().mean(0)).abs() ** 2
    rows, columns = torch.fft.fftfreq(HEIGHT).abs()[:, None], torch.fft.fftfreq(WIDTH).abs()
    return float(spectrum[torch.maximum(rows, columns) > 0.25].sum())


def rendered_room() -> Sample:
    """An image with its depth, labels and camera."""
    room = SyntheticRoom(seed=3, width=WIDTH, height=HEIGHT)
    frame = room.render(5)
    return Sample(
        "room",
        torch.from_numpy(frame.image).permute(2, 0, 1).contiguous(),
        torch.from_numpy(frame.depth),
        torch.from_numpy(frame.labels),
        room.intrinsics,
    )
