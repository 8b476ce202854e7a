"""What a task is to everybody who does not train it: its outputs, metrics, topics, files and images. No PyTorch.

A task is two objects: a `TaskSpec`, here and in one file a task beside this one, and a `TaskLearning`
(`cinet_core.tasks.learning`), which trains and deploys it.

Launch files read the topics of the tasks in the system's Python, where there may be no OpenCV: what needs it imports it
where it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cinet_core.label_sets import LabelSet
    from cinet_core.messages.encoding import ImageBuffer
    from cinet_core.messages.frame import OutputSettings, Result

__all__ = [
    "COMPRESSED_DEPTH",
    "JPEG",
    "PNG",
    "Array",
    "HeadSpec",
    "ImageFile",
    "ImageTopic",
    "MetricSpec",
    "OutputSpec",
    "Outputs",
    "RenderSettings",
    "TaskSpec",
    "Tile",
]

Array = npt.NDArray[Any]
Outputs = Mapping[str, Array]

JPEG, PNG, COMPRESSED_DEPTH = "jpeg", "png", "compressedDepth"
"""Codecs of compressed image topics, as compressed_image_transport and compressed_depth_image_transport name them."""


@dataclass(frozen=True)
class OutputSpec:
    """One output of the deployable graph: an array (B, h, w), or (B, h, w, channels), at the output size.

    Attributes:
        name: of the output, in the graph, in ONNX files and in `Prediction.outputs`; unique over all tasks.
        dtype: name of its NumPy type, "float32" or "uint8".
        invalid: value of a pixel that holds no prediction.
        description: what the values mean, with their range, in one sentence.
        unit: of the values; empty where they have none.
        channels: size of the last axis; 0 = there is no such axis.
        resize: how the network's answer is brought to the output size.
        agreement: how the answers of two backends are compared before one is taken: "relative" difference of positive
            numbers, share of "equal" ids, "absolute" difference of numbers from -1 to 1 (bytes are divided by 255), or
            not at all ("ignored", for what follows from another output).
    """

    name: str
    dtype: Literal["float32", "uint8"]
    invalid: float
    description: str
    unit: str = ""
    channels: int = 0
    resize: Literal["bilinear", "nearest"] = "nearest"
    agreement: Literal["relative", "equal", "absolute", "ignored"] = "ignored"


@dataclass(frozen=True)
class MetricSpec:
    """A metric of a task as reports print it.

    Attributes:
        name: key of the value among those that `TaskLearning`'s metrics compute; unique over all tasks.
        heading: of its column.
        better: 1 where more is better, -1 where less is.
        percent: the value is a share, 0 to 1, that is printed in per cent.
        unit: of the value where it is not a share; empty where it has none.
        headline: it has a column in the tables of an ablation, where rows are compared by it.
    """

    name: str
    heading: str
    better: Literal[1, -1]
    percent: bool = False
    unit: str = ""
    headline: bool = False


@dataclass(frozen=True)
class ImageTopic:
    """An image topic that is published of every frame.

    Attributes:
        name: of the topic, without prefix.
        encoding: of the image, one of those of `messages.encoding`, or what gives it for the current settings.
        fill: writes the image: called with the `ImageBuffer` of that encoding, the `Result` of the frame, the settings
            and the label set of the network. It sets pixels and header, for example by
            `buffer.fill(result["labels"], result.header)`.
        codec: of its compressed form: `JPEG`, `PNG` or `COMPRESSED_DEPTH`; None = it has no such form.
    """

    name: str
    encoding: str | Callable[[OutputSettings], str]
    fill: Callable[[ImageBuffer, Result, OutputSettings, LabelSet], object]
    codec: str | None = None


@dataclass(frozen=True)
class ImageFile:
    """A PNG file that `Prediction.save` writes.

    Attributes:
        kind: what it is called: the file is NAME_<kind>.png.
        image: makes of the outputs of one image what is stored: (H, W) uint8 or uint16, or (H, W, 3) of these as RGB.
        description: what the pixels are, for the documentation.
    """

    kind: str
    image: Callable[[Outputs], Array]
    description: str


@dataclass(frozen=True)
class RenderSettings:
    """How a task draws its outputs for a panel.

    Attributes:
        image: (h, w, 3) uint8 RGB, the camera's image at the size to draw at.
        label_set: what class ids mean.
        height: pixels that a tile may be high; at least h.
        depth_range: metres where the colours of depth start and end; None = chosen from the depth.
    """

    image: npt.NDArray[np.uint8]
    label_set: LabelSet
    height: int
    depth_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Tile:
    """A titled part of a panel.

    Attributes:
        title: a line of text above it.
        images: (h, w, 3) uint8 RGB each, drawn side by side: an image, then its scale or legend.
    """

    title: str
    images: tuple[npt.NDArray[np.uint8], ...]


@dataclass(frozen=True)
class HeadSpec:
    """The head of a task beyond depth and segmentation: a 1x1 convolution of decoder features at the input's size.

    Attributes:
        features: which decoder it reads: "depth", "semantic", or "both", one after the other.
        channels: of its raw output.
        bias: initial bias of each channel, so that training starts from a sensible answer; empty = zeros.
    """

    features: Literal["depth", "semantic", "both"]
    channels: int
    bias: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError unless there is one bias for each channel, or none at all."""
        if self.channels < 1 or len(self.bias) not in (0, self.channels):
            raise ValueError(f"a head of {self.channels} channels has {len(self.bias)} biases: give one each, or none")


@dataclass(frozen=True)
class TaskSpec:
    """A task as all rooms but training see it.

    Attributes:
        name: identifier, as in `ModelConfig.tasks`.
        title: for headings.
        outputs: of the deployable graph, in their order there.
        metrics: in the order of their columns.
        topics: of every frame, in the order of publishing.
        files: that `Prediction.save` writes.
        render: draws the outputs of one image as tiles of a panel.
        adjust: applies the settings of the node to the outputs of one image, in place; None = there are none.
        head: of `CINet.task_heads`; None for depth and segmentation, whose heads the network has by name.
        finish: `TaskLearning.finish` for one image in NumPy, for machines without PyTorch: called with the outputs,
            which it may change, and the depth range in metres; None = nothing remains to be done at the output size.
    """

    name: str
    title: str
    outputs: tuple[OutputSpec, ...]
    metrics: tuple[MetricSpec, ...]
    topics: tuple[ImageTopic, ...]
    files: tuple[ImageFile, ...]
    render: Callable[[Outputs, RenderSettings], list[Tile]]
    adjust: Callable[[dict[str, Array], OutputSettings], None] | None = None
    head: HeadSpec | None = None
    finish: Callable[[dict[str, Array], tuple[float, float]], dict[str, Array]] | None = None
