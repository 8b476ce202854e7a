"""A teacher that the user brings as an ONNX file, with a description of what it wants and answers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, network_focal
from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.labelling.description import OutputDescription, TeacherDescription, TeacherError
from cinet_core.labelling.teacher import Answer, Bytes, Float, Teacher, resized
from cinet_core.threads import threads

__all__ = ["OnnxTeacher"]

_DEPTHS = ("metric_depth", "inverse_depth")


class OnnxTeacher(Teacher):
    """Runs an ONNX file by ONNX Runtime, on images of any size, one at a time.

    Sizes that the file has fixed are taken as they are: the image is then stretched to them.

    Args:
        model: the ONNX file.
        description: of it.
        label_set: that its classes are brought to.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        TeacherError: the file is missing, truncated or no ONNX file, or does not have what the description says; or
            ONNX Runtime is not installed.
    """

    def __init__(self, model: Path, description: TeacherDescription, label_set: LabelSet, device: str = "auto") -> None:
        self.name, self.label_set, self._description, self._model = description.name, label_set, description, model
        self._session = _session(model, device)
        self._input, self._fixed = self._checked_input()
        names = [output.name for output in self._session.get_outputs()]
        self._depth = self._labels = None
        self._lookup: npt.NDArray[np.uint8] | None = None
        for output in description.outputs:
            if not output.name and len(names) > 1 and len(names) != len(description.outputs):
                raise self._fault(f"it has the outputs {', '.join(names)}", "name the one that is meant")
            if output.name and output.name not in names:
                raise self._fault(f"it has no output {output.name!r}", f"it has {', '.join(names)}")
            place = names.index(output.name) if output.name else description.outputs.index(output)
            if output.meaning in _DEPTHS:
                self._depth = output, place
            else:
                self._labels = output, place
                self._lookup = self._checked_lookup(output)
        self.gives_depth = "" if self._depth is None else self._depth[0].meaning.split("_")[0]
        self.gives_depth = "relative" if self.gives_depth == "inverse" else self.gives_depth
        self.gives_labels = self._labels is not None
        self.identity = {"kind": "onnx", "sha256": _sha256(model), "name": self.name, "description": repr(description)}

    def answer(self, image: Bytes, camera: Intrinsics, scale: float = 1.0) -> Answer:
        """See `Teacher.answer`."""
        height, width = image.shape[:2]
        high, wide = self._size(width, height, scale)
        try:
            answers = self._session.run(None, {self._input: self._prepared(image, high, wide)})
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            reason = f"it does not run on an input of {wide}x{high}: {' '.join(str(error).split())[:300]}"
            raise self._fault(reason, "correct size and multiple of its description") from error
        depth = labels = confidence = None
        if self._depth is not None:
            output, place = self._depth
            depth = resized(self._plane(answers[place], output), width, height)
            depth = self._metric(depth, output, network_focal(camera, wide, high))
        if self._labels is not None:
            output, place = self._labels
            labels, confidence = self._classified(answers[place], output, width, height)
        return Answer(depth, self.gives_depth == "relative", labels=labels, confidence=confidence)

    def close(self) -> None:
        """Free the network."""
        del self._session

    def _checked_input(self) -> tuple[str, tuple[int | None, int | None]]:
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise self._fault(f"it has {len(inputs)} inputs", "export it so that the image is the only one")
        shape = list(inputs[0].shape)
        fits = len(shape) == 4 and (shape[1] in (3, None) or isinstance(shape[1], str))
        if not fits or inputs[0].type != "tensor(float)" or (isinstance(shape[0], int) and shape[0] != 1):
            reason = f"its input {inputs[0].name!r} is {inputs[0].type} {shape}"
            raise self._fault(reason, "a float32 image (1, 3, H, W) is needed: export it so")
        height, width = (side if isinstance(side, int) and side > 0 else None for side in shape[2:])
        return inputs[0].name, (height, width)

    def _checked_lookup(self, output: OutputDescription) -> npt.NDArray[np.uint8]:
        try:
            lookup = output.lookup(self.label_set)
        except ValueError as error:
            raise self._fault(str(error), "correct classes and map of its description") from error
        if (lookup == UNLABELLED).all():
            raise self._fault("none of its classes is one of the label set", "give a map in its description")
        return lookup

    def _size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        high, wide = self._description.input_size(width, height, scale)
        return self._fixed[0] or high, self._fixed[1] or wide

    def _prepared(self, image: Bytes, height: int, width: int) -> Float:
        """(1, 3, height, width) of an image."""
        shrinks = image.shape[0] * image.shape[1] > height * width
        scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        colours = (scaled if self._description.color == "rgb" else scaled[..., ::-1]).astype(np.float32) / 255.0
        mean, std = (np.array(values, dtype=np.float32) for values in (self._description.mean, self._description.std))
        return np.ascontiguousarray(((colours - mean) / std).transpose(2, 0, 1)[None])

    def _plane(self, values: npt.NDArray[Any], output: OutputDescription) -> Float:
        """(h, w) of an output of depth or class numbers."""
        plane = values
        while plane.ndim > 2 and plane.shape[0] == 1:
            plane = plane[0]
        if plane.ndim == 3 and plane.shape[-1] == 1:
            plane = plane[..., 0]
        if plane.ndim != 2 or min(plane.shape) < 2:
            reason = f"its output for {output.meaning} has shape {values.shape}"
            raise self._fault(reason, "one value a pixel, (1, h, w), is needed: correct the description")
        return np.ascontiguousarray(plane, dtype=np.float32)

    def _metric(self, depth: Float, output: OutputDescription, focal: float) -> Float:
        if output.meaning == "inverse_depth":
            return np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)
        factor = output.scale * (focal / output.focal if output.focal else 1.0)
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(depth) & (depth > 0), depth * factor, np.nan).astype(np.float32)

    def _classified(
        self, values: npt.NDArray[Any], output: OutputDescription, width: int, height: int
    ) -> tuple[Bytes, Float]:
        """Label and confidence of each pixel, of logits or class numbers."""
        assert self._lookup is not None
        if output.meaning == "labels":
            numbers = self._plane(values, output).astype(np.int64)
            if numbers.min() < 0 or numbers.max() >= len(self._lookup):
                reason = f"it answers class {numbers.max() if numbers.max() >= len(self._lookup) else numbers.min()}"
                raise self._fault(reason, f"its description names {len(self._lookup)} classes: name all of them")
            small = self._lookup[numbers]
            labels = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
            return labels, (labels != UNLABELLED).astype(np.float32)
        logits = np.asarray(values, dtype=np.float32)
        if logits.ndim != 4 or logits.shape[:2] != (1, len(self._lookup)):
            reason = f"its output for logits has shape {logits.shape}"
            raise self._fault(reason, f"(1, {len(self._lookup)}, h, w), a channel for each class named, is needed")
        return _decided(logits[0], self._lookup, width, height)

    def _fault(self, reason: str, remedy: str) -> TeacherError:
        return TeacherError(f"{self._model}, described by {self._description.name!r}: {reason}; {remedy}")


def _decided(logits: Float, lookup: npt.NDArray[np.uint8], width: int, height: int) -> tuple[Bytes, Float]:
    """The label set's class with the largest probability, of logits (C, h, w); 255 where classes of none have it."""
    shares = np.exp(logits - logits.max(axis=0))
    shares /= shares.sum(axis=0)
    targets = np.unique(lookup)
    joined = np.stack([shares[lookup == target].sum(axis=0) for target in targets], axis=-1)
    labels, confidence = np.empty((height, width), np.uint8), np.empty((height, width), np.float32)
    best = np.full((height, width), -1.0, np.float32)
    for channel, target in enumerate(targets):  # one after the other: all at the image's size would be a lot of memory
        likely = resized(np.ascontiguousarray(joined[..., channel]), width, height)
        better = likely > best
        best[better], labels[better] = likely[better], target
    confidence[:] = np.where(labels == UNLABELLED, 0.0, best).clip(0.0, 1.0)
    return labels, confidence


def _session(model: Path, device: str) -> Any:
    if not model.is_file():
        raise TeacherError(f"{model}: there is no such file; give the teacher's ONNX file")
    try:
        import onnxruntime
    except ImportError as error:
        raise TeacherError("a teacher needs ONNX Runtime, which is not installed: pip install onnxruntime") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads()
    settings.log_severity_level = 4
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device.startswith("cuda") and not has_cuda:
        raise TeacherError(f"{model}: this ONNX Runtime has no CUDA; give device cpu, or install onnxruntime-gpu")
    if device != "cpu" and has_cuda:
        number = int(device.partition(":")[2] or 0) if device.startswith("cuda") else 0
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": number}))
    try:
        return onnxruntime.InferenceSession(str(model), settings, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
        reason = " ".join(str(error).split())[:300]
        text = f"{model}: it is damaged, or no ONNX file that runs here: {reason}; copy it again"
        raise TeacherError(text) from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
