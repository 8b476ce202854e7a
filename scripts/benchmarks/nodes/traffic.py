"""What each topic costs: bytes of a message on the wire, and processor time to build, compress and publish it.

A frame is predicted once, by the weights that ship: of the synthetic room, or of `--image`, since compressed sizes
depend on what is seen. Then the messages of each topic are made and published to a process that takes them as bytes,
one topic after another.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from cinet_core.checkpoint import DEFAULT_WEIGHTS, load_checkpoint
from cinet_core.data.image_files import read_image
from cinet_core.geometry import Intrinsics
from cinet_core.inference.predictor import Predictor
from cinet_core.label_sets import LabelSet
from cinet_core.messages.colors import LabelPainter
from cinet_core.messages.preparation import PreparedImage
from cinet_core.messages.result import Result
from cinet_core.messages.topics import COMPRESSED, CORRECTION, DOWNSAMPLED_POINTS, POINTS, topics_of
from cinet_core.model.config import DEFAULT_TASKS
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_ros.frame_messages import MESSAGE_TYPES, RosMessageBuilder
from cinet_ros.parameters import Settings
from cinet_ros.publishers import OUTPUT_QOS
from scripts.benchmarks.nodes.camera import FRAME_ID, HEIGHT, WIDTH
from scripts.benchmarks.nodes.phases import ALL
from scripts.benchmarks.nodes.processes import module_command, running
from scripts.benchmarks.rows import Row, Value, milliseconds
from scripts.benchmarks.run import BenchmarkBudget, BenchmarkRun

RATES = (5, 30)
FIELD_OF_VIEW = 62.0
# Shows a table in front and a door behind.
VIEW = 21
PREFIX = "traffic/"
# Between two messages, so that the subscriber is done with the one before.
PAUSE_SECONDS = 0.01
MATCH_SECONDS = 30.0

TOPICS = tuple(topic for topic in topics_of(DEFAULT_TASKS) if topic not in CORRECTION)
"""All but those of a correction: without one, they are the depth once more, and nothing."""
SMALL = (DOWNSAMPLED_POINTS, *(topic for topic in COMPRESSED if topic in TOPICS), "depth_registered/camera_info")
"""What holds a frame for a recording or a radio link: every image, the cloud, and one calibration."""


@dataclass(frozen=True)
class TopicCost:
    """Of the messages of a topic.

    Attributes:
        length: bytes of one on the wire.
        build: processor seconds of each run to build it, and to compress it.
        publish: likewise, to serialise and send it to one subscriber.
    """

    length: int
    build: Sequence[float]
    publish: Sequence[float]

    @property
    def whole(self) -> list[float]:
        """Processor seconds of each run."""
        return [build + publish for build, publish in zip(self.build, self.publish, strict=True)]

    @classmethod
    def total(cls, costs: Sequence[TopicCost]) -> TopicCost:
        """Of one message of each topic, by the medians."""
        build = sum(statistics.median(cost.build) for cost in costs)
        publish = sum(statistics.median(cost.publish) for cost in costs)
        return cls(sum(cost.length for cost in costs), [build], [publish])

    def row(self, topic: str, size: tuple[int, int], of: TopicCost | None = None) -> Row:
        """The row of a topic.

        Args:
            topic: its name.
            size: (height, width) of the frame.
            of: the topic that says the same in more bytes; None: there is none.
        """
        beside: dict[str, Value] = {"kB a frame": self.length / 1000}
        if of is not None:
            beside["of the whole [%]"] = 100 * self.length / of.length
        beside |= {f"MB/s at {rate} Hz": self.length * rate / 1e6 for rate in RATES}
        beside["build and compress [ms]"] = 1000 * statistics.median(self.build)
        beside["publish [ms]"] = 1000 * statistics.median(self.publish)
        return Row.of("processor time a frame", topic, "ms", milliseconds(self.whole), size, beside)


def measure(run: BenchmarkRun) -> Iterator[Row]:
    """A row a topic, and the sums of those that hold everything and of those that are small."""
    run.say("a frame for the traffic")
    result, label_set = example_frame(run.image)
    with tempfile.TemporaryDirectory(dir=run.scratch) as folder:
        command = module_command("scripts.benchmarks.nodes.subscriber", prefix=PREFIX, topics=",".join(TOPICS))
        with running("subscriber", command, Path(folder), "listening"):
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
            node = Node("traffic")
            try:
                yield from topic_rows(node, result, label_set, run)
            finally:
                node.destroy_node()
                rclpy.try_shutdown()


def example_frame(image: Path | None) -> tuple[Result, LabelSet]:
    """An image as the network sees it, in PyTorch on the CPU, and what its labels mean.

    Args:
        image: file of an image, taken for one of 62 degrees; None: the synthetic room.
    """
    room = SyntheticRoom(width=WIDTH, height=HEIGHT, horizontal_fov_deg=FIELD_OF_VIEW)
    rgb = room.render(VIEW).image if image is None else read_image(image).rgb
    intrinsics = Intrinsics.from_fov(rgb.shape[1], rgb.shape[0], FIELD_OF_VIEW)
    predictor = Predictor(load_checkpoint(DEFAULT_WEIGHTS), "cpu")
    painter = LabelPainter(predictor.label_set.palette)
    prediction = predictor.predict(rgb, intrinsics)
    prepared = PreparedImage(Image(header=Header(frame_id=FRAME_ID)), rgb)
    result = Result.of(prediction, prepared, painter, Settings())
    return result, predictor.label_set


def topic_rows(node: Node, result: Result, label_set: LabelSet, run: BenchmarkRun) -> Iterator[Row]:
    """Rows of all topics of a frame; somebody has to subscribe to all below `PREFIX`.

    Raises:
        RuntimeError: nobody does.
    """
    messages, settings = RosMessageBuilder(label_set), Settings()
    costs = {}
    for topic in TOPICS:
        run.say(f"traffic of {topic}")
        costs[topic] = _cost(node, topic, functools.partial(messages.build, topic, result, settings), run.budget)
    whole = {topic: plain for topic, (plain, _) in COMPRESSED.items()} | {DOWNSAMPLED_POINTS: POINTS}
    size = (result.depth.shape[0], result.depth.shape[1])
    for topic, cost in costs.items():
        yield cost.row(topic, size, costs.get(whole.get(topic, "")))
    everything, small = (TopicCost.total([costs[topic] for topic in topics]) for topics in (ALL, SMALL))
    yield everything.row("together: all that hold everything", size)
    yield small.row("together: compressed, downsampled, a camera_info", size, everything)


def _cost(node: Node, topic: str, build: Callable[[], Any], budget: BenchmarkBudget) -> TopicCost:
    publisher = node.create_publisher(MESSAGE_TYPES[topic], PREFIX + topic, OUTPUT_QOS)
    deadline = time.monotonic() + MATCH_SECONDS
    while publisher.get_subscription_count() == 0:
        if time.monotonic() > deadline:
            raise RuntimeError(f"nobody subscribes to {PREFIX}{topic}: the subscriber's process is not found")
        time.sleep(PAUSE_SECONDS)
    builds, publishes = [], []
    for _ in range(budget.warm_up + budget.most):
        begun = time.process_time()
        message = build()
        built = time.process_time()
        publisher.publish(message)
        publishes.append(time.process_time() - built)
        builds.append(built - begun)
        time.sleep(PAUSE_SECONDS)
    node.destroy_publisher(publisher)
    return TopicCost(len(serialize_message(message)), builds[budget.warm_up :], publishes[budget.warm_up :])
