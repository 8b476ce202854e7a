"""Asks teachers about frames: several at a time, each on one thread, where the teachers are small networks on a CPU.

Threads that share the operations of one image wait for each other hundreds of times an image, with the processor in
their hands. Where another program has one of the cores, that costs ten times what the operations do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
import torch

from cinet_core.geometry import Intrinsics
from cinet_core.labelling.settings import LabelSettings
from cinet_core.labelling.store import Arrays
from cinet_core.labelling.teacher import Bytes, Teacher, averaged, vote
from cinet_core.threads import threads

__all__ = ["MOST_AT_ONCE", "answers_of", "at_once", "in_order"]

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_AT_ONCE = 8
"""Frames that are in work at a time, however many cores there are: a larger network takes a gigabyte for each."""


def at_once(teachers: Sequence[Teacher]) -> int:
    """How many frames to ask these teachers about at a time: one for each thread that this process has."""
    return min(threads(), MOST_AT_ONCE) if all(teacher.concurrent for teacher in teachers) else 1


def in_order(
    items: Iterable[Item], work: Callable[[Item], Result], workers: int
) -> Generator[tuple[Item, Result], None, None]:  # fmt: skip
    """Each item with what `work` makes of it, in their order; `items` is iterated by the caller's thread.

    Args:
        items: to be worked on.
        work: called on `workers` threads at a time, on each of which PyTorch then has one thread; what it raises is
            raised here. One worker is the caller's own thread, whose number of threads stays.
        workers: at least 1.
    """
    if workers == 1:
        for item in items:
            yield item, work(item)
        return
    before = torch.get_num_threads()
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(workers, "asking", torch.set_num_threads, (1,))
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > workers:
                first, answer = waiting.popleft()
                yield first, answer.result()
        for first, answer in waiting:
            yield first, answer.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # threads that are made later have it from the last call


def answers_of(
    teachers: Sequence[Teacher],
    depth: Teacher | None,
    reference: Teacher | None,
    image: Bytes,
    camera: Intrinsics,
    settings: LabelSettings,
) -> Arrays:
    """All teachers' answers to an image, as they are stored.

    Args:
        teachers: to be asked.
        depth: the one of them whose depth counts.
        reference: the one whose metric depth a relative one may be fitted to.
        image: (H, W, 3) uint8 RGB.
        camera: of the image.
        settings: see there.

    Returns:
        (H, W) arrays: "grey"; as far as there are any, "depth" with its "spread" over several calls and the teacher's
        own "sigma", "reference", and "labels" with their "confidence" as 0 to 255.
    """
    arrays: Arrays = {"grey": cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)}
    labels, confidences = [], []
    for teacher in teachers:
        answer = averaged(teacher, image, camera, settings.flip, settings.scales)
        if teacher is depth and answer.depth is not None:
            arrays["depth"] = answer.depth
            arrays |= {
                name: values
                for name, values in (("spread", answer.spread), ("sigma", answer.sigma))
                if values is not None
            }
        if teacher is reference and answer.depth is not None:
            arrays["reference"] = answer.depth
        if answer.labels is not None and answer.confidence is not None:
            labels.append(answer.labels)
            confidences.append(answer.confidence)
    if labels:
        together, sure = (labels[0], confidences[0]) if len(labels) == 1 else vote(labels, confidences)
        arrays["labels"], arrays["confidence"] = together, np.rint(sure * 255).astype(np.uint8)
    return arrays
