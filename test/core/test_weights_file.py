"""Weights files from anywhere: every size is checked before it is believed, and nothing in them runs."""

import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from cinet_core.checkpoint import load_checkpoint, read_metadata
from cinet_core.weights_file import MAX_HEADER_BYTES, CheckpointError, read_file, read_header

LIMIT = 2**30


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


def test_sizes_are_compared_before_the_tensors_are_read(saved: Path) -> None:
    with saved.open("r+b") as file:
        file.truncate(LIMIT)  # sparse
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=f"it has {LIMIT} bytes"):
            read_file(saved, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_truncated_file(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"truncated|no safetensors"):
        read_file(saved, LIMIT)


def test_bytes_after_the_tensors(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        read_file(saved, LIMIT)


class Bomb:
    """A pickle of it creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5, "torch"])
def test_pickle_under_a_safe_name_runs_nothing(tmp_path: Path, protocol: int | str) -> None:
    path, proof = tmp_path / "model.safetensors", tmp_path / "executed"
    if protocol == "torch":
        torch.save(Bomb(proof), path)
    else:
        path.write_bytes(pickle.dumps(Bomb(proof), protocol))
    told = "no safetensors" if protocol == 0 else "is a pickle"  # protocol 0 is text and has no mark to know it by
    for read in (load_checkpoint, read_metadata):
        with pytest.raises(CheckpointError, match=told):
            read(path)
    assert not proof.exists()


@pytest.mark.parametrize("length", [0x10280, 0x10380, 0x10480, 0x10580])
def test_header_whose_length_looks_like_the_start_of_a_pickle(saved: Path, length: int) -> None:
    content = saved.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    saved.write_bytes(length.to_bytes(8, "little") + content[8:end].ljust(length) + content[end:])
    assert saved.read_bytes().startswith(pickle.dumps(None, length >> 8 & 0xFF)[:2])
    assert read_header(saved).tensors.keys() == {"a", "b"}


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 2**40, 2**63, 2**64 - 1])
def test_giant_header_is_refused_before_it_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little") + b"{")
        file.truncate(2 * MAX_HEADER_BYTES)  # sparse
    with pytest.raises(CheckpointError, match=f"the limit is {MAX_HEADER_BYTES}"):
        read_file(path, LIMIT)


def test_file_over_the_limit_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="more than the 100 allowed"):
        read_file(saved, max_bytes=100)


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
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        read_file(path, LIMIT)


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
