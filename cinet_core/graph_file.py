"""Reads untrusted files of core graphs: ONNX files that hold a network for every image size, without PyTorch.

`cinet_core.inference.core_export` writes them. Before a runtime sees a byte of one, every size is bounded, and the file
is held to what is ours: it refers to no other file, it has no operators but ONNX's own, its digest is that of its
content. An ONNX file is a message of protocol buffers: fields of a number and a type each, some of them messages again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinet_core.weights_file import CheckpointError, read_bytes

__all__ = [
    "CORE_INPUTS",
    "DIGEST_KEY",
    "FACTS_KEY",
    "GRAPH_FORMAT",
    "MAX_GRAPH_BYTES",
    "SUFFIX",
    "GraphContent",
    "content_digest",
    "read_graph",
]

SUFFIX = ".onnx"
"""By which a core graph is told from a checkpoint."""
GRAPH_FORMAT = 1
"""Another one whenever the graph or its metadata mean something else: no file of before is taken."""
FACTS_KEY, DIGEST_KEY = "cinet_core_graph", "cinet_digest"
"""Keys of the file's metadata: what is known of the graph, as JSON, and the SHA-256 of the graph and this JSON."""
CORE_INPUTS = ("pixels", "intrinsics", "depth_scale")
"""(B, h, w, 3) float32 RGB, 0 to 255; (B, 4) float32 fx fy cx cy of the camera's image; (B,) float32 f_net / f_c."""
MAX_GRAPH_BYTES = 2**30
MAX_FACTS_BYTES = 2**20

# Field numbers of ModelProto, GraphProto and NodeProto in onnx.proto3.
_GRAPH, _METADATA = 7, 14
_INPUT, _OUTPUT = 11, 12
_DOMAIN = 7
# Kinds of message, and which fields of them hold further messages that are looked into.
_MODEL, _GRAPHS, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE = "model", "graph", "node", "attribute", "tensor", "sparse"
_INSIDE = {
    _MODEL: {7: _GRAPHS},
    _GRAPHS: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPHS, 10: _TENSOR, 11: _GRAPHS, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
# Fields that a file of ours does not have, and what they are.
_FOREIGN = {
    (_MODEL, 20): "instructions for training",
    (_MODEL, 25): "functions of its own",
    (_TENSOR, 13): "weights in another file",
    (_TENSOR, 14): "weights in another file",
}
_OWN_DOMAINS = (b"", b"ai.onnx")
_MAX_DEPTH = 8


@dataclass(frozen=True)
class GraphContent:
    """An ONNX file whose structure was looked at.

    Attributes:
        content: of the whole file.
        facts: JSON under `FACTS_KEY`.
        inputs, outputs: names of what goes into the graph and comes out.
        sha256: of the file.
    """

    content: bytes
    facts: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sha256: str


def content_digest(graph: bytes, facts: bytes) -> str:
    """SHA-256 of a graph, a serialised GraphProto, and of its facts, which are stored beside it."""
    digest = hashlib.sha256(len(graph).to_bytes(8, "little"))
    digest.update(graph)
    digest.update(facts)
    return digest.hexdigest()


def read_graph(path: Path, max_bytes: int = MAX_GRAPH_BYTES) -> GraphContent:
    """Read the file of a core graph, opened once.

    Raises:
        CheckpointError: the file is missing, larger than `max_bytes`, truncated, no ONNX file, not one of this
            project's, of a format that is unknown here, changed since it was written, or it refers to what is outside
            of it.
    """
    content = read_bytes(path, max_bytes, "graph")
    try:
        return _parsed(path, content)
    except (ValueError, TypeError, KeyError, IndexError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is no whole ONNX file ({error}): copy it again, or write it anew with cinet export --any-size"
        ) from error


def _parsed(path: Path, content: bytes) -> GraphContent:
    view = memoryview(content)
    graphs, texts = [], {}
    for number, value in _fields(view):
        if number == _GRAPH and isinstance(value, memoryview):
            graphs.append(value)
        elif number == _METADATA and isinstance(value, memoryview):
            entry = dict(_fields(value))
            texts[bytes(entry[1]).decode()] = bytes(entry[2])
    if len(graphs) != 1 or FACTS_KEY not in texts:
        raise CheckpointError(
            f"{path} is not a core graph of this project: give a file that cinet export --any-size wrote"
        )
    text = texts[FACTS_KEY]
    if len(text) > MAX_FACTS_BYTES:
        raise CheckpointError(f"{path} has {len(text)} bytes of metadata, the limit is {MAX_FACTS_BYTES}")
    facts = json.loads(text)
    if facts.get("format") != GRAPH_FORMAT:
        raise CheckpointError(
            f"{path} has graph format {str(facts.get('format'))[:20]!r}, this software reads {GRAPH_FORMAT}: export it "
            "anew with this version"
        )
    if texts.get(DIGEST_KEY, b"").decode() != content_digest(bytes(graphs[0]), text):
        raise CheckpointError(
            f"{path} was changed after it was written: its digest is another. Copy it again, or export it anew"
        )
    _check_closed(path, view, _MODEL)
    inputs, outputs = (
        tuple(_name(value) for number, value in _fields(graphs[0]) if number == wanted) for wanted in (_INPUT, _OUTPUT)
    )
    return GraphContent(content, facts, inputs, outputs, hashlib.sha256(content).hexdigest())


def _check_closed(path: Path, message: memoryview, kind: str, depth: int = 0) -> None:
    """Raise CheckpointError where a graph reaches for what is not in its file."""
    if depth > _MAX_DEPTH:
        raise ValueError("graphs within graphs")
    for number, value in _fields(message):
        if (kind, number) in _FOREIGN and value != 0:
            raise CheckpointError(f"{path} has {_FOREIGN[kind, number]}, which is never loaded: export it anew")
        if kind == _NODE and number == _DOMAIN and bytes(value) not in _OWN_DOMAINS:
            domain = bytes(value)[:40].decode(errors="replace")
            raise CheckpointError(f"{path} has operators of {domain!r}, which are never loaded: export it anew")
        if number in _INSIDE[kind] and isinstance(value, memoryview):
            _check_closed(path, value, _INSIDE[kind][number], depth + 1)


def _name(value: Any) -> str:
    """Of a ValueInfoProto."""
    return bytes(dict(_fields(value))[1]).decode()


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an integer, or a view of its bytes."""
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if kind == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == 2:
            length, position = _varint(message, position)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field has the type {kind}")
        if position + length > end:
            raise ValueError(f"it ends {position + length - end} bytes too early")
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]  # IndexError: the end
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than 64 bits")
