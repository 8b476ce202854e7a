"""The part of /diagnostics that is about the node as a whole: its model, worker, memory and name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from cinet_core.inference.background import is_preparing
from cinet_core.process_memory import resident_memory
from cinet_ros.diagnostics import WARN, Conditions, status
from cinet_ros.supervisor import WorkerSupervisor

if TYPE_CHECKING:  # which takes seconds to import, and the mapper has none
    from cinet_core.inference.predictor import Predictor

MEBIBYTE = 2**20


def model_status(
    name: str, predictor: Predictor | None, weights: str, conditions: Conditions, supervisor: WorkerSupervisor
) -> DiagnosticStatus:
    """Return the status of the model for /diagnostics: backend, device and memory.

    Args:
        name: of the row.
        predictor: None where the node is not configured.
        weights: the parameter.
        conditions: of the model and the worker.
        supervisor: of the worker.
    """
    values = {
        "weights": weights,
        "host memory [MiB]": _mebibytes(resident_memory()),
        "worker restarts": supervisor.restarts,
        "threads that hang": supervisor.left_behind,
    }
    if predictor is None:
        return status(name, "", "not configured", conditions, values)
    values |= {
        "model": predictor.metadata.config.name,
        "model hash": predictor.model_hash,
        "label set": f"{predictor.label_set.name}, {len(predictor.label_set.classes)} classes",
        "backend": predictor.backend_name,
        "backend, why": predictor.backend_reason,
        "backend in preparation": is_preparing(),
        "device": predictor.device,
        "frame in work for [s]": f"{supervisor.busy_for():.1f}",
    }
    values |= {f"device memory, {kind} [MiB]": _mebibytes(size) for kind, size in predictor.device_memory().items()}
    return status(name, predictor.device, "ready", conditions, values)


def report_namesakes(node: Node, conditions: Conditions) -> None:
    """Warn while another node has the same name: requests to one of them reach either."""
    ours = (node.get_name(), node.get_namespace())
    others = node.get_node_names_and_namespaces().count(ours) - 1
    if others < 1:
        conditions.clear("namesake")
        return
    text = (
        f"{others} more nodes are called {node.get_fully_qualified_name()}: outputs mix, and parameters and "
        "transitions reach any of them. End the others, or start each with a namespace or `-r __node:=name` of its own"
    )
    conditions.report("namesake", WARN, text, lasting=True)


def _mebibytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / MEBIBYTE:.1f}"
