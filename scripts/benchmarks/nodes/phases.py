"""Phases of a measurement: which topics are subscribed to, and for how long."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cinet_core.messages.topics import FULL, STATS, topics_of
from cinet_core.model.config import DEFAULT_TASKS

# Of the weights that ship, and as before there were compressed forms, which `traffic` measures.
ALL = tuple(topic for topic in FULL if topic in topics_of(DEFAULT_TASKS))
PAIR = ("depth_registered/image_rect", "semantic/image_raw")
ALL_NAME, PAIR_NAME = "all topics", "depth + labels"
# Topics below this name come from the publisher of ready messages.
FLOOR = "floor/"
# At least, of the phase of a single topic: a dozen frames.
SINGLE_SECONDS = 2.0


@dataclass(frozen=True)
class Phase:
    """What a listener takes for some seconds.

    Attributes:
        name: phases of one name are one row.
        topics: relative names; of the node, or below `FLOOR`.
        seconds: that count, once all topics have come.
        stats: the node's statistics, too; alone they make it do nothing.
    """

    name: str
    topics: tuple[str, ...]
    seconds: float
    stats: bool = True

    @property
    def expected(self) -> tuple[str, ...]:
        """Topics that have to come."""
        return (*self.topics, STATS) if self.stats else self.topics


def floor_of(phase: Phase) -> Phase:
    """The same topics from the publisher of ready messages, while the node has nothing to do."""
    topics = tuple(FLOOR + topic for topic in phase.topics)
    return Phase(floor_name(phase.name), topics, phase.seconds, stats=False)


def floor_name(name: str) -> str:
    """What the floor of a phase is called."""
    return f"{name}, floor"


def planned(seconds: float) -> list[Phase]:
    """All phases but the first and the last: the two that are compared with their floors twice, to see a drift.

    Args:
        seconds: of a phase; those of single topics take a quarter, and two seconds at least.
    """
    compared = [Phase(ALL_NAME, ALL, seconds), Phase(PAIR_NAME, PAIR, seconds)]
    pairs = [each for phase in compared for each in (phase, floor_of(phase))]
    single = [Phase(topic, (topic,), max(SINGLE_SECONDS, seconds / 4)) for topic in ALL]
    return [*pairs, *single, *pairs]


def write_phases(path: Path, phases: Sequence[Phase]) -> None:
    """As JSON, for the listener's process."""
    path.write_text(json.dumps([dataclasses.asdict(phase) for phase in phases]), encoding="utf-8")


def read_phases(path: Path) -> list[Phase]:
    """Inverse of `write_phases`."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return [Phase(**{**value, "topics": tuple(value["topics"])}) for value in values]
