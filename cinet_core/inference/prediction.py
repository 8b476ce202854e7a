"""The prediction for one image, with helpers for points, colours, a panel of all outputs, and files."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.atomic_file import atomic_write_bytes
from cinet_core.geometry import Intrinsics, unproject, without_edges
from cinet_core.label_sets import LabelSet
from cinet_core.model_metadata import ModelMetadata
from cinet_core.tasks import TASKS, erase

# Drawing is imported where it is done: a node predicts and draws nothing.
__all__ = ["PREDICTION_FILES", "RANDOM_WARNING", "Prediction"]

_IMAGE_FILES = {file.kind: (task, file) for task in TASKS for file in task.files}
PREDICTION_FILES = ("panel", *_IMAGE_FILES, "cloud")
"""The kinds of files that `Prediction.save` can write."""

RANDOM_WARNING = "RANDOM WEIGHTS: depth and labels mean nothing"
_NAMED_CLASSES = 3


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The prediction for one image, at the output size (H, W).

    >>> depth, labels = np.full((3, 4), 2.0, np.float32), np.zeros((3, 4), np.uint8)
    >>> outputs = {"depth": depth, "labels": labels, "confidence": labels}
    >>> prediction = Prediction(outputs, Intrinsics(4.0, 4.0, 1.5, 1.0, 4, 3), {})
    >>> prediction
    <Prediction 4x3, depth 2.00 to 2.00 m, median 2.00 m>
    >>> prediction.points()[0, 0].tolist()
    [-0.75, -0.5, 2.0]

    Attributes:
        outputs: what the tasks of the network gave, by name, as `cinet_core.tasks.OutputSpec` describes it: (H, W) or
            (H, W, channels). "depth", "labels" and "confidence" are there always, and have properties.
        intrinsics: camera of these arrays; None if it was not known and f_net = f_c was assumed.
        seconds: time of each stage for the batch that the image was part of.
        image: (H', W', 3) uint8 RGB that was predicted on, upright and rectified, not a copy; None where it
            was not kept.
        metadata: metadata of the network; None if no network predicted.
    """

    outputs: Mapping[str, npt.NDArray[Any]]
    intrinsics: Intrinsics | None
    seconds: dict[str, float]
    image: npt.NDArray[np.uint8] | None = None
    metadata: ModelMetadata | None = None

    @property
    def depth(self) -> npt.NDArray[np.float32]:
        """(H, W) float32, metres along the optical axis, NaN = invalid."""
        return self.outputs["depth"]

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """(H, W) uint8 class ids; 255 = unlabelled."""
        return self.outputs["labels"]

    @property
    def confidence(self) -> npt.NDArray[np.uint8]:
        """(H, W) uint8, 0..255: probability of the label."""
        return self.outputs["confidence"]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """An output by its name, such as "depth". Raises KeyError, naming those there are, where the network has none.

        >>> Prediction({"depth": np.ones((3, 4), np.float32)}, None, {})["normals"]
        Traceback (most recent call last):
            ...
        KeyError: "this network has no output 'normals': it has depth"
        """
        if name not in self.outputs:
            raise KeyError(f"this network has no output {name!r}: it has {', '.join(self.outputs)}")
        return self.outputs[name]

    @property
    def label_set(self) -> LabelSet:
        """The label set: names, colours and groupings of the classes. Raises ValueError if `metadata` is None."""
        if self.metadata is None:
            raise ValueError("this prediction has no metadata, and so no classes: take one of Predictor")
        return self.metadata.label_set

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class. The index in the tuple is the class id."""
        return self.label_set.classes

    def class_shares(self) -> dict[str, float]:
        """The share of pixels, from 0 to 1, of each class that occurs, by class name and in descending order."""
        counts = np.bincount(self.labels.ravel(), minlength=256)
        order = np.argsort(-counts[: len(self.class_names)], kind="stable").tolist()
        return {self.class_names[label]: float(counts[label] / self.labels.size) for label in order if counts[label]}

    def within(self, valid: npt.NDArray[np.bool_] | None) -> Prediction:
        """The prediction where the image shows something, and invalid elsewhere; the same one for None.

        Invalid is NaN for depth, 255 for labels and 0 for confidence (`OutputSpec.invalid`).

        Args:
            valid: (H, W) bool, False where rectification left the image without a source.
        """
        if valid is None:
            return self
        outputs = {name: values.copy() for name, values in self.outputs.items()}
        erase(outputs, ~valid)
        return replace(self, outputs=outputs)

    def points(self, edge_filter: float = 0.0) -> npt.NDArray[np.float32]:
        """Return the 3D position of each pixel in the optical frame: x to the right, y down, z forward.

        Args:
            edge_filter: remove depth at jumps larger than this share of it, for example 0.05, where a network's
                smooth edges hang in free space; 0 keeps all.

        Returns:
            (H, W, 3) float32 metres; NaN where the depth is invalid.

        Raises:
            ValueError: the camera is unknown.
        """
        if self.intrinsics is None:
            raise ValueError(
                "the camera of this prediction is unknown, so its pixels have no position: give the predictor "
                "camera=... (intrinsics or a camera_info.yaml) or fov=... (degrees)"
            )
        return unproject(without_edges(self.depth, edge_filter), self.intrinsics)

    def colors(self) -> npt.NDArray[np.uint8]:
        """Return an (H, W, 3) uint8 RGB image with the colour of each pixel's class. Unlabelled pixels are black."""
        from cinet_core.visualize.labels import colorize_labels

        return colorize_labels(self.labels, self.label_set)

    def panel(self, caption: str | None = None) -> npt.NDArray[np.uint8]:
        """Draw one image of all outputs: input, depth, labels, overlay, and the point cloud from two sides.

        Args:
            caption: a line above the panel; for random weights it is a red warning.

        Returns:
            (h, w, 3) uint8 RGB.

        Raises:
            ValueError: the image or the classes are unknown.
        """
        from cinet_core.tasks.panel import panel

        if self.image is None:
            raise ValueError("this prediction holds no image to be shown: take one of Predictor")
        random = self.metadata is not None and self.metadata.random_weights
        if random:
            caption = RANDOM_WARNING if caption is None else f"{RANDOM_WARNING}. {caption}"
        return panel(self.image, self, self.label_set, caption, warning=random)

    def save(
        self,
        folder: str | Path,
        name: str = "prediction",
        kinds: Collection[str] = PREDICTION_FILES,
        caption: str | None = None,
    ) -> dict[str, Path]:
        """Write the prediction to files that other programs can read.

        - ``NAME_panel.png``: see `panel`.
        - ``NAME_depth.png``: 16-bit, millimetres, 0 = invalid.
        - ``NAME_labels.png``: 8-bit class ids, 255 = unlabelled.
        - those of further tasks that the network has (`TaskSpec.files`); of others nothing is written.
        - ``NAME_cloud.ply``: x y z, colour, label, confidence of each point; not written where the camera is unknown
          or no depth is valid.

        Args:
            folder: folder to write to; it is created if it does not exist.
            name: prefix of the file names.
            kinds: kinds of files to write, from `PREDICTION_FILES`.
            caption: caption of the panel.

        Returns:
            The path of each file that was written, by kind.

        Raises:
            ValueError: a kind is unknown; or as `panel`.
            OSError: a file cannot be written.
        """
        from cinet_core.visualize.ply import write_ply

        unknown = [kind for kind in kinds if kind not in PREDICTION_FILES]
        if unknown:
            raise ValueError(f"kinds holds {unknown[0]!r}: it may hold {', '.join(PREDICTION_FILES)}")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = {}
        images: dict[str, Callable[[], npt.NDArray[Any]]] = {"panel": lambda: self.panel(caption)}
        for kind, (task, file) in _IMAGE_FILES.items():
            if all(output.name in self.outputs for output in task.outputs):
                images[kind] = partial(file.image, self.outputs)
        for kind, image in images.items():
            if kind in kinds:
                written[kind] = folder / f"{name}_{kind}.png"
                _write_png(written[kind], image())
        if "cloud" in kinds and self.intrinsics is not None:
            path = folder / f"{name}_cloud.ply"
            if write_ply(path, self.points(), self._image_at_output_size(), self.labels, self.confidence):
                written["cloud"] = path
        return written

    def __repr__(self) -> str:
        """Size, depth and the largest classes, in one line."""
        height, width = self.depth.shape
        valid = self.depth[np.isfinite(self.depth)]
        facts = [f"{width}x{height}"]
        if valid.size:
            facts.append(f"depth {valid.min():.2f} to {valid.max():.2f} m, median {np.median(valid):.2f} m")
        else:
            facts.append("no valid depth")
        if self.metadata is not None:
            shares = list(self.class_shares().items())[:_NAMED_CLASSES]
            facts += [f"{name} {100 * share:.0f} %" for name, share in shares]
            facts += ["RANDOM WEIGHTS"] if self.metadata.random_weights else []
        facts += [] if self.intrinsics is not None else ["camera unknown"]
        return f"<Prediction {', '.join(facts)}>"

    def _repr_png_(self) -> bytes | None:
        """The panel, for a notebook; None, so that it shows the text, where there is no image."""
        from PIL import Image

        if self.image is None or self.metadata is None:
            return None
        file = io.BytesIO()
        Image.fromarray(self.panel()).save(file, "PNG")
        return file.getvalue()

    def _image_at_output_size(self) -> npt.NDArray[np.uint8]:
        if self.image is None:
            raise ValueError("this prediction holds no image to colour a cloud with: take one of Predictor")
        height, width = self.depth.shape
        if self.image.shape[:2] == (height, width):
            return self.image
        return cv2.resize(self.image, (width, height), interpolation=cv2.INTER_AREA)


def _write_png(path: Path, image: npt.NDArray[Any]) -> None:
    """Write a grey or an RGB image."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded, content = cv2.imencode(".png", image)
    if not encoded:
        raise OSError(f"{path}: OpenCV could not encode an image of {image.shape} {image.dtype}")
    atomic_write_bytes(path, content.tobytes())
