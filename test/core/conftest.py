"""Fixtures of the tests of the core."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cinet_core.checkpoint import Checkpoint


@pytest.fixture(scope="session")
def all_tasks_checkpoint() -> Checkpoint:
    """A tiny network of everything that can be learnt. Not to be changed."""
    from tiny_network import trained_checkpoint  # imports torch, as the rest of this file does in its fixtures

    from cinet_core.tasks import TASKS

    return trained_checkpoint(tasks=tuple(task.name for task in TASKS))


@pytest.fixture(scope="session")
def core_graph_file(all_tasks_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core graph of `all_tasks_checkpoint`. Not to be changed."""
    from cinet_core.inference.core_export import export_core_graph

    path = tmp_path_factory.mktemp("graph") / "tiny.onnx"
    export_core_graph(all_tasks_checkpoint, path)
    return path


@pytest.fixture
def exported_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the jobs of export in this process, which has imported PyTorch and more already: a child takes seconds for it.

    Where no more is asked than what is exported; the child itself, and what becomes of it, is in `test_backends.py`
    and `test_quantization.py`.
    """
    from cinet_core.inference import export_job, onnx_file, quantization

    tasks = {"export": export_job._export, "quantize": export_job._quantize}

    def run(job: dict[str, Any]) -> None:
        tasks[job["task"]](json.loads(json.dumps(job)))  # as it comes out on the other side

    for module in (onnx_file, quantization):
        monkeypatch.setattr(module, "run_in_child", run)
