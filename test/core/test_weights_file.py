"""Weights files from anywhere: every size is checked before it is believed, and nothing in them runs."""

import functools
import io
import json
import os
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import safetensors.torch
import torch
from bomb import Bomb

from cinet_core.checkpoint import load_checkpoint, read_metadata
from cinet_core.weights_file import MAX_HEADER_BYTES, CheckpointError, check_readable, read_file, read_header

LIMIT = 2**30
# Reading a header that is refused may take this much, whatever it says.
MAX_MEMORY = 64 * 2**20

fault = functools.partial(pytest.mark.fault, area="security")


@contextmanager
def memory(limit: int) -> Iterator[Callable[[], str]]:
    """Assert that the block takes less memory; yields a function that tells the peak."""
    tracemalloc.start()
    try:
        yield lambda: f"{tracemalloc.get_traced_memory()[1] / 2**20:.1f} MB taken"
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2, 3), "b": torch.ones(5)}, path, {"made by": "a test"})
    return path


def test_header_and_content(saved: Path) -> None:
    header, content = read_file(saved, LIMIT)
    assert header == read_header(saved)
    assert content == saved.read_bytes()
    assert header.metadata == {"made by": "a test"}
    assert header.tensors == {"a": ("F32", (2, 3)), "b": ("F32", (5,))}
    assert header.file_bytes == len(content)


def with_header(path: Path, header: bytes, data: bytes = b"") -> Path:
    """Write a file with any bytes as its header."""
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@fault(injected="a file of 1 GiB whose header announces 100 bytes", expected="refused, its data never read")
def test_sizes_are_compared_before_the_tensors_are_read(saved: Path, observed: Callable[[str], None]) -> None:
    with saved.open("r+b") as file:
        file.truncate(LIMIT)  # sparse
    with memory(2**20) as taken:
        with pytest.raises(CheckpointError, match=f"it has {LIMIT} bytes"):
            read_file(saved, LIMIT)
        observed(f"refused, {taken()}")


@fault(injected="a header of 160 bytes that claims tensors of 4 EiB", expected="refused before anything is allocated")
def test_tensors_that_claim_more_than_the_file_holds(tmp_path: Path, observed: Callable[[str], None]) -> None:
    entry = {"dtype": "F32", "shape": [2**30, 2**30], "data_offsets": [0, 2**62]}
    path = with_header(tmp_path / "model.safetensors", json.dumps({"a": entry}).encode(), bytes(16))
    with memory(2**20) as taken:
        with pytest.raises(CheckpointError, match=f"announces {2**62 + 8 + path.stat().st_size - 24}"):
            read_file(path, LIMIT)
        observed(f"refused, {taken()}")


@fault(fault="truncated weights file", injected="cut anywhere", expected="refused, asks for another copy")
@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_truncated_file(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"truncated|no safetensors"):
        read_file(saved, LIMIT)


@fault(injected="one byte more than the header announces", expected="refused as damaged")
def test_bytes_after_the_tensors(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        read_file(saved, LIMIT)


@fault(
    fault="malicious pickle as weights",
    injected="a pickle (protocols 0, 2, 4, 5 and torch.save) that makes a folder when loaded",
    expected="refused as a pickle, nothing runs",
)
@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5, "torch"])
def test_pickle_under_a_safe_name_runs_nothing(
    tmp_path: Path, protocol: int | str, name: str, observed: Callable[[str], None]
) -> None:
    path, proof = tmp_path / name, tmp_path / "executed"
    if protocol == "torch":
        torch.save(Bomb(proof), path)
    else:
        path.write_bytes(pickle.dumps(Bomb(proof), protocol))
    told = "no safetensors" if protocol == 0 else "is a pickle"  # protocol 0 is text and has no mark to know it by
    for read in (load_checkpoint, read_metadata):
        with pytest.raises(CheckpointError, match=told):
            read(path)
    assert not proof.exists()
    observed("refused, no folder made")
    # the trap does spring where a pickle is loaded
    content = path.read_bytes()
    torch.load(io.BytesIO(content), weights_only=False) if protocol == "torch" else pickle.loads(content)
    assert proof.exists()


@pytest.mark.parametrize("length", [0x10280, 0x10380, 0x10480, 0x10580])
def test_header_whose_length_looks_like_the_start_of_a_pickle(saved: Path, length: int) -> None:
    content = saved.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    saved.write_bytes(length.to_bytes(8, "little") + content[8:end].ljust(length) + content[end:])
    assert saved.read_bytes().startswith(pickle.dumps(None, length >> 8 & 0xFF)[:2])
    assert read_header(saved).tensors.keys() == {"a", "b"}


