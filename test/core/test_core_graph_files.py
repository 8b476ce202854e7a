"""Files of core graphs from anywhere: what is not ours, or is damaged, is refused by name and does no harm."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinet_core.checkpoint import CheckpointError, weights_path
from cinet_core.graph_file import DIGEST_KEY, FACTS_KEY, content_digest
from cinet_core.inference.core_graph import load_core_graph, packed, unpacked

onnx = pytest.importorskip("onnx")
fault = functools.partial(pytest.mark.fault, area="security")


def rewritten(path: Path, target: Path, change: Callable[[Any, dict[str, Any]], None], honest: bool = True) -> Path:
    """The file with its model or facts changed; `honest`: with a digest that fits."""
    model = onnx.load(path)
    texts = {entry.key: entry.value for entry in model.metadata_props}
    facts = json.loads(texts[FACTS_KEY])
    change(model, facts)
    del model.metadata_props[:]
    text = json.dumps(facts, sort_keys=True)
    digest = content_digest(model.graph.SerializeToString(deterministic=True), text.encode())
    for key, value in ((FACTS_KEY, text), (DIGEST_KEY, digest if honest else texts[DIGEST_KEY])):
        model.metadata_props.add(key=key, value=value)
    target.write_bytes(model.SerializeToString(deterministic=True))
    return target


def outside(model: Any, facts: dict[str, Any]) -> None:
    """A weight that is read from a file of the machine."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def hidden_outside(model: Any, facts: dict[str, Any]) -> None:
    """The same in a constant of a branch."""
    tensor = onnx.helper.make_tensor("x", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.external_data.add(key="location", value="../../etc/passwd")
    constant = onnx.helper.make_node("Constant", [], ["x"], value=tensor)
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def foreign_operator(model: Any, facts: dict[str, Any]) -> None:
    model.graph.node.append(onnx.helper.make_node("Run", [], ["y"], domain="com.example"))


def own_function(model: Any, facts: dict[str, Any]) -> None:
    model.functions.append(onnx.helper.make_function("d", "f", [], [], [], []))


def other_output(model: Any, facts: dict[str, Any]) -> None:
    model.graph.output[0].name = "distance"


def with_facts(**values: Any) -> Callable[[Any, dict[str, Any]], None]:
    return lambda model, facts: facts.update(values)


def other_metadata(**values: Any) -> Callable[[Any, dict[str, Any]], None]:
    return lambda model, facts: facts["metadata"].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(outside, "weights in another file", marks=fault(
            injected="weights that are read from another file of the machine", expected="refused by name"
        )),
        pytest.param(hidden_outside, "weights in another file", marks=fault(
            injected="the same in a constant of a branch", expected="refused by name"
        )),
        pytest.param(foreign_operator, r"operators of 'com\.example'", marks=fault(
            injected="an operator of another domain", expected="refused by name"
        )),
        pytest.param(own_function, "functions of its own", marks=fault(
            injected="functions of its own", expected="refused by name"
        )),
        pytest.param(other_output, "gives distance", marks=fault(
            injected="other outputs than its metadata say", expected="refused by name"
        )),
        pytest.param(with_facts(format=2), "graph format '2'", marks=fault(
            injected="a format of later", expected="refused by name"
        )),
        pytest.param(with_facts(reference={}), "no usable reference answers", marks=fault(
            injected="no reference answers", expected="refused by name"
        )),
        pytest.param(other_metadata(depth_range=[5, 1]), "depth_range", marks=fault(
            injected="metadata with a depth range that falls", expected="refused by name"
        )),
        pytest.param(other_metadata(label_set={"name": "x", "classes": ["a"]}), "unusable metadata", marks=fault(
            injected="metadata with a label set of another size", expected="refused by name"
        )),
    ],
)  # fmt: skip
def test_a_graph_that_is_not_ours_is_refused(
    change: Callable[[Any, dict[str, Any]], None],
    message: str,
    core_graph_file: Path,
    tmp_path: Path,
    observed: Callable[[str], None],
) -> None:
    path = rewritten(core_graph_file, tmp_path / "changed.onnx", change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_core_graph(path)
    observed(str(caught.value).replace(str(path), "FILE"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda data: data[: len(data) // 2], "no whole ONNX file", marks=fault(
            injected="half of a graph's file", expected="refused; says what to do"
        )),
        pytest.param(lambda data: data[: data.rindex(FACTS_KEY.encode()) - 8], "no whole ONNX file", marks=fault(
            injected="a graph's file without its end, where the metadata are", expected="refused; says what to do"
        )),
        pytest.param(lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:], "changed after it was written",
            marks=fault(injected="one bit of a graph's weights", expected="refused; says what to do"
        )),
        pytest.param(lambda data: b"", "not a core graph", marks=fault(
            injected="an empty graph's file", expected="refused; says what to do"
        )),
        pytest.param(lambda data: b"\x80\x04" + data, "no whole ONNX file", marks=fault(
            injected="bytes in front of a graph", expected="refused; says what to do"
        )),
        pytest.param(lambda data: b"\x0a" + b"\xff" * 20, "more than 64 bits", marks=fault(
            injected="a length without an end", expected="refused; says what to do"
        )),
    ],
)  # fmt: skip
def test_a_damaged_graph_is_refused(
    damage: Callable[[bytes], bytes],
    message: str,
    core_graph_file: Path,
    tmp_path: Path,
    observed: Callable[[str], None],
) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damage(core_graph_file.read_bytes()))
    with pytest.raises(CheckpointError, match=message) as caught:
        load_core_graph(path)
    observed(str(caught.value).replace(str(path), "FILE"))


@fault(injected="other metadata in a graph, with the digest of before", expected="refused as changed")
def test_changed_metadata_are_noticed(core_graph_file: Path, tmp_path: Path, observed: Callable[[str], None]) -> None:
    path = rewritten(core_graph_file, tmp_path / "changed.onnx", other_metadata(licence="none"), honest=False)
    with pytest.raises(CheckpointError, match="changed after it was written") as caught:
        load_core_graph(path)
    observed(str(caught.value).replace(str(path), "FILE"))


@fault(injected="a graph's file of more than the limit", expected="refused before a byte is read")
def test_a_graph_that_is_too_large_is_refused(tmp_path: Path, observed: Callable[[str], None]) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # without a block on the disk
    with pytest.raises(CheckpointError, match="3221225472 bytes, more than") as caught:
        load_core_graph(path)
    observed(str(caught.value).replace(str(path), "FILE"))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_core_graph(tmp_path / "none.onnx")
    with pytest.raises(CheckpointError, match="no regular file"):
        load_core_graph(tmp_path)
    path = tmp_path / "renamed.onnx"
    path.write_bytes(weights_path("default").read_bytes())
    with pytest.raises(CheckpointError, match=r"renamed\.onnx"):
        load_core_graph(path)


@pytest.mark.parametrize(
    "facts",
    [
        {"shape": [4, -3]},
        {"shape": [2**20, 2**20]},
        {"dtype": "object"},
        {"shape": [2, 2]},
        {"data": packed(np.zeros(2**22, np.uint8))["data"]},  # far longer, unpacked
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused(facts: dict[str, Any]) -> None:
    right = packed(np.arange(12, dtype=np.float32).reshape(4, 3))
    np.testing.assert_array_equal(unpacked(right), np.arange(12).reshape(4, 3))
    with pytest.raises((ValueError, KeyError)):
        unpacked({**right, **facts})
