"""What one worker of the loader makes in a second: training samples of a decoded image, depth and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import cv2
import torch
from torchvision.transforms.v2 import functional as TF

from cinet_core.data import transforms
from cinet_core.data.augmentation import Augmentation
from cinet_core.data.sample import Sample
from cinet_core.data.transforms import TrainingTransform
from cinet_core.rooms.demo.room import SyntheticRoom
from scripts.benchmarks.rows import Row, ratios
from scripts.benchmarks.run import BenchmarkRun
from scripts.benchmarks.timing import take_turns

OURS, TORCHVISION, NONE = "hue by OpenCV in float32", "hue by torchvision", "no hue"


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """Samples a second by one worker, single-threaded as it is, with the hue shifted in each way; taken in turns."""
    if run.device.type != "cpu":
        run.notes.append("loading: workers run on the CPU; measure them there")
        return
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        yield from _samples_per_second(run)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def _samples_per_second(run: BenchmarkRun) -> Iterator[Row]:
    height, width = run.budget.image_size
    run.say(f"training samples of {width}x{height}")
    sample = _sample(width, height)
    seconds = take_turns(
        {
            TORCHVISION: _work(sample, Augmentation(), TF.adjust_hue),
            OURS: _work(sample, Augmentation(), transforms.shift_hue),
            NONE: _work(sample, dataclasses.replace(Augmentation(), hue=0.0), transforms.shift_hue),
        },
        run.budget,
    )
    size = (height, width)
    for name, taken in seconds.items():
        yield Row.of("training samples of a worker", name, "1/s", [1 / second for second in taken], size)
    yield Row.of(f"{TORCHVISION} / this", OURS, "x", ratios(seconds[TORCHVISION], seconds[OURS]), size)


def _work(sample: Sample, augmentation: Augmentation, shift: Any) -> Callable[[], object]:
    """Makes one training sample, every time another, the same for each way to shift the hue."""
    height, width = sample.image.shape[-2:]
    transform = TrainingTransform(width, height, augmentation=augmentation)
    epoch = 0

    def work() -> object:
        nonlocal epoch
        epoch += 1
        with mock.patch.object(transforms, "shift_hue", shift):
            return transform(sample, epoch)

    return work


def _sample(width: int, height: int) -> Sample:
    room = SyntheticRoom(seed=0, width=width, height=height)
    frame = room.render(0)
    return Sample(
        name="room",
        image=torch.from_numpy(frame.image).permute(2, 0, 1).contiguous(),
        depth=torch.from_numpy(frame.depth),
        labels=torch.from_numpy(frame.labels),
        intrinsics=room.intrinsics,
    )