@fault(
    fault="giant header",
    injected="a header length from 1 MiB + 1 to 2^64 - 1",
    expected="refused before the header is read",
)
@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 2**40, 2**63, 2**64 - 1])
def test_giant_header_is_refused_before_it_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little") + b"{")
        file.truncate(2 * MAX_HEADER_BYTES)  # sparse
    with memory(2**20), pytest.raises(CheckpointError, match=f"the limit is {MAX_HEADER_BYTES}"):
        read_file(path, LIMIT)


def test_header_that_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    tensor = safetensors.torch.save({"a": torch.zeros(1)}, {"recipe": "x" * MAX_HEADER_BYTES})
    with pytest.raises(ValueError, match=f"the limit is {MAX_HEADER_BYTES}; keep less in recipe"):
        check_readable(tmp_path / "model.safetensors", tensor)


def hostile_headers() -> dict[str, bytes]:
    """Headers just within the limit of their size that try to take memory or stack when parsed."""
    room = MAX_HEADER_BYTES - 100
    tensor = b'"%x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return {
        "tensors": b"{" + b",".join(tensor % index for index in range(room // len(tensor % room))) + b"}",
        "objects": b"{" + b",".join(b'"%x":{}' % index for index in range(room // 12)) + b"}",
        "shape": b'{"a":{"dtype":"F32","data_offsets":[0,0],"shape":[' + b"[]," * (room // 3) + b"0]}}",
        "depth": b'{"a":' * (room // 5),
        "digits": b'{"a":{"dtype":"F32","shape":[' + b"9" * room + b'],"data_offsets":[0,0]}}',
        "metadata depth": json.dumps(
            {"__metadata__": {"cinet_format_version": "1", "cinet_metadata": "[" * room}}
        ).encode(),
    }


@fault(
    fault="header that swells when parsed",
    injected="1 MiB of tensors (20 000), of empty objects, of nested objects or lists, of digits",
    expected="refused with an error that names the file, within 64 MB",
)
@pytest.mark.parametrize("kind", hostile_headers())
def test_header_that_swells(tmp_path: Path, kind: str) -> None:
    path = with_header(tmp_path / "model.safetensors", hostile_headers()[kind])
    with memory(MAX_MEMORY), pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_checkpoint(path)


@fault(
    injected="`__metadata__` or a key of it twice, with different values",
    expected="refused: two parsers might read two things",
)
@pytest.mark.parametrize("header", [b'{"__metadata__":{"a":"1","a":"2"}}', b'{"__metadata__":{},"__metadata__":{}}'])
def test_ambiguous_header(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(CheckpointError, match="a key occurs twice"):
        read_file(with_header(tmp_path / "model.safetensors", header), LIMIT)


@fault(injected="a weights file above the limit of its size", expected="refused before it is read")
def test_file_over_the_limit_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="more than the 100 allowed"):
        read_file(saved, max_bytes=100)


@fault(
    injected="a header that is no object, no JSON, too deep, or whose entries have other types",
    expected="refused as no safetensors file",
)
@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}x",
        b"[" * 100_000,
        b'{"a": 1}',
        b'{"__metadata__": {"a": 1}}',
        b'{"__metadata__": []}',
        b'{"a": {"dtype": "F32", "shape": 3, "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": null}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e999]}}',
        b"\xff\xfe{}",
    ],
)
def test_header_that_is_not_one(tmp_path: Path, header: bytes) -> None:
    path = with_header(tmp_path / "model.safetensors", header, bytes(4))
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        read_file(path, LIMIT)


@fault(
    injected="a path that is missing, a folder, a named pipe, too long", expected="refused at once, the pipe not opened"
)
def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        read_file(tmp_path / "missing.safetensors", LIMIT)
    with pytest.raises(CheckpointError, match="no regular file"):
        read_file(tmp_path, LIMIT)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="no regular file"):
        read_file(tmp_path / "pipe", LIMIT)
    with pytest.raises(CheckpointError, match="cannot be read: File name too long"):
        read_file(tmp_path / ("x" * 300), LIMIT)


@fault(
    fault="malicious pickle as training state",
    injected="`last.ckpt` replaced by a pickle that makes a folder when loaded",
    expected="refused with the remedy, nothing runs",
)
def test_pickle_as_the_state_of_a_training_runs_nothing(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    from cinet_core.training.checkpoints import AtomicCheckpointIO, ResumeError

    path, proof = tmp_path / "last.ckpt", tmp_path / "executed"
    torch.save(Bomb(proof), path)
    with pytest.raises(ResumeError, match=r"(?s)last\.ckpt cannot be read.* remove it to start anew"):
        AtomicCheckpointIO().load_checkpoint(path)
    assert not proof.exists()


def test_random_is_no_file_and_the_error_does_not_advise_it() -> None:
    with pytest.raises(CheckpointError, match=r"random does not exist: .* call random_checkpoint\(\)"):
        load_checkpoint("random")
    with pytest.raises(CheckpointError, match=r"or 'default' for the weights that ship$"):
        load_checkpoint("absent.safetensors")
