"""The topics that predictions add to a bag: their names, types and quality of service, and their messages as CDR."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cinet_core.bags.definitions import OWN_PACKAGE, message_store, message_types
from cinet_core.bags.errors import BagError
from cinet_core.bags.parts import TopicToWrite
from cinet_core.correction.corrector import CorrectedFrame
from cinet_core.correction.statistics import correction_statistics
from cinet_core.inference.predictor import Predictor
from cinet_core.messages.frame import FrameMessageBuilder
from cinet_core.messages.labels import label_info_message, semantic_classes_message
from cinet_core.messages.result import Result
from cinet_core.messages.settings import OutputSettings
from cinet_core.messages.topics import FULL, STATS, TOPICS, topics_of

__all__ = ["ALL_TOPICS", "BY_DEFAULT", "Outputs"]

CLASSES, LABEL_INFO = "semantic/classes", "semantic/label_info"
ALL_TOPICS: Mapping[str, str] = {
    CLASSES: f"{OWN_PACKAGE}/msg/SemanticClasses",
    LABEL_INFO: "vision_msgs/msg/LabelInfo",
    **TOPICS,
    STATS: f"{OWN_PACKAGE}/msg/PerceptionStats",
}
"""Outputs of the perception node and their types. Only /diagnostics is left out: it tells of a node, not of a frame."""

BY_DEFAULT = (CLASSES, LABEL_INFO, *FULL, STATS)
"""Compressed images and the cloud of fewer points hold nothing that these do not: they are added by name only."""

_LATCHED = (CLASSES, LABEL_INFO)
_QUEUE = 5


class Outputs:
    """Makes the messages of a bag's camera.

    Args:
        predictor: whose results they are.
        prefix: of the topics: "/", "/front/".
        wanted: names of `ALL_TOPICS`; empty for `BY_DEFAULT`.

    Attributes:
        topics: as they are written, by their name in `ALL_TOPICS`.

    Raises:
        BagError: a topic that there is not, or not of this network's tasks.
    """

    def __init__(self, predictor: Predictor, prefix: str, wanted: Collection[str] = ()) -> None:
        unknown = [topic for topic in wanted if topic not in ALL_TOPICS]
        if unknown:
            raise BagError(f"there is no output {', '.join(unknown)}: choose of {', '.join(ALL_TOPICS)}")
        tasks = predictor.metadata.config.tasks
        foreign = TOPICS.keys() - topics_of(tasks)
        missing = [topic for topic in wanted if topic in foreign]
        if missing:
            raise BagError(f"these weights have no {', '.join(missing)}: their tasks are {', '.join(tasks)}")
        self._store = message_store()
        self._types = self._store.types
        self._predictor = predictor
        self._messages = FrameMessageBuilder(message_types(), predictor.label_set)
        self.topics = {
            topic: TopicToWrite(
                prefix + topic,
                kind,
                self._store.generate_msgdef(kind, ros_version=2)[0],
                self._store.hash_rihs01(kind),
                qos=(_quality(latched=topic in _LATCHED),),
            )
            for topic, kind in ALL_TOPICS.items()
            if topic in (wanted or BY_DEFAULT) and topic not in foreign
        }

    def latched(self) -> Iterator[tuple[TopicToWrite, memoryview]]:
        """What is published once: the classes."""
        types, label_set = self._types, self._predictor.label_set
        builders = {
            CLASSES: lambda: semantic_classes_message(
                label_set,
                types[ALL_TOPICS[CLASSES]],
                types[f"{OWN_PACKAGE}/msg/SemanticClass"],
                types["std_msgs/msg/ColorRGBA"],
            ),
            LABEL_INFO: lambda: label_info_message(
                label_set, message_types().header(), types[ALL_TOPICS[LABEL_INFO]], types["vision_msgs/msg/VisionClass"]
            ),
        }
        for name, build in builders.items():
            if name in self.topics:
                yield self.topics[name], self._store.serialize_cdr(build(), ALL_TOPICS[name])

    def of_frame(self, result: Result, settings: OutputSettings) -> Iterator[tuple[TopicToWrite, memoryview]]:
        """What is published of every frame, but for the statistics; nothing that needs a camera where it is unknown."""
        for name in TOPICS:
            if name not in self.topics:
                continue
            message = self._messages.build(name, result, settings)
            if message is not None:
                yield self.topics[name], self._store.serialize_cdr(message, ALL_TOPICS[name])

    def stats(
        self,
        header: Any,
        seconds: Mapping[str, float],
        used: int,
        dropped: int,
        corrected: CorrectedFrame | None = None,
    ) -> Iterator[tuple[TopicToWrite, memoryview]]:
        """Statistics of a frame. There is no latency and no rate where nobody waits: these are NaN.

        Args:
            header: of the image.
            seconds: by stage.
            used, dropped: frames so far, with this one.
            corrected: what was done to the frame; None where nothing was.
        """
        if STATS not in self.topics:
            return
        stage = self._types[f"{OWN_PACKAGE}/msg/StageTime"]
        predictor = self._predictor
        message = self._types[ALL_TOPICS[STATS]](
            header=header,
            latency=math.nan,
            receive_latency=sum(seconds.values()),
            stages=[stage(stage=name, seconds=value) for name, value in seconds.items()],
            frames_received=used + dropped,
            frames_used=used,
            frames_dropped=dropped,
            rate_in=math.nan,
            rate_out=math.nan,
            backend=predictor.backend_name,
            device=predictor.device,
            model=predictor.metadata.config.name,
            model_hash=predictor.model_hash,
            label_set=predictor.label_set.name,
            random_weights=predictor.metadata.random_weights,
            **correction_statistics(corrected),
            obstacles_dropped=0,
            obstacles_reason="",
        )
        yield self.topics[STATS], self._store.serialize_cdr(message, ALL_TOPICS[STATS])


def _quality(latched: bool) -> Any:
    """Quality of service as the node offers it, so that `ros2 bag play` does, too."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    unlimited = QosTime(0, 0)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if latched else _QUEUE,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=unlimited,
        lifespan=unlimited,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=unlimited,
        avoid_ros_namespace_conventions=False,
    )
