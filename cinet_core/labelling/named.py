"""Teachers by what a user writes: a checkpoint, a description, or a shipped description with an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cinet_core.label_sets import NYU40, LabelSet
from cinet_core.labelling.description import SHIPPED, TeacherError, read_description
from cinet_core.labelling.network_teacher import NetworkTeacher
from cinet_core.labelling.onnx_teacher import OnnxTeacher
from cinet_core.labelling.teacher import Teacher

__all__ = ["open_teachers"]

_HINT = 'give "default" or a .safetensors file, a .yaml description, or NAME=FILE.onnx with NAME one of ' + ", ".join(
    SHIPPED
)


def open_teachers(names: Sequence[str | Path], device: str = "auto") -> list[Teacher]:
    """Open teachers, whose labels are all of one label set: that of the first network of our own, else NYU40.

    Args:
        names: see `label_dataset`.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        TeacherError: one cannot be used; there is none; two are the same; or two networks have different classes.
    """
    texts = [str(name) for name in names]
    if not texts:
        raise TeacherError(f"there is no teacher: {_HINT}")
    if len(set(texts)) < len(texts):
        raise TeacherError(f"the teachers are {', '.join(texts)}: each may be given once")
    networks = {text: NetworkTeacher(text, device) for text in texts if _is_network(text)}
    sets = {network.label_set.classes: network.label_set for network in networks.values()}
    if len(sets) > 1:
        raise TeacherError(f"the teachers {', '.join(networks)} have different classes: give those of one label set")
    label_set = next(iter(sets.values()), NYU40)
    return [networks[text] if text in networks else _onnx(text, label_set, device) for text in texts]


def _is_network(text: str) -> bool:
    return "=" not in text and not text.endswith((".yaml", ".yml", ".onnx"))


def _onnx(text: str, label_set: LabelSet, device: str) -> Teacher:
    name, separator, file = text.partition("=")
    if separator and (name in SHIPPED or name.endswith((".yaml", ".yml"))):
        return OnnxTeacher(Path(file).expanduser(), read_description(name), label_set, device)
    if separator or text.endswith(".onnx"):
        raise TeacherError(f"teacher {text!r} has no description: {_HINT}")
    description = read_description(text)
    if not description.model:
        raise TeacherError(f"{text}: it names no model; add the key model, or give {text}=FILE.onnx")
    return OnnxTeacher(Path(text).expanduser().parent / description.model, description, label_set, device)
